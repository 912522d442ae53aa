package train_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/prediction"
	"rdrec/internal/spec"
)

// trained is what a switch may change of a training.
type trained struct {
	Hash   string
	Curves []prediction.Epoch
}

// TestSwitchesAffectTrainingAsDeclared flips each switch by itself: a student, or its validation,
// changes exactly where spec.Protocol.ForTraining, which is part of the stages' fingerprints, keeps
// the switch. Patience has a test of its own.
func TestSwitchesAffectTrainingAsDeclared(t *testing.T) {
	for _, c := range []struct {
		method spec.Method
		ratio  spec.Ratio
	}{
		{spec.Methods()[0], spec.Ratio{Explanation: 1, Sequential: 1, Rationale: 1, TopN: 1}},
		{spec.Methods()[1], spec.Ratio{Sequential: 1, TopN: 1}},
	} {
		runProtocol := func(p spec.Protocol) trained {
			j := job(t)
			j.Method, j.Protocol, j.Spec.Train.Ratio = c.method, p, c.ratio
			j.Spec.Train.Batch, j.Spec.Train.EpochSteps, j.Spec.Train.Epochs, j.Spec.Train.Steps = 6, 1, 2, 0
			j.Spec.Train.MaxTargetTokens, j.Spec.Train.ValidationRows = 8, 6
			result := run(t, j)
			return trained{result.Weights, result.Curve}
		}
		for _, base := range spec.Protocols() {
			before := runProtocol(base)
			if diff := cmp.Diff(before, runProtocol(base.ForTraining(c.method, c.ratio))); diff != "" {
				t.Errorf("%s, %s: what cannot matter does:\n%s", c.method.Name, base.Name, diff)
			}
			for _, w := range spec.Switches() {
				if w.Name == "patience_resets" {
					continue
				}
				flipped := w.Flip(base)
				want := flipped.ForTraining(c.method, c.ratio) != base.ForTraining(c.method, c.ratio)
				if changed := !cmp.Equal(before, runProtocol(flipped)); changed != want {
					t.Errorf(
						"%s, %s with %s: changed %t, want %t", c.method.Name, base.Name, w.State(flipped), changed,
						want,
					)
				}
			}
		}
	}
}
