package train_test

import (
	"math"
	"strings"
	"testing"

	"rdrec/internal/spec"
	"rdrec/internal/torch"
	"rdrec/internal/train"
)

// steady is the small training without dropout, which draws otherwise for each part of a batch.
func steady(t *testing.T) train.Job {
	t.Helper()
	j := job(t)
	none := 0.0
	j.Spec.Student.Dropout = &none
	j.Protocol = spec.Protocols()[1]
	return j
}

// losses are the curve's, in training and in validation.
func losses(r train.Result) []float64 {
	var all []float64
	for _, epoch := range r.Curves {
		all = append(all, epoch.Loss, epoch.Mean)
	}
	return all
}

func near(t *testing.T, want, got train.Result) {
	t.Helper()
	a, b := losses(want), losses(got)
	if len(a) != len(b) {
		t.Fatalf("%d figures, want %d", len(b), len(a))
	}
	for i := range a {
		if math.Abs(a[i]-b[i]) > 1e-4 {
			t.Errorf("loss %d: %v, want %v", i, b[i], a[i])
		}
	}
}

// TestPartsOfABatchLearnAsTheWhole has a few rows worked at at a time.
func TestPartsOfABatchLearnAsTheWhole(t *testing.T) {
	want := run(t, steady(t))
	for _, rows := range []int{1, 3} {
		parts := steady(t)
		parts.Spec.Train.MicroBatch = rows
		near(t, want, run(t, parts))
	}
}

// TestTrainingGoesOnWhenMemoryRunsOut starves every batch of more than three rows, from the 20th step on.
func TestTrainingGoesOnWhenMemoryRunsOut(t *testing.T) {
	want := run(t, steady(t))
	before := torch.Live()
	starved := steady(t)
	from, failed := 0, 0
	starved.Progress = func(p train.Progress) { from = p.Step }
	// The largest tensor of a step are its logits: four bytes for each word at each of at most 20 places of a row.
	end := torch.Starve(func(bytes int64) bool {
		short := from >= 20 && from < 30 && bytes > 3*20*32_128*4
		if short {
			failed++
		}
		return short
	})
	got := run(t, starved)
	end()
	near(t, want, got)
	if failed == 0 {
		t.Error("memory never ran out")
	}
	notices := strings.Join(got.Notices, "\n")
	if !strings.Contains(notices, "memory ran out at step 21") {
		t.Errorf("notices do not say so: %q", notices)
	}
	if left := torch.Live() - before; left != 0 {
		t.Errorf("%d tensors left", left)
	}
}
