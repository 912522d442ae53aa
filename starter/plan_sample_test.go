package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/spec"
)

// TestSampleIsASmallPart samples a spec with limits and one without.
func TestSampleIsASmallPart(t *testing.T) {
	t.Parallel()
	s := spec.Default()
	s.Name, s.Trials, s.Train.Epochs, s.Train.EpochSteps, s.Teacher.MaxReviews = "shop", 5, 30, 100, 4
	s.Evaluate.SequentialUsers, s.Evaluate.TopNUsers, s.Evaluate.Explanations = 0, 500, -1
	got := sampleOf(s)
	want := []any{"shop-sample", 1, 1, 20, 4, 64, 64, -1}
	if diff := cmp.Diff(want, []any{
		got.Name, got.Trials, got.Train.Epochs, got.Train.EpochSteps, got.Teacher.MaxReviews,
		got.Evaluate.SequentialUsers, got.Evaluate.TopNUsers, got.Evaluate.Explanations,
	}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s.Train.EpochSteps = 0
	if whole := sampleOf(s).Train.EpochSteps; whole != 0 {
		t.Errorf("of a whole epoch, it trains %d steps", whole)
	}
}
