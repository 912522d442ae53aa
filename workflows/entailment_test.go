package workflows_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/activities"
	"rdrec/internal/spec"
	"rdrec/storage"
	"rdrec/workflows"
)

// TestExperimentChecksTheFirstTrials: each student's first trial is checked, ablations too, and
// nothing unless the spec wants that.
func TestExperimentChecksTheFirstTrials(t *testing.T) {
	for texts, want := range map[int][]string{0: nil, 7: {"rdrec", "pod", "rdrec, skip_pads off"}} {
		w := newWorkflowEnv(t)
		var methods []string
		w.mock("CheckEntailment", func(_ context.Context, in activities.EntailmentInput) (storage.Ref, error) {
			for _, student := range in.Students {
				methods = append(methods, student.Method)
			}
			if in.Texts != texts || !in.HeldOut || len(in.Students[0].Evaluations) != 3 {
				t.Errorf("input %+v", in)
			}
			return w.record("CheckEntailment", in), nil
		})
		s := experiment("rdrec", "pod")
		s.Protocol, s.Trials, s.Ablate, s.Evaluate.EntailmentTexts = spec.Clean, 2, []string{"skip_pads"}, texts
		s.Methods = []string{"rdrec", "pod"}
		w.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: s})
		if err := w.env.GetWorkflowError(); err != nil {
			t.Fatal(err)
		}
		if texts > 0 {
			want = append(want, "pod, skip_pads off")
		}
		if diff := cmp.Diff(want, methods); diff != "" {
			t.Errorf("%d texts (-want +got):\n%s", texts, diff)
		}
		if checked := !w.reported.Entailment.IsZero(); checked != (texts > 0) {
			t.Errorf("%d texts: checked %t", texts, checked)
		}
	}
}
