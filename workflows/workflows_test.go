package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"rdrec/activities"
	"rdrec/internal/spec"
	"rdrec/storage"
	"rdrec/workflows"
)

// The tests of this file are about the order of things only: activities are stood in for by functions that say what they were
// asked. The real ones run in the worker's end-to-end tests.

// world remembers what the workflows asked for.
type world struct {
	env *testsuite.TestWorkflowEnvironment
	// done are the records of finished stages by fingerprint; calls are the stages that did work, in order.
	done  map[string]storage.Ref
	calls []string
	// fail makes a stage fail.
	fail map[string]error
}

func newWorld(t *testing.T) *world {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	w := &world{env: suite.NewTestWorkflowEnvironment(), done: map[string]storage.Ref{}, fail: map[string]error{}}
	w.env.RegisterWorkflow(workflows.Experiment)
	w.env.RegisterWorkflow(workflows.Trial)
	w.stand("Identify", func(context.Context, activities.IdentifyInput) (activities.Identity, error) {
		return activities.Identity{Data: "d", Teacher: "t"}, nil
	})
	w.stand("LookUp", func(_ context.Context, in activities.LookUpInput) (activities.Found, error) {
		return activities.Found{Output: w.done[in.Fingerprint]}, nil
	})
	w.stand("CommitStage", func(_ context.Context, done storage.Done) error {
		w.done[done.Fingerprint] = done.Output
		return nil
	})
	for _, name := range []string{"Import", "Distill", "Preprocess", "Baseline", "Pretrain", "Evaluate"} {
		w.stand(name, func(context.Context, any) (storage.Ref, error) { return w.call(name), w.fail[name] })
	}
	w.stand("Report", func(_ context.Context, in activities.ReportInput) (activities.Reported, error) {
		w.calls = append(w.calls, "Report")
		return activities.Reported{Report: storage.Ref{Digest: fmt.Sprint(len(in.Trials), " trials")}, HTML: "html"}, nil
	})
	return w
}

// stand puts f in the place of the activity of that name.
func (w *world) stand(name string, f any) {
	w.env.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name})
}

// call notes a stage and makes an artefact of its own for it.
func (w *world) call(name string) storage.Ref {
	w.calls = append(w.calls, name)
	return storage.Ref{Digest: strings.Repeat("0", 60) + fmt.Sprintf("%04d", len(w.calls)), Size: 1}
}

func experiment(methods ...string) spec.Spec {
	s := spec.Default()
	s.Name, s.Methods = "test", methods
	s.Data.Folder = "folder"
	return s
}

func TestExperimentRunsEveryStageInOrder(t *testing.T) {
	w := newWorld(t)
	w.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: experiment("rdrec")})
	if err := w.env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	want := []string{"Import", "Distill", "Preprocess", "Baseline", "Pretrain", "Evaluate", "Evaluate", "Evaluate", "Report"}
	if diff := cmp.Diff(counts(want), counts(w.calls)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want[:3], w.calls[:3]); diff != "" {
		t.Error(diff)
	}
	if last := w.calls[len(w.calls)-1]; last != "Report" {
		t.Errorf("the last stage is %q", last)
	}
	var result workflows.ExperimentResult
	if err := w.env.GetWorkflowResult(&result); err != nil {
		t.Fatal(err)
	}
	if result.Report.Digest != "1 trials" || result.HTML != "html" {
		t.Errorf("result %+v", result)
	}
}

func counts(names []string) map[string]int {
	n := map[string]int{}
	for _, name := range names {
		n[name]++
	}
	return n
}

func TestMethodsAndTrialsMultiply(t *testing.T) {
	w := newWorld(t)
	s := experiment("rdrec", "pod")
	s.Trials = 3
	w.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: s})
	if err := w.env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	if got := counts(w.calls); got["Pretrain"] != 6 || got["Evaluate"] != 18 || got["Import"] != 1 {
		t.Errorf("calls %v: want 6 trainings, 18 evaluations and one import", got)
	}
}

func TestMethodsWithoutRationalesNeedNoTeacher(t *testing.T) {
	w := newWorld(t)
	w.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: experiment("pod")})
	if err := w.env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	if got := counts(w.calls)["Distill"]; got != 0 {
		t.Errorf("distilled %d times for a method that learns no rationales", got)
	}
}

func TestWhatIsDoneIsNotDoneAgain(t *testing.T) {
	first := newWorld(t)
	first.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: experiment("rdrec")})
	second := newWorld(t)
	second.done = first.done
	second.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: experiment("rdrec")})
	if err := second.env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Report"}, second.calls); diff != "" {
		t.Error(diff)
	}
}

func TestOnlyWhatChangedIsDoneAgain(t *testing.T) {
	first := newWorld(t)
	first.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: experiment("rdrec")})
	for name, c := range map[string]struct {
		change func(*spec.Spec)
		want   map[string]int
	}{
		"speed": {func(s *spec.Spec) { s.Teacher.Batch, s.Teacher.Shard, s.Train.CheckpointSteps = 1, 1, 7 }, map[string]int{"Report": 1}},
		"beams": {func(s *spec.Spec) { s.Evaluate.Beams++ }, map[string]int{"Baseline": 1, "Evaluate": 3, "Report": 1}},
		"rate": {
			func(s *spec.Spec) { s.Train.LearningRate /= 2 },
			map[string]int{"Pretrain": 1, "Evaluate": 3, "Report": 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			second := newWorld(t)
			for fingerprint, ref := range first.done {
				second.done[fingerprint] = ref
			}
			s := experiment("rdrec")
			c.change(&s)
			second.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: s})
			if err := second.env.GetWorkflowError(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, counts(second.calls)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestBadDataIsNotRetried(t *testing.T) {
	w := newWorld(t)
	w.fail["Import"] = temporal.NewNonRetryableApplicationError("reviews.json:7: half a line", activities.TypeDataCorrupt, nil)
	w.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: experiment("rdrec")})
	var failure *temporal.ApplicationError
	if err := w.env.GetWorkflowError(); !errors.As(err, &failure) || failure.Type() != activities.TypeDataCorrupt {
		t.Errorf("error %v, want %s", err, activities.TypeDataCorrupt)
	}
	if diff := cmp.Diff([]string{"Import"}, w.calls); diff != "" {
		t.Error(diff)
	}
}

func TestStagesAnswerTheQuery(t *testing.T) {
	w := newWorld(t)
	w.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: experiment("rdrec")})
	value, err := w.env.QueryWorkflow(workflows.QueryStages)
	if err != nil {
		t.Fatal(err)
	}
	var stages []workflows.StageStatus
	if err := value.Get(&stages); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range stages {
		names = append(names, s.Name+" "+string(s.State))
	}
	if diff := cmp.Diff([]string{"import done", "distill done", "preprocess done", "baseline done"}, names); diff != "" {
		t.Error(diff)
	}
}
