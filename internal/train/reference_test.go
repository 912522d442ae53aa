package train_test

import (
	"math"
	"testing"

	"rdrec/internal/golden"
	"rdrec/internal/optim"
	"rdrec/internal/spec"
	"rdrec/internal/t5/modeltest"
	"rdrec/internal/torch"
)

func TestTwentyStepsMatchTheReference(t *testing.T) {
	const tolerance = 2e-2 // of testdata/golden/README.md: AdamW magnifies rounding in gradients near 0
	var file struct {
		Optimizer struct {
			LearningRate float64 `json:"lr"`
			WeightDecay  float64 `json:"weight_decay"`
		} `json:"optimizer"`
		Batches map[string]modeltest.Rows `json:"batches"`
		Steps   []struct {
			Batch  string  `json:"batch"`
			Before float64 `json:"loss_before"`
			Norm   float64 `json:"grad_norm"`
			After  float64 `json:"loss_after"`
		} `json:"steps"`
	}
	golden.Load(t, "train.json.gz", &file)
	m := modeltest.Tiny(t)
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
			b := file.Batches[want.Batch].Batch()
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
