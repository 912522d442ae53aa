package workflows_test

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/activities"
	"rdrec/internal/spec"
	"rdrec/registry"
	"rdrec/workflows"
)

// planOf returns the plan of a spec in an environment whose bucket has the results of done.
func planOf(t *testing.T, done *workflowEnv, in workflows.ExperimentInput) (workflows.PlanResult, *workflowEnv) {
	t.Helper()
	w := newWorkflowEnv(t)
	w.env.RegisterWorkflow(workflows.Plan)
	for fingerprint, ref := range done.done {
		w.done[fingerprint] = ref
	}
	w.env.ExecuteWorkflow(workflows.Plan, workflows.PlanInput{Experiment: in})
	if err := w.env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	var plan workflows.PlanResult
	if err := w.env.GetWorkflowResult(&plan); err != nil {
		t.Fatal(err)
	}
	if len(w.calls) > 0 || len(w.done) != len(done.done) {
		t.Errorf("a plan ran %v and has %d records, want none and %d", w.calls, len(w.done), len(done.done))
	}
	return plan, w
}

// TestPlanPredictsTheRun compares the stages that a plan finds with those that the run of the same
// spec finds.
func TestPlanPredictsTheRun(t *testing.T) {
	base := experiment("rdrec", "pod")
	base.Trials, base.Baselines = 2, append(base.Baselines, spec.SASRec)
	base.Protocol, base.Ablate = spec.Clean, []string{"constrained"}
	first := newWorkflowEnv(t)
	first.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: base})
	for name, c := range map[string]struct {
		change func(*workflows.ExperimentInput)
		// after are the stages that a run would do, each with those that it waits for.
		after map[string][]string
	}{
		"nothing": {func(*workflows.ExperimentInput) {}, map[string][]string{}},
		"one more trial, no ablation": {
			func(in *workflows.ExperimentInput) { in.Spec.Ablate, in.Spec.Trials = nil, 3 },
			map[string][]string{
				"pretrain rdrec/3": nil, "pretrain pod/3": nil, "sasrec": nil,
				"evaluate sequential rdrec/3": {"pretrain rdrec/3"}, "evaluate topn rdrec/3": {"pretrain rdrec/3"},
				"evaluate explanation rdrec/3": {"pretrain rdrec/3"},
				"evaluate sequential pod/3":    {"pretrain pod/3"}, "evaluate topn pod/3": {"pretrain pod/3"},
				"evaluate explanation pod/3": {"pretrain pod/3"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := workflows.ExperimentInput{Spec: base}
			c.change(&in)
			plan, planned := planOf(t, first, in)
			got := map[string][]string{}
			for _, stage := range plan.Stages {
				if !stage.Cached {
					got[stage.Label] = stage.After
				}
			}
			if diff := cmp.Diff(c.after, got); diff != "" {
				t.Errorf("stages that will run (-want +got):\n%s", diff)
			}
			run := newWorkflowEnv(t)
			run.done = planned.done
			run.env.ExecuteWorkflow(workflows.Experiment, in)
			if want := len(run.lookedUp); len(plan.Stages) != want {
				t.Errorf("%d stages planned, %d run", len(plan.Stages), want)
			}
			for _, lookedUp := range planned.lookedUp {
				if !slices.Contains(run.lookedUp, lookedUp) {
					t.Errorf("the run does not look up %s", lookedUp)
				}
			}
		})
	}
}

// TestPlanOfOtherData: everything waits for the import, and nothing else is looked up.
func TestPlanOfOtherData(t *testing.T) {
	first := newWorkflowEnv(t)
	in := workflows.ExperimentInput{Spec: experiment("rdrec")}
	first.env.ExecuteWorkflow(workflows.Experiment, in)
	w := newWorkflowEnv(t)
	w.env.RegisterWorkflow(workflows.Plan)
	w.done = first.done
	w.mock("Identify", func(context.Context, activities.IdentifyInput) (registry.Identity, error) {
		return registry.Identity{Data: "other", Teacher: "t"}, nil
	})
	w.env.ExecuteWorkflow(workflows.Plan, workflows.PlanInput{Experiment: in})
	var plan workflows.PlanResult
	if err := w.env.GetWorkflowResult(&plan); err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, stage := range plan.Stages {
		got[stage.Label] = stage.After
	}
	want := map[string][]string{
		"import": nil, "distill": {"import"}, "preprocess": {"import", "distill"}, "baseline": {"preprocess"},
		"pretrain rdrec/1":             {"preprocess"},
		"evaluate sequential rdrec/1":  {"preprocess", "pretrain rdrec/1"},
		"evaluate topn rdrec/1":        {"preprocess", "pretrain rdrec/1"},
		"evaluate explanation rdrec/1": {"preprocess", "pretrain rdrec/1"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(w.lookedUp) != 1 {
		t.Errorf("looked up %v, want the import alone", w.lookedUp)
	}
	if len(w.calls) > 0 {
		t.Errorf("a plan ran %v", w.calls)
	}
}
