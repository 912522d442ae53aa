package train_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"rdrec/internal/spec"
	"rdrec/internal/torch"
	"rdrec/internal/train"
)

// withoutDropout is the small training without dropout, which draws otherwise for each part of a
// batch.
func withoutDropout(t *testing.T) train.Job {
	t.Helper()
	j := job(t)
	none := 0.0
	j.Spec.Student.Dropout = &none
	j.Protocol = spec.Protocols()[1]
	j.Spec.Train.Steps = 20
	return j
}

// losses are the curve's, in training and in validation.
func losses(r train.Result) []float64 {
	var all []float64
	for _, epoch := range r.Curve {
		all = append(all, epoch.Loss, epoch.Mean)
	}
	return all
}

func compareLosses(t *testing.T, want, got train.Result) {
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

// TestMicroBatchesTrainLikeTheWholeBatch has a few rows worked at at a time.
func TestMicroBatchesTrainLikeTheWholeBatch(t *testing.T) {
	want := run(t, withoutDropout(t))
	for _, rows := range []int{1, 3} {
		parts := withoutDropout(t)
		parts.Spec.Train.MicroBatch = rows
		compareLosses(t, want, run(t, parts))
	}
}

// TestTrainingBacksOffWhenOutOfMemory lets nothing larger than the weights themselves be made for a
// step, or for validation: the logits of many rows are.
func TestTrainingBacksOffWhenOutOfMemory(t *testing.T) {
	for at, what := range map[int]string{2: "a step", 4: "validation"} {
		t.Run(what, func(t *testing.T) { testOOM(t, at) })
	}
}

func testOOM(t *testing.T, at int) {
	t.Helper()
	largeBatch := func() train.Job {
		j := withoutDropout(t)
		j.Spec.Train.Batch, j.Spec.Train.EpochSteps, j.Spec.Train.Epochs = 40, 4, 2
		return j
	}
	want := run(t, largeBatch())
	before := torch.Live()
	limited := largeBatch()
	step, failed := 0, 0
	limited.Progress = func(p train.Progress) { step = p.Step }
	restore := torch.InjectOOM(func(bytes int64) bool {
		fails := step == at && bytes > 4*int64(want.Parameters)
		if fails {
			failed++
		}
		return fails
	})
	got := run(t, limited)
	restore()
	compareLosses(t, want, got)
	if failed == 0 {
		t.Error("memory never ran out")
	}
	notices := strings.Join(got.Notices, "\n")
	if !strings.Contains(notices, fmt.Sprintf("out of memory after step %d: from there on", at)) {
		t.Errorf("notices do not say so: %q", notices)
	}
	if left := torch.Live() - before; left != 0 {
		t.Errorf("%d tensors left", left)
	}
}

// TestGradientCheckpointingWhenNoRowFits lets a step fail until one row at a time has failed, too.
func TestGradientCheckpointingWhenNoRowFits(t *testing.T) {
	want := run(t, withoutDropout(t))
	limited := withoutDropout(t)
	step, failed := 0, 0
	limited.Progress = func(p train.Progress) { step = p.Step }
	halvings := 0
	// a record of rationales is two rows
	for rows := limited.Spec.Train.Batch * 5 / 4; rows > 1; rows = (rows + 1) / 2 {
		halvings++
	}
	restore := torch.InjectOOM(func(int64) bool {
		fails := step == 2 && failed <= halvings
		if fails {
			failed++
		}
		return fails
	})
	got := run(t, limited)
	restore()
	compareLosses(t, want, got)
	notices := strings.Join(got.Notices, "\n")
	if !strings.Contains(notices, "out of memory with a micro-batch of one row") {
		t.Errorf("notices do not say so: %q", notices)
	}
}

// TestBFloat16Training trains in bfloat16 and, from the same start, in float32: the curves are near
// each other, and not the same.
func TestBFloat16Training(t *testing.T) {
	want := run(t, withoutDropout(t))
	half := withoutDropout(t)
	half.Spec.Train.Precision = spec.BFloat16
	got := run(t, half)
	a, b := losses(want), losses(got)
	same := true
	for i := range a {
		same = same && a[i] == b[i]
		if math.Abs(b[i]/a[i]-1) > 0.02 {
			t.Errorf("loss %d: %v, in float32 %v", i, b[i], a[i])
		}
	}
	t.Logf("float32 %v, bfloat16 %v", a, b)
	if same {
		t.Error("the precision changed nothing")
	}
	if again := run(t, half); again.Weights != got.Weights {
		t.Error("the same training in bfloat16 gave another model")
	}
}
