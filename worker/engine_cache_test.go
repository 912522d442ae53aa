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

// newTeachers returns teachers with an engine cache, and the settings of a small teacher.
func newTeachers(t *testing.T) (opener teachers, settings spec.Teacher) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "model")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "internal", "llama", "testdata", "hf-llama2"))); err != nil {
		t.Fatal(err)
	}
	settings = spec.Default().Teacher
	settings.Model = "hf:" + dir
	opener = teachers{device: "cpu", threads: 1, cache: &engineCache{}}
	t.Cleanup(opener.cache.evict)
	return opener, settings
}

func openTeacher(t *testing.T, opener teachers, settings spec.Teacher) (teacher.Engine, func()) {
	t.Helper()
	engine, free, err := opener.Open(t.Context(), settings)
	if err != nil {
		t.Fatal(err)
	}
	return engine, free
}

func TestEngineCacheLoadsTeacherOnce(t *testing.T) {
	before := torch.Live()
	opener, settings := newTeachers(t)
	first, free := openTeacher(t, opener, settings)
	heldTensors := torch.Live()
	free()
	free() // a second time does nothing
	second, free := openTeacher(t, opener, settings)
	third, alsoFree := openTeacher(t, opener, settings)
	if second != first || third != first || torch.Live() != heldTensors {
		t.Errorf("the teacher was loaded again: %d live tensors, %d before", torch.Live(), heldTensors)
	}
	free()
	settings.MaxContext = 100
	other, freeOther := openTeacher(t, opener, settings) // while the first one is still in use
	if other == first || torch.Live() != 2*heldTensors-before {
		t.Errorf("%d live tensors with two teachers, %d with one", torch.Live(), heldTensors)
	}
	alsoFree()
	if torch.Live() != heldTensors {
		t.Errorf("%d live tensors after the last use of the first teacher, want %d", torch.Live(), heldTensors)
	}
	_, path, _ := strings.Cut(settings.Model, ":")
	now := time.Now().Add(time.Minute)
	if err := os.Chtimes(filepath.Join(path, "config.json"), now, now); err != nil {
		t.Fatal(err)
	}
	freeOther()
	changed, free := openTeacher(t, opener, settings)
	if changed == other || torch.Live() != heldTensors {
		t.Errorf("weights that changed on disk were not reloaded, or the old ones were kept: %d live tensors, want %d",
			torch.Live(), heldTensors)
	}
	opener.cache.evict()
	if torch.Live() != heldTensors {
		t.Error("a teacher was freed while in use")
	}
	free()
	if torch.Live() != before {
		t.Errorf("%d live tensors at the end, %d before", torch.Live(), before)
	}
}

// Other activities of the same queue free the teacher's memory; the next shard does not.
func TestOtherActivitiesEvictTheEngine(t *testing.T) {
	before := torch.Live()
	opener, settings := newTeachers(t)
	_, free := openTeacher(t, opener, settings)
	free()
	heldTensors := torch.Live()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.SetWorkerOptions(
		sdk.Options{Interceptors: []interceptor.WorkerInterceptor{&evictInterceptor{cache: opener.cache}}},
	)
	for name, want := range map[string]int64{"DistillShard": heldTensors, "Train": before} {
		env.RegisterActivityWithOptions(func(context.Context) error {
			if torch.Live() != want {
				t.Errorf("%s: %d live tensors, want %d", name, torch.Live(), want)
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
