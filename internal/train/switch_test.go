package train_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/spec"
	"rdrec/internal/train"
)

// outcome is what a switch may change of a training.
type outcome struct {
	Hash   string
	Curves []train.Epoch
}

// TestSwitchesChangeTrainingWhereTheTableSaysSo flips each switch by itself: a student, or its validation, changes exactly where
// spec.Protocol.ForTraining, which the stages' fingerprints are made of, says that it can. Patience has a test of its own.
func TestSwitchesChangeTrainingWhereTheTableSaysSo(t *testing.T) {
	for _, c := range []struct {
		method spec.Method
		ratio  spec.Ratio
	}{
		{spec.Methods()[0], spec.Ratio{Explanation: 1, Sequential: 1, Rationale: 1, TopN: 1}},
		{spec.Methods()[1], spec.Ratio{Sequential: 1, TopN: 1}},
	} {
		learn := func(p spec.Protocol) outcome {
			j := job(t)
			j.Method, j.Protocol, j.Spec.Train.Ratio = c.method, p, c.ratio
			j.Spec.Train.Batch, j.Spec.Train.EpochSteps, j.Spec.Train.Epochs, j.Spec.Train.Steps = 12, 3, 2, 0
			j.Spec.Train.TargetTokens, j.Spec.Train.ValidRows = 8, 6
			result := run(t, j)
			return outcome{result.Hash, result.Curves}
		}
		for _, base := range spec.Protocols() {
			before := learn(base)
			if diff := cmp.Diff(before, learn(base.ForTraining(c.method, c.ratio))); diff != "" {
				t.Errorf("%s, %s: what cannot matter does:\n%s", c.method.Name, base.Name, diff)
			}
			for _, w := range spec.Switches() {
				if w.Name == "patience_resets" {
					continue
				}
				flipped := w.Flip(base)
				want := flipped.ForTraining(c.method, c.ratio) != base.ForTraining(c.method, c.ratio)
				if changed := !cmp.Equal(before, learn(flipped)); changed != want {
					t.Errorf("%s, %s with %s: changed %t, want %t", c.method.Name, base.Name, w.State(flipped), changed, want)
				}
			}
		}
	}
}
