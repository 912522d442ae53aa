package activities

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"rdrec/storage"
)

// TestWorkTimeAddsUpAttempts has an attempt of 100 s that saved its state at 80 s, one of 10 s that
// saved nothing, and two that left nothing.
func TestWorkTimeAddsUpAttempts(t *testing.T) {
	var w workTime
	for _, c := range []struct {
		worked, saved float64
		missing       int
		want          workTime
	}{
		{want: workTime{}},
		{100, 80, 0, workTime{Used: 80, Wasted: 20}},
		{10, 0, 0, workTime{Used: 80, Wasted: 30}},
		{5, 5, 2, workTime{Used: 85, Wasted: 30, Unknown: 2}},
		{0, 0, -1, workTime{Used: 85, Wasted: 30, Unknown: 2}}, // another activity's details
	} {
		w.Worked, w.Saved = c.worked, c.saved
		w = w.next(c.missing)
		if diff := cmp.Diff(c.want, w); diff != "" {
			t.Errorf("after %g s, of which %g s saved (-want +got):\n%s", c.worked, c.saved, diff)
		}
	}
}

// TestResultHasTheTimeOfEarlierAttempts runs an attempt of 5 s after one of 100 s that saved its
// state at 80 s.
func TestResultHasTheTimeOfEarlierAttempts(t *testing.T) {
	now := time.Unix(0, 0)
	clock := func() time.Time { return now }
	a := &Activities{Now: clock, Scratch: t.TempDir()}
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.SetWorkerOptions(worker.Options{
		Interceptors: []interceptor.WorkerInterceptor{&MeasureInterceptor{Now: clock, GPU: "cuda:0"}},
	})
	env.SetHeartbeatDetails(Progress{Time: workTime{Worked: 100, Saved: 80}})
	work := func(ctx context.Context) (ref storage.Ref, err error) {
		_, work, err := a.begin(ctx, "work")
		defer work.finish(&err)
		now = now.Add(5 * time.Second)
		return storage.Ref{Digest: "d", Size: 1}, err
	}
	env.RegisterActivity(work)
	value, err := env.ExecuteActivity(work)
	if err != nil {
		t.Fatal(err)
	}
	var got StageOutput
	if err := value.Get(&got); err != nil {
		t.Fatal(err)
	}
	want := StageOutput{Ref: storage.Ref{Digest: "d", Size: 1}, Seconds: 85, WastedSeconds: 20, GPU: "cuda:0"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
