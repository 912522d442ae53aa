package train_test

import (
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"rdrec/internal/dataset"
	"rdrec/internal/golden"
	"rdrec/internal/optim"
	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/task"
	"rdrec/internal/token"
	"rdrec/internal/torch"
)

// mini is the small dataset with the reference's files.
func mini(t testing.TB) *dataset.Dataset {
	t.Helper()
	data, err := dataset.Read(os.DirFS(golden.Data(t, "rdrec/beauty_mini")), "beauty_mini")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func size(t testing.TB, name string) spec.Size {
	t.Helper()
	for _, s := range spec.Sizes() {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no size %q", name)
	return spec.Size{}
}

// BenchmarkStep is one step of training: forward, backward, AdamW.
func BenchmarkStep(b *testing.B) {
	for _, name := range []string{"t5-tiny", "t5-mini"} {
		for _, ratio := range []spec.Ratio{{Sequential: 1}, {Explanation: 1, Sequential: 1, Rationale: 1, TopN: 1}} {
			b.Run(fmt.Sprintf("%s/%v", name, ratio), func(b *testing.B) { benchmarkStep(b, size(b, name), ratio) })
		}
	}
}

func benchmarkStep(b *testing.B, size spec.Size, ratio spec.Ratio) {
	b.Helper()
	method := spec.Methods()[0]
	protocol := spec.Protocols()[0]
	settings := spec.Default().Train
	settings.Ratio = ratio
	corpus, err := task.New(mini(b), task.Settings{Method: method, Protocol: protocol, Negatives: 99})
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
	m, err := t5.New(t5.FromSize(size, method.PromptVectors), 1, torch.CPU)
	if err != nil {
		b.Fatal(err)
	}
	defer m.Free()
	adam := optim.NewAdamW(m.Flat(), optim.DefaultConfig(settings.LearningRate, settings.WeightDecay))
	defer adam.Free()
	made, samples, cpu := torch.Made(), 0, cpuSeconds(b)
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
	b.ReportMetric(float64(samples)/(cpuSeconds(b)-cpu), "samples/cpu-s")
	b.ReportMetric(float64(torch.Made()-made)/float64(b.N), "ops/step")
}

// cpuSeconds is what the process has used of the processors: on a shared machine it says more than
// the clock.
func cpuSeconds(t testing.TB) float64 {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}
