package t5_test

import (
	"math"
	"testing"

	"rdrec/internal/golden"
	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/t5/modeltest"
	"rdrec/internal/task"
	"rdrec/internal/torch"
)

// decodeStepwise decodes the batch's own targets and returns the log-probabilities of each step.
// [target][row]
func decodeStepwise(t *testing.T, m *t5.Model, b task.Batch, beams int, maskCross bool) [][]float32 {
	t.Helper()
	var steps [][]float32
	err := torch.Run(func(s *torch.Scope) error {
		d, err := m.Start(b, t5.DecodeOptions{NumBeams: beams, MaxLength: b.TargetLen + 1, MaskCross: maskCross})
		if err != nil {
			return err
		}
		defer d.Close()
		var parents []int64
		for step := range b.TargetLen {
			tokens := make([]int64, 0, b.Size*beams)
			for row := range b.Size {
				for range beams {
					token := int64(0)
					if step > 0 {
						token = b.Target[row*b.TargetLen+step-1]
					}
					tokens = append(tokens, token)
				}
			}
			scores, err := d.Step(s, tokens, parents)
			if err != nil {
				return err
			}
			steps = append(steps, scores.Float32s())
			parents = make([]int64, len(tokens)) // all beams of a row are equal, so they may continue each other
			for i := range parents {
				parents[i] = int64(i/beams*beams + (i+1)%beams)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return steps
}

func TestStepwiseDecodingMatchesForward(t *testing.T) {
	var file struct {
		Batches map[string]goldenPass `json:"batches"`
	}
	golden.Load(t, "train.json.gz", &file)
	m := modeltest.Tiny(t)
	for _, name := range []string{"explanation", "sequential", "rationale_valid"} {
		for _, maskCross := range []bool{false, true} {
			b := file.Batches[name].Batch()
			const beams = 3
			steps := decodeStepwise(t, m, b, beams, maskCross)
			err := torch.Run(func(s *torch.Scope) error {
				pass, err := m.Forward(s, b, spec.Protocol{MaskCross: maskCross})
				if err != nil {
					return err
				}
				// [target, batch * beams, vocabulary]
				want := pass.Logits.LogSoftmax(-1).Transpose(0, 1).RepeatInterleave(beams, 1)
				w := &deviation{t: t, name: name}
				for step := range steps {
					w.all(steps[step], want.Select(0, int64(step)).Float32s())
				}
				t.Logf("%s, cross-attention masked %v: largest deviation %.1e", name, maskCross, w.value)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestFirstStepMatchesTheReference(t *testing.T) {
	var file map[string]struct {
		modeltest.Rows
		Top struct {
			IDs     []int64   `json:"ids"`
			LogProb []float32 `json:"logprobs"`
		} `json:"first_step_top40"`
	}
	golden.Load(t, "generate.json.gz", &file)
	m := modeltest.Tiny(t)
	want := file["sequential_one_row_unpadded"]
	scores := decodeStepwise(t, m, targets(want.Batch(), 1), 1, false)[0]
	w := &deviation{t: t, name: "log-probability"}
	for i, id := range want.Top.IDs {
		w.near(float64(scores[id]), float64(want.Top.LogProb[i]), absolute)
	}
	t.Logf("largest deviation %.1e", w.value)
}

// targets adds targets of the given length to a batch without targets.
func targets(b task.Batch, length int) task.Batch {
	b.TargetLen, b.Target = length, make([]int64, b.Size*length)
	for i := range b.Target {
		b.Target[i] = 3
	}
	return b
}

func TestKeepLeavesRowsUnchanged(t *testing.T) {
	var file map[string]struct{ modeltest.Rows }
	golden.Load(t, "generate.json.gz", &file)
	m := modeltest.Tiny(t)
	b := file["explanation"].Batch() // 6 rows
	err := torch.Run(func(s *torch.Scope) error {
		decode := func(keep bool) []float32 {
			d, err := m.Start(b, t5.DecodeOptions{NumBeams: 2, MaxLength: 5, MaskCross: true})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			step := func(tokens, parents []int64) *torch.Tensor {
				scores, err := d.Step(s, tokens, parents)
				if err != nil {
					t.Fatal(err)
				}
				return scores
			}
			step(make([]int64, 6), nil)
			step([]int64{3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}, []int64{0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5})
			if !keep {
				tokens := []int64{3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}
				scores := step(tokens, []int64{1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10})
				return append(scores.Narrow(0, 8, 2).Float32s(), scores.Narrow(0, 2, 2).Float32s()...) // rows 4 and 1
			}
			d.Keep([]int{4, 1})
			return step([]int64{11, 12, 5, 6}, []int64{1, 0, 3, 2}).Float32s()
		}
		selected, all := decode(true), decode(false)
		w := &deviation{t: t, name: "kept row"}
		w.all(selected, all)
		if math.IsNaN(float64(selected[0])) {
			t.Error("not a number")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestStepRejectsInvalidInput(t *testing.T) {
	var file map[string]struct{ modeltest.Rows }
	golden.Load(t, "generate.json.gz", &file)
	m := modeltest.Tiny(t)
	b := file["explanation"].Batch()
	for name, call := range map[string]struct{ tokens, parents []int64 }{
		"too few sequences":      {make([]int64, 5), nil},
		"too many sequences":     {make([]int64, 18), nil},
		"parents at first":       {make([]int64, 6), make([]int64, 6)},
		"token beyond the table": {[]int64{0, 0, 0, 0, 0, 32128}, nil},
	} {
		err := torch.Run(func(s *torch.Scope) error {
			d, err := m.Start(b, t5.DecodeOptions{NumBeams: 2, MaxLength: 5})
			if err != nil {
				return err
			}
			defer d.Close()
			_, err = d.Step(s, call.tokens, call.parents)
			return err
		})
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
