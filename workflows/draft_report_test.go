package workflows_test

import (
	"errors"
	"fmt"
	"testing"

	"rdrec/workflows"
)

// TestReportIsWrittenDuringTheRun has a draft of what is there as trials end, each with more than
// the one before and none with everything; a run without work has none.
func TestReportIsWrittenDuringTheRun(t *testing.T) {
	t.Parallel()
	s := experiment("rdrec", "pod")
	s.Trials, s.Baselines = 3, []string{"popularity", "sasrec"}
	w := newWorkflowEnv(t)
	w.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: s})
	if err := w.env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	if len(w.drafts) == 0 || len(w.drafts) > 8 {
		t.Fatalf("%d drafts of 6 trials and 2 stages of baselines", len(w.drafts))
	}
	parts := 0
	for _, draft := range w.drafts {
		got := len(draft.Record.Trials)
		if want := fmt.Sprintf("%d of 6 trials were done", got); draft.Progress != want {
			t.Errorf("a draft says %q of %d trials", draft.Progress, got)
		}
		if draft.Record.Spec.Name != "test" || len(draft.Record.Stages) < 3 {
			t.Errorf("a draft of %d trials has %d stages", got, len(draft.Record.Stages))
		}
		if !draft.Record.Baseline.IsZero() {
			got++
		}
		if !draft.Record.Sasrec.IsZero() {
			got++
		}
		if got <= parts || got == 8 {
			t.Errorf("a draft has %d parts after one with %d", got, parts)
		}
		parts = got
	}
	if len(w.reported.Trials) != 6 {
		t.Errorf("the report has %d trials", len(w.reported.Trials))
	}
	again := newWorkflowEnv(t)
	again.done = w.done
	again.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: s})
	if err := again.env.GetWorkflowError(); err != nil || len(again.drafts) > 0 {
		t.Errorf("without work: %d drafts, %v", len(again.drafts), err)
	}
}

// TestFailedDraftFailsNoRun lets every draft fail.
func TestFailedDraftFailsNoRun(t *testing.T) {
	t.Parallel()
	w := newWorkflowEnv(t)
	w.fail["DraftReport"] = errors.New("the bucket is away")
	w.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: experiment("rdrec")})
	if err := w.env.GetWorkflowError(); err != nil || len(w.drafts) == 0 {
		t.Errorf("%d drafts, %v", len(w.drafts), err)
	}
}
