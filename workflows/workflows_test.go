package workflows_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/temporal"

	"rdrec/activities"
	"rdrec/internal/spec"
	"rdrec/workflows"
)

// The tests of this file are about the order of stages only: activities are replaced by
// functions that say what they were asked. The real ones run in the worker's end-to-end tests.

func TestExperimentRunsEveryStageInOrder(t *testing.T) {
	w := newWorkflowEnv(t)
	w.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: experiment("rdrec")})
	if err := w.env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"Import", "Distill", "Preprocess", "RankBaselines", "Pretrain", "Evaluate", "Evaluate", "Evaluate", "Report",
	}
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
	w := newWorkflowEnv(t)
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

// The merged predictions are the stage's record: without the parts' own, a run in one piece or in
// others finds them.
func TestEvaluationIsSharded(t *testing.T) {
	w := newWorkflowEnv(t)
	s := experiment("rdrec")
	s.Evaluate.Shards = 4
	w.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: s})
	if err := w.env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	if got := counts(w.calls); got["Evaluate"] != 12 || got["MergePredictions"] != 3 {
		t.Errorf("calls %v: want 12 parts answered and 3 merges", got)
	}
	unsharded := newWorkflowEnv(t)
	unsharded.done = w.done
	unsharded.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: experiment("rdrec")})
	if diff := cmp.Diff([]string{"Report"}, unsharded.calls); diff != "" {
		t.Error(diff)
	}
}

func TestFailedShardFailsEvaluation(t *testing.T) {
	w := newWorkflowEnv(t)
	w.fail["Evaluate"] = temporal.NewNonRetryableApplicationError("odd", activities.TypeDataCorrupt, nil)
	s := experiment("rdrec")
	s.Evaluate.Shards = 2
	w.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: s})
	var failure *temporal.ApplicationError
	if err := w.env.GetWorkflowError(); !errors.As(err, &failure) || failure.Type() != activities.TypeDataCorrupt {
		t.Errorf("got %v, want the part's own fault", err)
	}
	if got := counts(w.calls)["MergePredictions"]; got != 0 {
		t.Errorf("%d merges of a failed evaluation", got)
	}
}

func TestMethodsWithoutRationalesDoNotDistill(t *testing.T) {
	w := newWorkflowEnv(t)
	w.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: experiment("pod")})
	if err := w.env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	if got := counts(w.calls)["Distill"]; got != 0 {
		t.Errorf("distilled %d times for a method that learns no rationales", got)
	}
}

func TestSecondRunUsesCachedStages(t *testing.T) {
	first := newWorkflowEnv(t)
	first.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: experiment("rdrec")})
	second := newWorkflowEnv(t)
	second.done = first.done
	second.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: experiment("rdrec")})
	if err := second.env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Report"}, second.calls); diff != "" {
		t.Error(diff)
	}
}

func TestChangedSettingsRerunOnlyAffectedStages(t *testing.T) {
	first := newWorkflowEnv(t)
	first.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: experiment("rdrec")})
	for name, c := range map[string]struct {
		change func(*spec.Spec)
		want   map[string]int
	}{
		"speed": {
			func(s *spec.Spec) { s.Teacher.Batch, s.Teacher.ShardRows, s.Train.CheckpointSteps = 1, 1, 7 },
			map[string]int{"Report": 1},
		},
		"beams": {
			func(s *spec.Spec) { s.Evaluate.NumBeams++ },
			map[string]int{"RankBaselines": 1, "Evaluate": 3, "Report": 1},
		},
		"rate": {
			func(s *spec.Spec) { s.Train.LearningRate /= 2 },
			map[string]int{"Pretrain": 1, "Evaluate": 3, "Report": 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			second := newWorkflowEnv(t)
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

// fingerprints are those of a stage's records that the spec would look up.
func fingerprints(t *testing.T, s spec.Spec) map[string]int {
	t.Helper()
	w := newWorkflowEnv(t)
	w.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: s})
	if err := w.env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	return counts(w.lookedUp)
}

func TestFingerprintsDependOnlyOnRelevantSettings(t *testing.T) {
	clean := experiment("rdrec", "pod")
	clean.Protocol = spec.Clean
	clean.Data.Indexing = spec.AsIs
	before := fingerprints(t, clean)
	for name, c := range map[string]struct {
		change func(*spec.Spec)
		// unchanged are the stages whose inputs stay; all others change.
		unchanged []string
	}{
		"a switch equal to its protocol": {func(s *spec.Spec) {
			s.Switches = map[string]bool{"skip_pads": true}
		}, []string{
			"import", "distill", "preprocess", "baseline", "pretrain", "evaluate",
		}},
		"paper with every switch is clean": {func(s *spec.Spec) {
			s.Protocol = spec.Paper
			s.Switches = map[string]bool{
				"mask_cross": true, "skip_pads": true, "correct_tasks": true, "patience_resets": true,
				"constrained": true, "held_out": true, "full_prefixes": true, "blind_negatives": true,
			}
		}, []string{"import", "distill", "preprocess", "baseline", "pretrain", "evaluate"}},
		"held_out": {
			// it decides what is distilled too
			func(s *spec.Spec) { s.Switches = map[string]bool{"held_out": false} }, []string{"import"},
		},
		"mask_cross": {
			func(s *spec.Spec) { s.Switches = map[string]bool{"mask_cross": false} },
			[]string{"import", "distill", "preprocess", "baseline"},
		},
		"seed of an indexing that has none": {
			func(s *spec.Spec) { s.Seed++ }, []string{"import", "distill"}, // it samples negatives
		},
		"indexing":           {func(s *spec.Spec) { s.Data.Indexing = spec.Random }, nil},
		"default for folder": {func(s *spec.Spec) { s.Data.Indexing = "" }, nil}, // random in protocol clean
	} {
		t.Run(name, func(t *testing.T) {
			s := clean
			c.change(&s)
			after := fingerprints(t, s)
			stages := map[string]bool{}
			for key := range after {
				stage, _, _ := strings.Cut(key, " ")
				stages[stage] = stages[stage] || before[key] == 0
			}
			for stage, changed := range stages {
				if changed == slices.Contains(c.unchanged, stage) {
					t.Errorf("%s: changed %t", stage, changed)
				}
			}
		})
	}
}

func TestCorrectTasksChangesOnlyMethodsWithRationales(t *testing.T) {
	pretrained := func(on bool) []string {
		s := experiment("rdrec", "pod")
		s.Switches = map[string]bool{"correct_tasks": on}
		var keys []string
		for key := range fingerprints(t, s) {
			if strings.HasPrefix(key, "pretrain ") {
				keys = append(keys, key)
			}
		}
		return keys
	}
	off, common := pretrained(false), 0
	for _, key := range pretrained(true) {
		if slices.Contains(off, key) {
			common++
		}
	}
	if common != 1 {
		t.Errorf("%d of 2 trainings are the same: want pod's, which has no rationales", common)
	}
}

func TestAblationsRunAsSeparateTrials(t *testing.T) {
	w := newWorkflowEnv(t)
	s := experiment("rdrec", "pod")
	s.Trials, s.Protocol = 2, spec.Clean
	s.Ablate = []string{"skip_pads", "correct_tasks", "constrained"}
	w.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: s})
	if err := w.env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, trial := range w.reported.Trials {
		names = append(names, fmt.Sprintf("%s/%d", trial.Name(), trial.Seed))
	}
	if diff := cmp.Diff([]string{
		"rdrec/1", "rdrec/2", "pod/1", "pod/2",
		"rdrec, skip_pads off/1", "rdrec, skip_pads off/2", "rdrec, correct_tasks off/1", "rdrec, correct_tasks off/2",
		"rdrec, constrained off/1", "rdrec, constrained off/2",
		"pod, skip_pads off/1", "pod, skip_pads off/2", "pod, constrained off/1", "pod, constrained off/2",
	}, names); diff != "" {
		t.Error(diff)
	}
	// The report gets the trial's stages by reference, and no stage twice.
	trial := w.reported.Trials[4]
	if !strings.HasSuffix(trial.Workflow, "/rdrec-1-skip_pads") || trial.Run == "" || trial.Stages != nil {
		t.Errorf("trial: %+v", trial)
	}
	if trial.Cost.Computed != 4 || trial.Cost.Reused != 0 {
		t.Errorf("cost of a training and three evaluations: %+v", trial.Cost)
	}
	for _, stage := range w.reported.Stages {
		if strings.HasPrefix(stage.Name, "pretrain") {
			t.Errorf("the report's own stages have a trial's: %s", stage.Name)
		}
	}
	// What is flipped reaches the activities.
	clean, err := spec.ProtocolNamed(spec.Clean)
	if err != nil {
		t.Fatal(err)
	}
	want := clean
	want.Name, want.SkipPads = "", false
	if !slices.Contains(w.trained, want) {
		t.Errorf("no training with padding in the loss: %+v", w.trained)
	}
	// Ablated or not, the first trials are those of the same spec without ablations.
	plain := newWorkflowEnv(t)
	plain.done, s.Ablate = w.done, nil
	plain.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: s})
	if diff := cmp.Diff([]string{"Report"}, plain.calls); diff != "" {
		t.Error(diff)
	}
}

func TestBadDataIsNotRetried(t *testing.T) {
	w := newWorkflowEnv(t)
	w.fail["Import"] = temporal.NewNonRetryableApplicationError(
		"reviews.json:7: half a line", activities.TypeDataCorrupt, nil,
	)
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
	w := newWorkflowEnv(t)
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
	if diff := cmp.Diff(
		[]string{"import done", "distill done", "preprocess done", "baseline done"}, names,
	); diff != "" {
		t.Error(diff)
	}
}

func TestSasrecStageRunsOnlyWhenRequested(t *testing.T) {
	w := newWorkflowEnv(t)
	s := experiment("pod")
	s.Baselines = append(s.Baselines, spec.SASRec)
	w.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: s})
	if err := w.env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	if got := counts(w.calls)["TrainSasrec"]; got != 1 {
		t.Errorf("SASRec was trained %d times, want once", got)
	}
	again := newWorkflowEnv(t)
	again.done = w.done
	s.Sasrec.Epochs++
	again.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: s})
	if diff := cmp.Diff(map[string]int{"TrainSasrec": 1, "Report": 1}, counts(again.calls)); diff != "" {
		t.Errorf("with another setting of SASRec: %s", diff)
	}
}
