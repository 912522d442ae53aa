package t5_test

import (
	"math"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/golden"
	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/t5/modeltest"
	"rdrec/internal/torch"
)

// Tolerances of testdata/golden/README.md: absolute for losses, logits and encoder slices; relative
// for gradient norms.
const (
	absolute     = 1e-4
	relativeNorm = 1e-3
)

type goldenPass struct {
	modeltest.Rows
	Loss          float64            `json:"loss"`
	LossSkipPads  *float64           `json:"loss_if_pads_were_ignored"`
	LossMaskCross *float64           `json:"loss_if_cross_attention_were_masked"`
	Logits        [][][]float32      `json:"logits_slice_2x4x8"`
	LabelLogits   [][]float32        `json:"label_logits"`
	LogSumExp     [][]float32        `json:"logsumexp"`
	ArgMax        [][]int64          `json:"argmax"`
	EncoderInput  [][][]float32      `json:"encoder_input_slice_2x6x4"`
	EncoderOutput [][][]float32      `json:"encoder_slice_2x6x4"`
	EncoderLast   [][]float32        `json:"encoder_last_position_x4"`
	GradientNorm  map[string]float64 `json:"grad_norm"`
}

// deviation tracks the largest deviation from the golden values. It ends the test after a few that
// are too large, since a broken pass has a million.
type deviation struct {
	t      testing.TB
	name   string
	value  float64
	errors int
}

func (w *deviation) near(got, want, tolerance float64) {
	w.t.Helper()
	off := math.Abs(got - want)
	if !(off <= tolerance) {
		w.t.Errorf("%s: got %v, want %v", w.name, got, want)
		if w.errors++; w.errors == 5 {
			w.t.FailNow()
		}
	}
	w.value = max(w.value, off)
}

func (w *deviation) all(got []float32, want ...[]float32) {
	w.t.Helper()
	i := 0
	for _, row := range want {
		for _, x := range row {
			if off := math.Abs(float64(got[i]) - float64(x)); off <= absolute {
				w.value = max(w.value, off)
			} else {
				w.near(float64(got[i]), float64(x), absolute)
			}
			i++
		}
	}
}

func TestForwardMatchesTheReference(t *testing.T) {
	var file struct {
		Batches map[string]goldenPass `json:"batches"`
	}
	golden.Load(t, "train.json.gz", &file)
	m := modeltest.Tiny(t)
	for name, want := range file.Batches {
		t.Run(name, func(t *testing.T) {
			err := torch.Run(func(s *torch.Scope) error {
				pass, err := m.Forward(s, want.Batch(), modeltest.Protocol(t, spec.Paper))
				if err != nil {
					return err
				}
				checkPass(t, pass, want)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

func checkPass(t *testing.T, pass t5.ForwardOutput, want goldenPass) {
	t.Helper()
	w := &deviation{t: t}
	slice := func(what string, got *torch.Tensor, want [][][]float32) {
		w.name = what
		for row := range want {
			for at := range want[row] {
				w.all(got.Select(0, int64(row)).Select(0, int64(at)).Float32s(), want[row][at])
			}
		}
	}
	slice("encoder input", pass.Embedded, want.EncoderInput)
	slice("encoder", pass.Encoded, want.EncoderOutput)
	slice("logits", pass.Logits, want.Logits)
	w.name = "encoder's last position"
	for row := range want.EncoderLast {
		last := pass.Encoded.Select(0, int64(row)).Select(0, -1)
		w.all(last.Float32s(), want.EncoderLast[row])
	}
	b := want.Batch()
	labels := pass.Logits.NewInt64(b.Target, int64(b.Size), int64(b.TargetLen), 1)
	w.name = "label logits"
	w.all(pass.Logits.Gather(2, labels).Float32s(), want.LabelLogits...)
	w.name = "logsumexp"
	w.all(pass.Logits.LogSumExp(2).Float32s(), want.LogSumExp...)
	var argMax []int64
	for _, row := range want.ArgMax {
		argMax = append(argMax, row...)
	}
	if diff := cmp.Diff(argMax, pass.Logits.ArgMax(2).Int64s()); diff != "" {
		t.Errorf("argmax: %s", diff)
	}
	t.Logf("largest deviation %.1e", w.value)
}

func TestLossAndGradientMatchTheReference(t *testing.T) {
	var file struct {
		Batches map[string]goldenPass `json:"batches"`
	}
	golden.Load(t, "train.json.gz", &file)
	m := modeltest.Tiny(t)
	for name, want := range file.Batches {
		t.Run(name, func(t *testing.T) {
			loss := func(p spec.Protocol) (value float64) {
				if err := torch.Run(func(s *torch.Scope) error {
					loss, err := m.Loss(s, want.Batch(), p)
					if err == nil {
						value = loss.Float()
					}
					return err
				}); err != nil {
					t.Fatal(err)
				}
				return value
			}
			w := &deviation{t: t, name: "loss"}
			w.near(loss(spec.Protocol{}), want.Loss, absolute)
			if want.LossSkipPads != nil {
				w.near(loss(spec.Protocol{SkipPads: true}), *want.LossSkipPads, absolute)
			}
			if want.LossMaskCross != nil {
				w.near(loss(spec.Protocol{MaskCross: true}), *want.LossMaskCross, absolute)
			}
			t.Logf("largest deviation of a loss %.1e", w.value)
			for _, rows := range []int{0, 2} { // at a time
				checkGradient(t, m, want, rows)
			}
		})
	}
}

func checkGradient(t *testing.T, m *t5.Model, want goldenPass, rows int) {
	t.Helper()
	err := torch.Run(func(s *torch.Scope) error {
		loss, gradient, err := m.AccumulatedGradient(s, want.Batch(), spec.Protocol{}, 1, rows)
		if err != nil {
			return err
		}
		w := &deviation{t: t, name: "loss with gradient"}
		w.near(loss.Float(), want.Loss, absolute)
		w.value = 0
		named := m.Named(gradient)
		if len(named) != len(want.GradientNorm) && len(want.GradientNorm) > 0 {
			t.Errorf("%d parameters, want %d", len(named), len(want.GradientNorm))
		}
		for _, p := range named {
			norm, ok := want.GradientNorm[p.Name]
			if !ok {
				continue
			}
			w.name = p.Name
			w.near(p.Tensor.Norm().Float()/max(norm, 1e-12), min(norm/1e-12, 1), relativeNorm)
		}
		t.Logf("largest relative deviation of a gradient's norm %.1e", w.value)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestParametersMatchTheReference(t *testing.T) {
	var want struct {
		Count      int64    `json:"parameter_count"`
		Parameters [][2]any `json:"parameters"`
		Distances  []int64  `json:"relative_position"`
		BothWays   []int64  `json:"bucket_bidirectional"`
		Causal     []int64  `json:"bucket_causal"`
	}
	golden.Load(t, "internals.json", &want)
	config, err := t5.ReadConfig(filepath.Dir(golden.Path(t, "tiny/config.json")))
	if err != nil {
		t.Fatal(err)
	}
	var got [][2]any
	count := int64(0)
	for _, p := range config.Parameters() {
		var shape []any
		for _, size := range p.Shape {
			shape = append(shape, float64(size))
		}
		got, count = append(got, [2]any{p.Name, shape}), count+p.Numel()
	}
	if diff := cmp.Diff(want.Parameters, got); diff != "" || count != want.Count {
		t.Errorf("%d parameters, want %d: %s", count, want.Count, diff)
	}
	for i := range want.BothWays {
		distance := want.Distances[0] + int64(i)
		if got := t5.Bucket(distance, 32, 128, true); got != want.BothWays[i] {
			t.Errorf("distance %d: bucket %d, want %d", distance, got, want.BothWays[i])
		}
		if got := t5.Bucket(distance, 32, 128, false); got != want.Causal[i] {
			t.Errorf("distance %d: causal bucket %d, want %d", distance, got, want.Causal[i])
		}
	}
}
