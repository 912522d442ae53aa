package train_test

import (
	"math"
	"path/filepath"
	"testing"

	"rdrec/internal/golden"
	"rdrec/internal/optim"
	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/task"
	"rdrec/internal/torch"
)

// rows are the rows of a golden batch.
type rows struct {
	Task      []int64   `json:"task"`
	InputIDs  [][]int64 `json:"input_ids"`
	Attention [][]int64 `json:"attention_mask"`
	Whole     [][]int64 `json:"whole_word_ids"`
	Labels    [][]int64 `json:"labels"`
}

func (r rows) batch() task.Batch {
	flat := func(rows [][]int64) (all []int64, length int) {
		for _, row := range rows {
			all, length = append(all, row...), len(row)
		}
		return all, length
	}
	b := task.Batch{Size: len(r.Task), Prompts: r.Task}
	b.Source, b.SourceLen = flat(r.InputIDs)
	b.Mask, _ = flat(r.Attention)
	b.Whole, _ = flat(r.Whole)
	b.Target, b.TargetLen = flat(r.Labels)
	return b
}

func tiny(t testing.TB) *t5.Model {
	t.Helper()
	m, err := t5.Load(filepath.Dir(golden.Path(t, "tiny/model.safetensors")), torch.CPU)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Free)
	return m
}

func TestTwentyStepsMatchTheReference(t *testing.T) {
	const tolerance = 2e-2 // of testdata/golden/README.md: AdamW magnifies rounding in gradients near 0
	var file struct {
		Optimizer struct {
			LearningRate float64 `json:"lr"`
			WeightDecay  float64 `json:"weight_decay"`
		} `json:"optimizer"`
		Batches map[string]rows `json:"batches"`
		Steps   []struct {
			Batch  string  `json:"batch"`
			Before float64 `json:"loss_before"`
			Norm   float64 `json:"grad_norm"`
			After  float64 `json:"loss_after"`
		} `json:"steps"`
	}
	golden.Load(t, "train.json.gz", &file)
	m := tiny(t)
	adam := optim.NewAdamW(m.Flat(), optim.DefaultConfig(file.Optimizer.LearningRate, file.Optimizer.WeightDecay))
	defer adam.Free()
	worst := 0.0
	near := func(step int, what string, got, want float64) {
		off := math.Abs(got-want) / want
		worst = max(worst, off)
		if !(off <= tolerance) {
			t.Errorf("step %d: %s %v, want %v", step, what, got, want)
		}
	}
	for i, want := range file.Steps {
		err := torch.Run(func(s *torch.Scope) error {
			b := file.Batches[want.Batch].batch()
			loss, gradient, err := m.Gradient(s, b, spec.Protocol{}, 1)
			if err != nil {
				return err
			}
			near(i, "loss before", loss.Float(), want.Before)
			near(i, "gradient norm", gradient.Norm().Float(), want.Norm)
			adam.Step(gradient)
			after, err := m.Loss(s, b, spec.Protocol{})
			if err == nil {
				near(i, "loss after", after.Float(), want.After)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("largest relative deviation %.1e", worst)
}
