package optim_test

import (
	"math"
	"testing"

	"rdrec/internal/golden"
	"rdrec/internal/optim"
	"rdrec/internal/torch"
	"rdrec/internal/torch/torchtest"
)

func TestAdamWMatchesPyTorch(t *testing.T) {
	var cases []struct {
		Settings struct {
			LearningRate float64    `json:"lr"`
			WeightDecay  float64    `json:"weight_decay"`
			Betas        [2]float64 `json:"betas"`
			Epsilon      float64    `json:"eps"`
		} `json:"settings"`
		Start     []float32   `json:"start"`
		Gradients [][]float32 `json:"gradients"`
		After     [][]float32 `json:"after_each_step"`
	}
	golden.Load(t, "adamw.json", &cases)
	worst := 0.0
	for _, want := range cases {
		err := torch.Run(func(s *torch.Scope) error {
			n := int64(len(want.Start))
			weights := s.FromFloat32(want.Start, n).ToDevice(torchtest.Device(t))
			adam := optim.NewAdamW(weights, optim.Config{
				LearningRate: want.Settings.LearningRate, WeightDecay: want.Settings.WeightDecay,
				Beta1: want.Settings.Betas[0], Beta2: want.Settings.Betas[1], Epsilon: want.Settings.Epsilon,
			})
			defer adam.Free()
			for step, gradient := range want.Gradients {
				adam.Step(s.FromFloat32(gradient, n).ToDevice(weights.Device()))
				for i, x := range weights.Float32s() {
					off := math.Abs(float64(x) - float64(want.After[step][i]))
					worst = max(worst, off)
					if !(off <= 1e-6) {
						t.Errorf("%+v step %d weight %d: %v, want %v", want.Settings, step, i, x, want.After[step][i])
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("largest deviation %.1e", worst)
}

func TestOptimizerDefaultsArePyTorchs(t *testing.T) {
	want := optim.Config{LearningRate: 0.5, WeightDecay: 0.25, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8}
	if got := optim.DefaultConfig(0.5, 0.25); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
