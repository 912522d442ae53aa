package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"rdrec/activities"
	"rdrec/internal/progress"
	"rdrec/internal/spec"
	"rdrec/registry"
	"rdrec/storage"
	"rdrec/workflows"
)

// distillEnv is a world in which only the shards of a distillation are of interest.
type distillEnv struct {
	env   *testsuite.TestWorkflowEnvironment
	mutex sync.Mutex
	// asked counts the attempts at each shard; merged and recorded count the merges and the records
	// that follow the last shard.
	asked            map[int]int
	merged, recorded int
	updates          int
	// execute does a shard's work in place of finishing it.
	work func(ctx context.Context, shard int) (activities.DistillShardResult, error)
}

var tenRows = activities.DistillShardResult{Rows: 10, Parsed: 9, Quarantined: 1, Tokens: 100, Seconds: 2}

func newDistillEnv(t *testing.T, shards int) *distillEnv {
	t.Helper()
	w := &distillEnv{env: newEnvironment(), asked: map[int]int{}}
	w.env.RegisterWorkflow(workflows.Distillation)
	mock := func(name string, f any) {
		w.env.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name})
	}
	mock("Identify", func(context.Context, activities.IdentifyInput) (registry.Identity, error) {
		return registry.Identity{Data: "d", Teacher: "t"}, nil
	})
	mock("Import", func(context.Context, activities.ImportInput) (storage.Ref, error) { return refOf("data"), nil })
	mock("LookUp", func(context.Context, activities.LookUpInput) (activities.StageResult, error) {
		return activities.StageResult{}, nil
	})
	mock("CommitStage", func(_ context.Context, done storage.StageRecord) error {
		if done.Stage == "distill" {
			w.recorded++
		}
		return nil
	})
	mock("PlanDistillation", func(context.Context, activities.DistillInput) (activities.DistillPlan, error) {
		return activities.DistillPlan{Explanations: 99, Wanted: 5 + 10*shards, Found: 5, Parsed: 5, Shards: shards}, nil
	})
	mock("DistillShard", func(
		ctx context.Context, in activities.DistillShardInput,
	) (activities.DistillShardResult, error) {
		w.mutex.Lock()
		w.asked[in.Shard]++
		work := w.work
		w.mutex.Unlock()
		if work == nil {
			return tenRows, nil
		}
		return work(ctx, in.Shard)
	})
	mock("MergeRationales", func(context.Context, activities.DistillInput) (storage.Ref, error) {
		w.merged++
		return refOf("rationales"), nil
	})
	return w
}

func refOf(name string) storage.Ref {
	return storage.Ref{Digest: storage.Digest([]byte(name)), Size: 1}
}

func distillationInput(change func(*workflows.DistillationInput)) workflows.DistillationInput {
	s := spec.Default()
	in := workflows.DistillationInput{Data: spec.Data{Folder: "folder"}, Teacher: s.Teacher, Seed: 1, Parallel: 2}
	if change != nil {
		change(&in)
	}
	return in
}

// run runs a distillation and returns its result.
func (w *distillEnv) run(t *testing.T, in workflows.DistillationInput) workflows.DistillationResult {
	t.Helper()
	w.env.ExecuteWorkflow(workflows.Distillation, in)
	if err := w.env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	var result workflows.DistillationResult
	if err := w.env.GetWorkflowResult(&result); err != nil {
		t.Fatal(err)
	}
	return result
}

// askedTimes is how often shards 1 to n were asked if each was asked times.
func askedTimes(n, times int) map[int]int {
	m := map[int]int{}
	for i := range n {
		m[i+1] = times
	}
	return m
}

func TestDistillationRunsEachShardOnce(t *testing.T) {
	w := newDistillEnv(t, 5)
	result := w.run(t, distillationInput(nil))
	if diff := cmp.Diff(askedTimes(5, 1), w.asked); diff != "" || w.merged != 1 || w.recorded != 1 {
		t.Errorf("asked %v, gathered %d, recorded %d", w.asked, w.merged, w.recorded)
	}
	want := storage.Stats{Requests: 50, Tokens: 500, Seconds: 10}
	if diff := cmp.Diff(want, result.Stats); diff != "" || result.Rationales != refOf("rationales") || result.Partial {
		t.Errorf("result %+v, %s", result, diff)
	}
}

func TestDistillationCountsBatchHalvings(t *testing.T) {
	w := newDistillEnv(t, 3)
	w.work = func(_ context.Context, shard int) (activities.DistillShardResult, error) {
		result := tenRows
		result.BatchHalvings = shard - 1
		return result, nil
	}
	if result := w.run(t, distillationInput(nil)); result.Stats.BatchHalvings != 3 {
		t.Errorf("figures %v, want memory to have run out 3 times", result.Stats)
	}
}

func TestDistillationSampleIsNotRecorded(t *testing.T) {
	w := newDistillEnv(t, 1)
	w.run(t, distillationInput(func(in *workflows.DistillationInput) { in.Sample = 20 }))
	if w.merged != 1 || w.recorded != 0 {
		t.Errorf("gathered %d, recorded %d", w.merged, w.recorded)
	}
}

// A history begins anew after some shards; none is asked twice, none is left out, and skipped ones
// stay skipped.
func TestDistillationContinuesAsNew(t *testing.T) {
	in, runs := distillationInput(func(in *workflows.DistillationInput) { in.ShardsPerRun = 3 }), 0
	requested := map[int]int{}
	for ; runs < 9; runs++ {
		w := newDistillEnv(t, 11)
		w.asked = requested
		if runs == 0 {
			skipped := make(chan struct{})
			w.whenStarted(1, func() {
				w.update(t, workflows.UpdateSkip, "", workflows.SkipShard{Shard: 9})
				close(skipped)
			})
			w.work = func(context.Context, int) (activities.DistillShardResult, error) {
				<-skipped
				return tenRows, nil
			}
		}
		w.env.ExecuteWorkflow(workflows.Distillation, in)
		var again *workflow.ContinueAsNewError
		if err := w.env.GetWorkflowError(); !errors.As(err, &again) {
			if err != nil {
				t.Fatal(err)
			}
			var result workflows.DistillationResult
			if err := w.env.GetWorkflowResult(&result); err != nil || !result.Partial || result.Stats.Requests != 100 ||
				w.recorded != 0 {
				t.Errorf("result %+v, %v, recorded %d", result, err, w.recorded)
			}
			break
		}
		in = workflows.DistillationInput{}
		if err := w.payload(again, &in); err != nil {
			t.Fatal(err)
		}
	}
	want := askedTimes(11, 1)
	delete(want, 9)
	if diff := cmp.Diff(want, requested); diff != "" || runs < 2 {
		t.Errorf("%d runs, asked: %s", runs, diff)
	}
}

func (w *distillEnv) payload(again *workflow.ContinueAsNewError, in *workflows.DistillationInput) error {
	return converter.GetDefaultDataConverter().FromPayloads(again.Input, in)
}

// untilCancelled works at a shard until it is cancelled. The test's server forgets a cancelled
// activity at once: the worker's end-to-end test shows that the activity hands over what it
// finished.
func untilCancelled(ctx context.Context, _ int) (activities.DistillShardResult, error) {
	<-ctx.Done()
	return activities.DistillShardResult{}, ctx.Err()
}

// started is how many shards were asked for.
func (w *distillEnv) started() int {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return len(w.asked)
}

// whenStarted calls f once n shards were asked for.
func (w *distillEnv) whenStarted(n int, f func()) {
	w.env.RegisterDelayedCallback(func() {
		if w.started() < n {
			w.whenStarted(n, f)
			return
		}
		f()
	}, time.Millisecond)
}

// update sends an update; want is a part of what it is refused with, or empty. The verdict comes
// when the test ends.
func (w *distillEnv) update(t *testing.T, name, want string, args ...any) {
	t.Helper()
	message := ""
	w.updates++
	w.env.UpdateWorkflow(name, fmt.Sprint(name, w.updates), &testsuite.TestUpdateCallback{
		OnAccept: func() {},
		OnReject: func(err error) { message = err.Error() },
		OnComplete: func(_ any, err error) {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		},
	}, args...)
	t.Cleanup(func() {
		if (want == "") != (message == "") || !strings.Contains(message, want) {
			t.Errorf("%s %v was refused with %q, want %q", name, args, message, want)
		}
	})
}

func TestDistillationPauseAndResume(t *testing.T) {
	w := newDistillEnv(t, 3)
	paused := make(chan struct{})
	w.work = func(context.Context, int) (activities.DistillShardResult, error) {
		<-paused // the result comes too late
		return tenRows, nil
	}
	w.whenStarted(2, func() {
		w.update(t, workflows.UpdateResume, "is not paused")
		w.update(t, workflows.UpdatePause, "")
		w.update(t, workflows.UpdatePause, "already paused")
		close(paused)
	})
	w.env.RegisterDelayedCallback(func() {
		value, err := w.env.QueryWorkflow(workflows.QueryStages)
		if err != nil {
			t.Fatal(err)
		}
		var stages []workflows.StageStatus
		if err := value.Get(&stages); err != nil {
			t.Fatal(err)
		}
		want := &activities.Progress{
			Stage: "distill", Progress: progress.Progress{Done: 5, Total: 35, Unit: "rationales"}, Parsed: 5,
			Note: "0 of 3 shards, paused",
		}
		if diff := cmp.Diff(want, stages[len(stages)-1].Progress); diff != "" {
			t.Errorf("while it is paused: %s", diff)
		}
		w.mutex.Lock()
		w.work = nil
		w.mutex.Unlock()
		w.update(t, workflows.UpdateResume, "")
	}, time.Hour)
	w.run(t, distillationInput(nil))
	if diff := cmp.Diff(map[int]int{1: 2, 2: 2, 3: 1}, w.asked); diff != "" {
		t.Error(diff)
	}
}

func TestDistillationSkipsShards(t *testing.T) {
	w := newDistillEnv(t, 4)
	w.work = func(ctx context.Context, shard int) (activities.DistillShardResult, error) {
		if shard == 2 {
			<-ctx.Done()
			return activities.DistillShardResult{}, ctx.Err()
		}
		return tenRows, nil
	}
	w.whenStarted(4, func() { // the first is finished
		for number, want := range map[int]string{
			0: "there are 4 shards", 5: "there are 4 shards", -1: "there are 4 shards", 1: "is finished",
		} {
			w.update(t, workflows.UpdateSkip, want, workflows.SkipShard{Shard: number})
		}
		w.update(t, workflows.UpdateSkip, "", workflows.SkipShard{Shard: 2})
		w.update(t, workflows.UpdateSkip, "is already skipped", workflows.SkipShard{Shard: 2})
	})
	result := w.run(t, distillationInput(nil))
	if !result.Partial || result.Stats.Requests != 30 || w.recorded != 0 || w.merged != 1 {
		t.Errorf("result %+v, recorded %d, gathered %d", result, w.recorded, w.merged)
	}
	if diff := cmp.Diff(askedTimes(4, 1), w.asked); diff != "" {
		t.Error(diff)
	}
}

func TestDistillationFailureCancelsOtherShards(t *testing.T) {
	w := newDistillEnv(t, 6)
	w.work = func(ctx context.Context, shard int) (activities.DistillShardResult, error) {
		if shard == 1 {
			return activities.DistillShardResult{}, temporal.NewNonRetryableApplicationError(
				"401", activities.TypeTeacherAuth, nil,
			)
		}
		return untilCancelled(ctx, shard)
	}
	w.env.ExecuteWorkflow(
		workflows.Distillation, distillationInput(func(in *workflows.DistillationInput) { in.Parallel = 3 }),
	)
	var failure *temporal.ApplicationError
	if err := w.env.GetWorkflowError(); !errors.As(err, &failure) || failure.Type() != activities.TypeTeacherAuth {
		t.Errorf("error %v, want %s", err, activities.TypeTeacherAuth)
	}
	for shard := range w.asked {
		if shard > 3 {
			t.Errorf("shard %d was begun after the failure", shard)
		}
	}
	if w.merged != 0 {
		t.Error("what was left was gathered")
	}
}

// Once more rows are spoilt than the whole may have, the others are not paid for.
func TestDistillationStopsWhenMaxBadIsExceeded(t *testing.T) {
	w := newDistillEnv(t, 10)
	w.work = func(context.Context, int) (activities.DistillShardResult, error) {
		return activities.DistillShardResult{Rows: 10, Quarantined: 10}, nil
	}
	w.run(t, distillationInput(func(in *workflows.DistillationInput) { in.Parallel, in.Teacher.MaxBad = 1, 0.2 }))
	if len(w.asked) != 3 || w.merged != 1 { // 105 wanted: 21 are tolerated; merging names the cause
		t.Errorf("asked %v, gathered %d", w.asked, w.merged)
	}
}
