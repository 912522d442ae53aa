package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/testsuite"
	sdk "go.temporal.io/sdk/worker"

	"rdrec/internal/spec"
	"rdrec/internal/teacher"
	"rdrec/internal/torch"
)

// lender opens a small teacher by way of a shelf.
func lender(t *testing.T) (lend teachers, settings spec.Teacher) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "model")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "internal", "llama", "testdata", "hf-llama2"))); err != nil {
		t.Fatal(err)
	}
	settings = spec.Default().Teacher
	settings.Model = "hf:" + dir
	lend = teachers{device: "cpu", threads: 1, shelf: &shelf{}}
	t.Cleanup(lend.shelf.drop)
	return lend, settings
}

func borrow(t *testing.T, lend teachers, settings spec.Teacher) (teacher.Engine, func()) {
	t.Helper()
	engine, free, err := lend.Open(t.Context(), settings)
	if err != nil {
		t.Fatal(err)
	}
	return engine, free
}

func TestATeacherIsLoadedOnceForAllShards(t *testing.T) {
	before := torch.Live()
	lend, settings := lender(t)
	first, free := borrow(t, lend, settings)
	held := torch.Live()
	free()
	free() // a second time does nothing
	second, free := borrow(t, lend, settings)
	third, alsoFree := borrow(t, lend, settings)
	if second != first || third != first || torch.Live() != held {
		t.Errorf("the teacher was loaded again: %d tensors live, %d before", torch.Live(), held)
	}
	free()
	settings.MaxContext = 100
	other, freeOther := borrow(t, lend, settings) // while somebody still uses the first one
	if other == first || torch.Live() != 2*held-before {
		t.Errorf("%d tensors live with two teachers, %d with one", torch.Live(), held)
	}
	alsoFree()
	if torch.Live() != held {
		t.Errorf("%d tensors live when the first's last user is gone, want %d", torch.Live(), held)
	}
	_, place, _ := strings.Cut(settings.Model, ":")
	now := time.Now().Add(time.Minute)
	if err := os.Chtimes(filepath.Join(place, "config.json"), now, now); err != nil {
		t.Fatal(err)
	}
	freeOther()
	changed, free := borrow(t, lend, settings)
	if changed == other || torch.Live() != held {
		t.Errorf("weights that changed on the disk were not read again, or the old ones were kept: %d tensors live, want %d", torch.Live(), held)
	}
	lend.shelf.drop()
	if torch.Live() != held {
		t.Error("a teacher was freed while it was used")
	}
	free()
	if torch.Live() != before {
		t.Errorf("%d tensors live in the end, %d before", torch.Live(), before)
	}
}

// Other work on the same queue finds the teacher's memory free; the next shard does not.
func TestOtherWorkFindsTheMemoryFree(t *testing.T) {
	before := torch.Live()
	lend, settings := lender(t)
	_, free := borrow(t, lend, settings)
	free()
	held := torch.Live()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.SetWorkerOptions(sdk.Options{Interceptors: []interceptor.WorkerInterceptor{&clears{shelf: lend.shelf}}})
	for name, want := range map[string]int64{"DistillShard": held, "Train": before} {
		env.RegisterActivityWithOptions(func(context.Context) error {
			if torch.Live() != want {
				t.Errorf("%s: %d tensors live, want %d", name, torch.Live(), want)
			}
			return nil
		}, activity.RegisterOptions{Name: name})
	}
	for _, name := range []string{"DistillShard", "Train"} {
		if _, err := env.ExecuteActivity(name); err != nil {
			t.Fatal(err)
		}
	}
}
