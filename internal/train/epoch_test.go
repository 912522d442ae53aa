package train_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/prediction"
	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/task"
	"rdrec/internal/token"
	"rdrec/internal/torch"
	"rdrec/internal/train"
)

func TestEpochsEndAfterTheirSteps(t *testing.T) {
	for _, c := range []struct {
		step, epochs, steps int // of three steps each
		want                bool
	}{
		{0, 0, 8, false},
		{2, 0, 8, false},
		{3, 0, 8, true},
		{3, 1, 8, false},
		{5, 1, 8, false},
		{6, 1, 8, true},
		{6, 2, 8, false},
		{7, 2, 8, false},
		{8, 2, 8, true},
		{8, 3, 8, false}, // the last is cut short
		{6, 1, 6, true},
		{6, 2, 6, false},
		{1, 0, 1, true},
		{1, 1, 1, false},
	} {
		if got := train.EpochIsDue(c.step, c.epochs, 3, c.steps); got != c.want {
			t.Errorf("step %d of %d, %d epochs validated: due %t, want %t", c.step, c.steps, c.epochs, got, c.want)
		}
	}
}

// TestTrainingStopsAfterBadEpochs: a tie is no improvement, and the count is set back by an
// improvement only where the protocol says so.
func TestTrainingStopsAfterBadEpochs(t *testing.T) {
	for _, c := range []struct {
		name     string
		patience int
		resets   bool
		means    []float64
		bad      []int // after each epoch
		best     float64
	}{
		{"counted in all", 2, false, []float64{5, 4, 4, 3, 6, 2}, []int{0, 0, 1, 1, 2}, 3},
		{"counted since the best", 2, true, []float64{5, 4, 4, 3, 6, 7, 2}, []int{0, 0, 1, 0, 1, 2}, 3},
		{"patience of one", 1, true, []float64{5, 5, 1}, []int{0, 1}, 5},
		{"never", 3, false, []float64{5, 6, 6, 1}, []int{0, 1, 2, 2}, 1},
	} {
		s := &train.State{}
		var bad []int
		for i, mean := range c.means {
			s.LossSum, s.Rows = 7, 3
			epoch := prediction.Epoch{Epoch: i + 1, Mean: mean, Best: train.Improves(s, mean)}
			train.CloseEpoch(s, epoch, c.patience, c.resets)
			bad = append(bad, s.BadEpochs)
			if s.LossSum != 0 || s.Rows != 0 || len(s.Curve) != i+1 {
				t.Errorf("%s: epoch %d: %+v", c.name, i+1, s)
			}
			if s.StoppedEarly {
				break
			}
		}
		if diff := cmp.Diff(c.bad, bad); diff != "" || *s.Best != c.best ||
			s.StoppedEarly != (len(bad) < len(c.means)) {
			t.Errorf("%s: best %v, stopped early %t, bad epochs %s", c.name, *s.Best, s.StoppedEarly, diff)
		}
	}
}

// TestValidationIsTheMeanByRows computes the second epoch's validation again, from the returned
// model: its own candidates, so many records of each task, batch by batch, and then the mean over
// the tasks.
func TestValidationIsTheMeanByRows(t *testing.T) {
	j := job(t)
	j.Spec.Train.Ratio = spec.Ratio{Explanation: 1, Sequential: 1, TopN: 1}
	j.Spec.Train.Batch, j.Spec.Train.MaxTargetTokens, j.Spec.Train.ValidationRows = 3, 8, 4
	j.Spec.Train.EpochSteps, j.Spec.Train.Epochs, j.Spec.Train.Steps = 1, 2, 0
	result := run(t, j)
	last := result.Curve[1]
	if !last.Best {
		t.Fatal("the second epoch is not the best: its model is not returned")
	}
	m, err := t5.Load(result.Dir, torch.CPU)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Free()
	settings := task.Settings{Method: j.Method, Protocol: j.Protocol, Negatives: 9}
	corpus, err := task.New(j.Data, settings)
	if err != nil {
		t.Fatal(err)
	}
	tokenizer, err := token.NewT5()
	if err != nil {
		t.Fatal(err)
	}
	encoder, err := task.NewEncoder(tokenizer, settings, 8)
	if err != nil {
		t.Fatal(err)
	}
	want, mean := map[string]float64{}, 0.0
	for _, tk := range []task.Task{task.Explanation, task.Sequential, task.TopN} {
		list, err := corpus.Validation(tk, 3, 2)
		if err != nil {
			t.Fatal(err)
		}
		rows := 0
		for b := range list.SampleEvenly(4).Batches(encoder, 3) {
			err := torch.Run(func(s *torch.Scope) error {
				loss, err := m.Loss(s, b, j.Protocol)
				if err == nil {
					want[tk.String()] += loss.Float() * float64(b.Size)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			rows += b.Size
		}
		if rows != 4 {
			t.Errorf("%s: %d rows", tk, rows)
		}
		want[tk.String()] /= 4
		mean += want[tk.String()] / 3
	}
	got := map[string]float64{}
	for _, validation := range last.Validation {
		got[validation.Task] = validation.Loss
	}
	if diff := cmp.Diff(want, got, within(1e-6)); diff != "" || math.Abs(mean-last.Mean) > 1e-6 {
		t.Errorf("mean %v, want %v: %s", last.Mean, mean, diff)
	}
}

func within(tolerance float64) cmp.Option {
	return cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) <= tolerance })
}

// TestValidationStartsAgainWhenMemoryRunsOut lets the last part of a batch fail: the parts before
// it do not count twice.
func TestValidationStartsAgainWhenMemoryRunsOut(t *testing.T) {
	loss := func(fails int) (value float64, operations int) {
		j := quick(t)
		j.Spec.Train.Batch, j.Spec.Train.MicroBatch = 5, 2
		prepared, err := train.Prepare(j)
		if err != nil {
			t.Fatal(err)
		}
		defer prepared.Free()
		b := prepared.Next()
		end := torch.InjectOOM(func(int64) bool { operations++; return operations == fails })
		defer end()
		if value, err = prepared.ValidationLoss(b); err != nil {
			t.Fatal(err)
		}
		return value, operations
	}
	want, operations := loss(0)
	for _, fails := range []int{1, operations / 2, operations} {
		got, again := loss(fails)
		if math.Abs(got-want) > 1e-5 || again <= operations {
			t.Errorf("operation %d of %d fails: loss %v, want %v", fails, operations, got, want)
		}
	}
}

// TestStepReadsTheLossBeforeIt checks that a step copies its batch to the device and reads nothing
// but the loss of the step before, also to clip its gradient. On a GPU each copy waits, so their
// numbers may only fall.
func TestStepReadsTheLossBeforeIt(t *testing.T) {
	j := quick(t)
	j.Spec.Train.MaxGradNorm = 0.1
	var losses []float64
	j.Progress = func(p train.Progress) { losses = append(losses, p.Loss) }
	prepared, err := train.Prepare(j)
	if err != nil {
		t.Fatal(err)
	}
	defer prepared.Free()
	for step := range 3 {
		uploads, reads := torch.Uploads(), torch.Reads()
		if err := prepared.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		uploads, reads = torch.Uploads()-uploads, torch.Reads()-reads
		if want := min(int64(step), 1); reads != want || len(losses) != step || uploads > 3 {
			t.Errorf("step %d: %d uploads, %d reads, %d losses; want 3, %d, %d",
				step+1, uploads, reads, len(losses), want, step)
		}
	}
	if err := prepared.Settle(); err != nil || len(losses) != 3 {
		t.Errorf("%d losses after the last step, error %v", len(losses), err)
	}
}

// TestProgressIsReported has a clock that ticks a second at each look. The first step has two
// seconds of waiting in four: for its batch and for the next one. The second step has neither. The
// third waits for its batch alone.
func TestProgressIsReported(t *testing.T) {
	j := quick(t)
	j.Spec.Train.EpochSteps, j.Spec.Train.Epochs = 2, 2
	j.Spec.Train.Steps = 3
	clock := time.Time{}
	j.Now = func() time.Time {
		clock = clock.Add(time.Second)
		return clock
	}
	var got []train.Progress
	j.Progress = func(p train.Progress) { got = append(got, p) }
	result := run(t, j)
	first, second, third := got[0].Loss, result.Curve[0].Loss, result.Curve[1].Loss
	if first == second || first == 0 || result.Curve[0].Step != 2 || result.Curve[1].Step != 3 {
		t.Fatalf("curves %+v", result.Curve)
	}
	at := func(epoch, step int, loss float64) train.Progress {
		return train.Progress{Epoch: epoch, Epochs: 2, Step: step, Steps: 3, Loss: loss}
	}
	step := func(p train.Progress, samplesPerSecond, waitFraction float64) train.Progress {
		p.SamplesPerSecond, p.WaitFraction = samplesPerSecond, waitFraction
		return p
	}
	validating := func(p train.Progress) train.Progress {
		p.Validating = true
		return p
	}
	want := []train.Progress{
		step(at(1, 1, first), 0.5, 0.5), step(at(1, 2, second), 2, 0),
		validating(at(1, 2, second)), validating(at(1, 2, second)),
		step(at(2, 3, third), 1, 0.5), validating(at(2, 3, third)), validating(at(2, 3, third)),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestStepsEndTraining: a limit of steps cuts the last epoch short, one beyond the epochs changes
// nothing, and 0 is none.
func TestStepsEndTraining(t *testing.T) {
	for limit, want := range map[int][]int{0: {1, 2}, 1: {1}, 2: {1, 2}, 3: {1, 2}} {
		j := quick(t)
		j.Spec.Train.EpochSteps, j.Spec.Train.Steps = 1, limit
		result := run(t, j)
		var steps []int
		for i, epoch := range result.Curve {
			if epoch.Epoch != i+1 {
				t.Errorf("limit %d: epoch %d is numbered %d", limit, i+1, epoch.Epoch)
			}
			steps = append(steps, epoch.Step)
		}
		if diff := cmp.Diff(want, steps); diff != "" || result.Steps != want[len(want)-1] {
			t.Errorf("limit %d: %d steps, epochs end at %s", limit, result.Steps, diff)
		}
	}
}
