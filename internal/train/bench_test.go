package train_test

import (
	"fmt"
	"testing"

	"rdrec/internal/optim"
	"rdrec/internal/spec"
	"rdrec/internal/t5/modeltest"
	"rdrec/internal/task"
	"rdrec/internal/token"
	"rdrec/internal/torch"
)

// BenchmarkStep is one step of training: forward, backward, AdamW.
func BenchmarkStep(b *testing.B) {
	for _, name := range []string{"t5-tiny", "t5-mini"} {
		for _, ratio := range []spec.Ratio{{Sequential: 1}, {Explanation: 1, Sequential: 1, Rationale: 1, TopN: 1}} {
			b.Run(fmt.Sprintf("%s/%v", name, ratio), func(b *testing.B) { benchmarkStep(b, name, ratio) })
		}
	}
}

func benchmarkStep(b *testing.B, size string, ratio spec.Ratio) {
	b.Helper()
	method := spec.Methods()[0]
	protocol := spec.Protocols()[0]
	settings := spec.Default().Train
	settings.Ratio = ratio
	corpus, err := task.New(modeltest.BeautyMini(b), task.Settings{Method: method, Protocol: protocol, Negatives: 99})
	if err != nil {
		b.Fatal(err)
	}
	mixer, err := corpus.Mixer(settings, 1)
	if err != nil {
		b.Fatal(err)
	}
	tokenizer, err := token.NewT5()
	if err != nil {
		b.Fatal(err)
	}
	encoder, err := task.NewEncoder(
		tokenizer, task.Settings{Method: method, Protocol: protocol, Negatives: 99}, settings.MaxTargetTokens,
	)
	if err != nil {
		b.Fatal(err)
	}
	m := modeltest.Random(b, size)
	adam := optim.NewAdamW(m.Flat(), optim.DefaultConfig(settings.LearningRate, settings.WeightDecay))
	defer adam.Free()
	made, samples, cpu := torch.Made(), 0, modeltest.CPUSeconds(b)
	err = torch.Run(func(*torch.Scope) error {
		for b.Loop() {
			batch := encoder.Encode(mixer.Next())
			samples += batch.Size
			if err := torch.Run(func(s *torch.Scope) error {
				_, gradient, err := m.Gradient(s, batch, protocol, 1)
				if err == nil {
					adam.Step(gradient)
				}
				return err
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(samples)/b.Elapsed().Seconds(), "samples/s")
	b.ReportMetric(float64(samples)/(modeltest.CPUSeconds(b)-cpu), "samples/cpu-s")
	b.ReportMetric(float64(torch.Made()-made)/float64(b.N), "ops/step")
}
