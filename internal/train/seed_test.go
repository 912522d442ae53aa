package train_test

import (
	"math"
	"testing"

	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/torch"
	"rdrec/internal/train"
)

// quick is a training of two epochs of three steps on sequential examples alone, with dropout. It
// takes less than a second.
func quick(t *testing.T) train.Job {
	t.Helper()
	j := job(t)
	j.Spec.Train.Ratio = spec.Ratio{Sequential: 1}
	j.Spec.Train.Batch, j.Spec.Train.MaxTargetTokens, j.Spec.Train.ValidationRows = 2, 8, 4
	j.Spec.Train.EpochSteps, j.Spec.Train.Epochs, j.Spec.Train.Steps, j.Spec.Train.CheckpointSteps = 3, 2, 0, 2
	return j
}

// splitMix64 is the generator's first outputs from the seed 1234567, as published with its
// reference implementation.
var splitMix64 = []uint64{
	6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821,
}

func TestDropoutSeedsAreSplitMix64(t *testing.T) {
	for step, output := range splitMix64 {
		if got, want := train.DropoutSeed(1234567, step), int64(output>>1); got != want {
			t.Errorf("step %d: seed %d, want %d", step, got, want)
		}
	}
	if got, want := train.DropoutSeed(0, 0), int64(0xe220a8397b1dcdaf>>1); got != want {
		t.Errorf("seed 0: %d, want %d", got, want)
	}
}

// TestEachStepHasItsOwnDropout takes the gradient of one batch at three steps: each loss is the
// model's own with the step's seed, for a whole batch and row by row.
func TestEachStepHasItsOwnDropout(t *testing.T) {
	for _, rows := range []int{0, 1} {
		j := quick(t)
		j.Seed, j.Spec.Train.MicroBatch = 1234567, rows
		prepared, err := train.Prepare(j)
		if err != nil {
			t.Fatal(err)
		}
		defer prepared.Free()
		b := prepared.Next()
		m, err := t5.New(config(t, 0.1), 1234567, torch.CPU)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Free()
		seen := map[float64]int{}
		for step := range 3 {
			got, err := prepared.Loss(b, step)
			if err != nil {
				t.Fatal(err)
			}
			var want float64
			err = torch.Run(func(s *torch.Scope) error {
				loss, _, err := m.AccumulatedGradient(s, b, j.Protocol, int64(splitMix64[step]>>1), rows)
				if err == nil {
					want = loss.Float()
				}
				return err
			})
			if err != nil || got != want {
				t.Errorf("%d rows at a time, step %d: loss %v, want %v (%v)", rows, step, got, want, err)
			}
			if before, ok := seen[got]; ok {
				t.Errorf("%d rows at a time: steps %d and %d have the same dropout", rows, before, step)
			}
			seen[got] = step
		}
	}
}

// config is the shape of the student of the jobs here.
func config(t *testing.T, dropout float64) t5.Config {
	t.Helper()
	size, err := spec.SizeNamed("t5-tiny")
	if err != nil {
		t.Fatal(err)
	}
	c := t5.FromSize(size, spec.Methods()[0].PromptVectors)
	c.Dropout = dropout
	return c
}

// TestStudentsStartFromTheirSeed stops before the first step: the weights are the seed's, or the
// pretrained model's with our tables initialized from the seed, and the moments are 0.
func TestStudentsStartFromTheirSeed(t *testing.T) {
	dir := t.TempDir()
	theirs := config(t, 0.25)
	theirs.Prompts = 0
	flat := func(m *t5.Model, err error) []float32 {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer m.Free()
		return m.Flat().Float32s()
	}
	pretrained, err := t5.New(theirs, 11, torch.CPU)
	if err != nil {
		t.Fatal(err)
	}
	defer pretrained.Free()
	if err := pretrained.Save(dir); err != nil {
		t.Fatal(err)
	}
	extra := t5.PretrainedOptions{Prompts: spec.Methods()[0].PromptVectors, Seed: 3}
	for name, c := range map[string]struct {
		from string
		want []float32
	}{
		"new":        {"", flat(t5.New(config(t, 0.1), 3, torch.CPU))},
		"pretrained": {dir, flat(t5.LoadPretrained(dir, extra, torch.CPU))},
	} {
		j := quick(t)
		j.Spec.Student.Pretrained = c.from
		kept := stopped(t, j, func(train.Progress) bool { return true })
		weights, first, second := kept.tensors(t)
		if len(weights) != len(c.want) || farthest(weights, c.want) != 0 {
			t.Errorf("%s: other weights than the seed's", name)
		}
		zeros := make([]float32, len(c.want))
		if farthest(first, zeros) != 0 || farthest(second, zeros) != 0 {
			t.Errorf("%s: the moments do not start at 0", name)
		}
	}
}

// farthest is the largest distance between two elements.
func farthest(a, b []float32) float64 {
	most := 0.0
	for i := range a {
		most = max(most, math.Abs(float64(a[i])-float64(b[i])))
	}
	return most
}

// TestFirstStepIsTheLearningRate: AdamW's first step moves each weight by the learning rate against
// its gradient's sign, after the decay.
func TestFirstStepIsTheLearningRate(t *testing.T) {
	j := quick(t)
	j.Spec.Train.LearningRate, j.Spec.Train.WeightDecay = 1e-3, 0.5
	before, _, _ := stopped(t, j, func(train.Progress) bool { return true }).tensors(t)
	j.Dir = t.TempDir()
	after, first, second := stopped(t, j, func(p train.Progress) bool { return p.Step == 1 }).tensors(t)
	most := 0.0
	for i, x := range before {
		moved := float64(after[i]) - float64(x)*(1-1e-3*0.5)
		most = max(most, math.Abs(moved))
		gradient, size := float64(first[i])/0.1, math.Sqrt(float64(second[i])/0.001)
		if moved*gradient > 0 || math.Abs(size-math.Abs(gradient)) > 1e-4 {
			t.Fatalf("weight %d moves by %v with moments %v and %v", i, moved, first[i], second[i])
		}
	}
	if math.Abs(most/1e-3-1) > 1e-3 {
		t.Errorf("weights move by at most %v, want 0.001", most)
	}
}
