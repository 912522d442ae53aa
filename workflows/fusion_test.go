package workflows_test

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/activities"
	"rdrec/internal/spec"
	"rdrec/storage"
	"rdrec/workflows"
)

// fused makes the environment remember the inputs of fusions.
func (w *workflowEnv) fused() *[]activities.FuseInput {
	var inputs []activities.FuseInput
	w.mock("Fuse", func(_ context.Context, in activities.FuseInput) (storage.Ref, error) {
		ref := w.record("Fuse", in)
		w.mutex.Lock()
		defer w.mutex.Unlock()
		inputs = append(inputs, in)
		return ref, nil
	})
	return &inputs
}

// TestExperimentFusesEachStudent: each student is mixed with the baselines, an ablation is not, and
// only the trained baselines that take part are inputs.
func TestExperimentFusesEachStudent(t *testing.T) {
	w := newWorkflowEnv(t)
	inputs := w.fused()
	s := experiment("rdrec", "pod")
	s.Protocol, s.Trials, s.Ablate = spec.Clean, 2, []string{"skip_pads"}
	s.Baselines = append(s.Baselines, spec.SASRec, spec.BSARec)
	settings := spec.DefaultFusion()
	settings.Parts = []string{spec.PartSearch, "markov", spec.BSARec}
	s.Evaluate.Fusion = &settings
	w.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: s})
	if err := w.env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	fusions := map[storage.Ref]bool{}
	for _, trial := range w.reported.Trials {
		if mixed := !trial.Fusion.IsZero(); mixed != (trial.Variant == "") {
			t.Errorf("%s, seed %d: fusion %v", trial.Name(), trial.Seed, trial.Fusion)
		}
		fusions[trial.Fusion] = true
		served := append([]storage.Ref{trial.Fusion}, trial.Evaluations...)
		if trial.Variant != "" {
			served = trial.Evaluations
		}
		if diff := cmp.Diff(served, trial.Served()); diff != "" {
			t.Errorf("served (-want +got):\n%s", diff)
		}
	}
	if len(*inputs) != 4 || len(fusions) != 5 { // four students, and none
		t.Fatalf("%d fusions were made, %d differ", len(*inputs), len(fusions))
	}
	for _, in := range *inputs {
		want := map[string]storage.Ref{spec.BSARec: w.reported.Bsarec}
		if diff := cmp.Diff(want, in.Trained); diff != "" || in.Evaluate.Fusion != nil || !in.Fitted.IsZero() {
			t.Errorf("trained baselines (-want +got):\n%s", diff)
		}
	}
}

// TestNightlyGateComparesFusions: the new mix is compared with the one in use, whose weights stay,
// and is promoted.
func TestNightlyGateComparesFusions(t *testing.T) {
	n := newNightlyEnv(t)
	inputs := n.fused()
	inUse := storage.Ref{Digest: "mix", Size: 1}
	n.ingested.Promoted.Model.Fusion = inUse
	s := nightlySpec()
	settings := spec.DefaultFusion()
	s.Protocol, s.Evaluate.Fusion, s.Nightly.Gate.Task = spec.Clean, &settings, "sequential"
	n.env.ExecuteWorkflow(workflows.Nightly, workflows.NightlyInput{Spec: s})
	if err := n.env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	if len(*inputs) != 2 || (*inputs)[0].Fitted != (storage.Ref{}) || (*inputs)[1].Fitted != inUse ||
		(*inputs)[1].Model.Digest != "old" {
		t.Fatalf("fusions of %+v", *inputs)
	}
	if c := n.compareInput; len(c.Old) != 1 || len(c.New) != 2 || slices.Contains(c.New, c.Old[0]) {
		t.Errorf("compared %v with %v", c.New, c.Old)
	}
	if got := n.promoted[0].Promotion.Model.Fusion; got != n.compareInput.New[0] || got.IsZero() {
		t.Errorf("promoted %v, compared %v", got, n.compareInput.New)
	}
}
