package workflows_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"rdrec/activities"
	"rdrec/registry"
	"rdrec/storage"
	"rdrec/workflows"
)

// failOnce returns the error of a type that pauses, at the first call.
func failOnce(errorType, message string) func() error {
	calls := 0
	return func() error {
		if calls++; calls > 1 {
			return nil
		}
		return temporal.NewNonRetryableApplicationError(message, errorType, nil)
	}
}

// pausedStages returns the paused stages of a workflow; id is empty for the test's own.
func pausedStages(t *testing.T, env *testsuite.TestWorkflowEnvironment, id string) (paused []string) {
	t.Helper()
	answer, err := env.QueryWorkflow(workflows.QueryStages)
	if id != "" {
		answer, err = env.QueryWorkflowByID(id, workflows.QueryStages)
	}
	var stages []workflows.StageStatus
	if err == nil {
		err = answer.Get(&stages)
	}
	if err != nil {
		t.Error(err)
	}
	for _, s := range stages {
		if s.State == workflows.Paused {
			paused = append(paused, s.Name+": "+s.Note)
		}
	}
	return paused
}

// resume resumes a workflow of the test; id is empty for the test's own.
func resume(t *testing.T, env *testsuite.TestWorkflowEnvironment, id string) {
	t.Helper()
	sendUpdate(t, env, id, workflows.UpdateResume)
}

// sendUpdate sends an update to a workflow of the test; id is empty for the test's own.
func sendUpdate(t *testing.T, env *testsuite.TestWorkflowEnvironment, id, name string) {
	t.Helper()
	callback := &testsuite.TestUpdateCallback{
		OnAccept:   func() {},
		OnReject:   func(err error) { t.Errorf("%s: %v", name, err) },
		OnComplete: func(any, error) {},
	}
	if id == "" {
		env.UpdateWorkflow(name, "", callback)
	} else if err := env.UpdateWorkflowByID(id, name, "", callback); err != nil {
		t.Error(err)
	}
}

// TestLastingErrorsPauseUntilResumed pauses in a stage of the experiment, outside of any stage, and
// in a trial, for each type of error that pauses.
func TestLastingErrorsPauseUntilResumed(t *testing.T) {
	const trial = "default-test-workflow-id/rdrec-1"
	for _, c := range []struct{ activity, errorType, workflow, want string }{
		{"Preprocess", activities.TypeRepeatedFailures, "", "preprocess: no luck"},
		{"Identify", activities.TypeRepeatedFailures, "", "hash the inputs: no luck"},
		{"CommitStage", activities.TypeRepeatedFailures, "", "import: no luck"},
		{"Pretrain", activities.TypeOutOfMemory, trial, "pretrain rdrec/1: no luck"},
		{"DistillShard", activities.TypeTeacherQuota, "default-test-workflow-id/distill", "distill: no luck"},
	} {
		t.Run(c.activity, func(t *testing.T) {
			w := newWorkflowEnv(t)
			fail := failOnce(c.errorType, "no luck")
			switch c.activity {
			case "Identify":
				w.mock(c.activity, func(context.Context, activities.IdentifyInput) (registry.Identity, error) {
					return registry.Identity{Data: "d", Teacher: "t"}, fail()
				})
			case "CommitStage":
				w.mock(c.activity, func(ctx context.Context, _ storage.StageRecord) error {
					if activity.GetInfo(ctx).IsLocalActivity {
						return errors.New("the first attempt, in the workflow's process")
					}
					return fail()
				})
			case "DistillShard":
				w.mock(c.activity, func(
					context.Context, activities.DistillShardInput,
				) (activities.DistillShardResult, error) {
					return activities.DistillShardResult{Rows: 10, Parsed: 10}, fail()
				})
			default:
				w.mock(c.activity, func(context.Context, any) (storage.Ref, error) {
					return storage.Ref{Digest: strings.Repeat("a", 64), Size: 1}, fail()
				})
			}
			w.env.RegisterDelayedCallback(func() {
				if diff := cmp.Diff([]string{c.want}, pausedStages(t, w.env, c.workflow)); diff != "" {
					t.Error(diff)
				}
				resume(t, w.env, c.workflow)
			}, time.Hour)
			w.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: experiment("rdrec")})
			if err := w.env.GetWorkflowError(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestOtherErrorsDoNotPause fails at once.
func TestOtherErrorsDoNotPause(t *testing.T) {
	w := newWorkflowEnv(t)
	w.fail["Preprocess"] = temporal.NewNonRetryableApplicationError("torn", activities.TypeDataCorrupt, nil)
	w.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: experiment("rdrec")})
	if err := w.env.GetWorkflowError(); err == nil || !strings.Contains(err.Error(), "torn") {
		t.Error(err)
	}
}

// TestResumeIsRejectedUnlessPaused resumes a running experiment.
func TestResumeIsRejectedUnlessPaused(t *testing.T) {
	w := newWorkflowEnv(t)
	rejected := ""
	w.env.RegisterDelayedCallback(func() {
		w.env.UpdateWorkflow(workflows.UpdateResume, "", &testsuite.TestUpdateCallback{
			OnAccept:   func() {},
			OnReject:   func(err error) { rejected = err.Error() },
			OnComplete: func(any, error) {},
		})
	}, 0)
	w.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: experiment("rdrec")})
	if !strings.Contains(rejected, "is not paused") {
		t.Errorf("rejected because of %q", rejected)
	}
}

// TestAPausedNightlyRunNotifiesTheWebhook pauses in the trial of a nightly run.
func TestAPausedNightlyRunNotifiesTheWebhook(t *testing.T) {
	n := newNightlyEnv(t)
	fail := failOnce(activities.TypeRepeatedFailures, "no luck")
	n.mock("Pretrain", func(context.Context, activities.PretrainInput) (storage.Ref, error) {
		return storage.Ref{Digest: strings.Repeat("a", 64), Size: 1}, fail()
	})
	var notified []string
	n.mock("Notify", func(_ context.Context, in activities.NotifyInput) error {
		notified = append(notified, in.Run.Verdict+": "+in.Run.Summary)
		return nil
	})
	n.env.RegisterDelayedCallback(func() {
		resume(t, n.env, "default-test-workflow-id/rdrec-1")
	}, time.Hour)
	n.env.ExecuteWorkflow(workflows.Nightly, workflows.NightlyInput{Spec: nightlySpec()})
	if err := n.env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	want := []string{`paused: paused until "starter resume": pretrain rdrec/1: no luck`, "promoted: promoted"}
	if diff := cmp.Diff(want, notified); diff != "" || len(n.recorded) != 1 {
		t.Errorf("%s recorded %d", diff, len(n.recorded))
	}
}
