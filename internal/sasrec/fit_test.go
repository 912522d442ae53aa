package sasrec_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
	"rdrec/internal/sasrec"
	"rdrec/internal/torch"
)

// frozen returns a job whose weights hardly change.
func frozen(d *dataset.Dataset, settings sasrec.Settings) sasrec.Job {
	settings.LearningRate = 1e-30
	return sasrec.Job{Data: d, Grid: []sasrec.Settings{settings}, Seeds: []int64{1}}
}

// TestTheFirstOfEqualEpochsAndPointsIsKept: frozen weights give the same metric after each epoch
// and at each point.
func TestTheFirstOfEqualEpochsAndPointsIsKept(t *testing.T) {
	settings := sasrec.Settings{HiddenSize: 4, Heads: 1, Blocks: 1, MaxLength: 5, Batch: 8}
	for _, c := range []struct{ epochs, patience, want int }{{10, 2, 3}, {10, 1, 2}, {10, 0, 2}, {2, 5, 2}, {1, 1, 1}} {
		settings.Epochs, settings.Patience = c.epochs, c.patience
		tuned, _ := trainJob(t, frozen(chains(20), settings))
		got := tuned.Grid[0]
		lengths := []int{got.Epochs, len(got.Losses), len(got.Validations), got.BestEpoch}
		if diff := cmp.Diff([]int{c.want, c.want, c.want, 1}, lengths); diff != "" {
			t.Errorf("%d epochs, patience %d: epochs, losses, validations and best epoch (-want +got):\n%s",
				c.epochs, c.patience, diff)
		}
	}
	job := frozen(chains(20), settings)
	job.Grid = append(job.Grid, job.Grid[0], job.Grid[0])
	if tuned, _ := trainJob(t, job); tuned.Chosen != 0 || len(tuned.Grid) != 3 ||
		tuned.Grid[1].Validation != tuned.Grid[0].Validation {
		t.Errorf("chosen %d of %d equal points", tuned.Chosen, len(tuned.Grid))
	}
	// Without validation items the metric is 0, and the first epoch is the best.
	again := &dataset.Dataset{Items: 3, Users: []dataset.User{{ID: 1, Items: []int{1, 2, 1, 3}}}}
	settings.Epochs, settings.Patience = 3, 1
	tuned, _ := trainJob(t, frozen(again, settings))
	if got := tuned.Grid[0]; got.BestEpoch != 1 || got.Validation != 0 || got.Epochs != 2 {
		t.Errorf("without validation items: %+v", got)
	}
}

// TestEachStepSamplesDropout: frozen weights have another loss in each epoch, because each step
// samples its own dropout.
func TestEachStepSamplesDropout(t *testing.T) {
	settings := sasrec.Settings{HiddenSize: 8, Heads: 1, Blocks: 1, MaxLength: 5, Batch: 64, Epochs: 3, Patience: 9}
	losses := func(dropout float64) []float64 {
		settings.Dropout = dropout
		tuned, _ := trainJob(t, frozen(chains(20), settings)) // one batch
		return tuned.Grid[0].Losses
	}
	for i, loss := range losses(0) {
		if first := losses(0)[0]; math.Abs(loss-first) > 1e-5 {
			t.Errorf("without dropout, epoch %d: loss %v, want %v as before", i+1, loss, first)
		}
	}
	if got := losses(0.5); math.Abs(got[0]-got[1]) < 1e-5 || math.Abs(got[1]-got[2]) < 1e-5 ||
		math.Abs(got[0]-got[2]) < 1e-5 {
		t.Errorf("with dropout: losses %v, want three that differ", got)
	}
}

// TestProgressCountsTrainingsEpochsAndSteps: progress is reported at the first step of an epoch, at
// every twentieth after it and at its end.
func TestProgressCountsTrainingsEpochsAndSteps(t *testing.T) {
	settings := sasrec.Settings{
		HiddenSize: 2, Heads: 1, Blocks: 1, MaxLength: 3, Batch: 1, Epochs: 2, Patience: 5,
		LearningRate: 0.001,
	}
	job := sasrec.Job{Data: chains(21), Grid: []sasrec.Settings{settings, settings}, Seeds: []int64{1, 2}}
	var got []string
	var best []float64
	job.Progress = func(p sasrec.Progress) {
		got = append(got, fmt.Sprintf("%d/%d %d/%d %d/%d", p.Training, p.Trainings, p.Epoch, p.Epochs, p.Step, p.Steps))
		best = append(best, p.Best)
		if p.Loss <= 0 || p.Loss > 10 {
			t.Errorf("loss %v", p.Loss)
		}
	}
	tuned, _ := trainJob(t, job)
	var want []string
	for training := 1; training <= 3; training++ {
		for _, steps := range []string{"1/2 1/21", "1/2 21/21", "2/2 0/0", "2/2 1/21", "2/2 21/21", "2/2 0/0"} {
			want = append(want, fmt.Sprintf("%d/3 %s", training, steps))
		}
	}
	if diff := cmp.Diff(strings.Join(want, "\n"), strings.Join(got, "\n")); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
	if best[0] != 0 || best[2] != tuned.Grid[0].Validations[0] || best[5] != tuned.Grid[0].Validation {
		t.Errorf("best so far %v, want 0, then that of %+v", best[:6], tuned.Grid[0])
	}
	if tuned.Trials[0].Parameters != 61*2+3*2+6*4+8*2 {
		t.Errorf("%d parameters", tuned.Trials[0].Parameters)
	}
}

// TestErrorsOfUseEndTheRun: an error of use ends the run, whatever the seed, and frees all tensors.
func TestErrorsOfUseEndTheRun(t *testing.T) {
	before := torch.Live()
	broken := errors.New("broken")
	settings := sasrec.Settings{HiddenSize: 2, Heads: 1, Blocks: 1, MaxLength: 3, Batch: 8, Epochs: 1}
	for _, at := range []int64{1, 2, 3} {
		job := sasrec.Job{Data: chains(10), Grid: []sasrec.Settings{settings}, Seeds: []int64{1, 2, 3}}
		var used []int64
		tuned, err := sasrec.Run(t.Context(), job, func(seed int64, _ *sasrec.Model) error {
			if used = append(used, seed); seed == at {
				return broken
			}
			return nil
		})
		if !errors.Is(err, broken) || len(used) != int(at) || len(tuned.Trials) != 3 {
			t.Errorf("seed %d: %v after seeds %v and %d trials", at, err, used, len(tuned.Trials))
		}
	}
	odd := sasrec.Job{Data: chains(10), Grid: []sasrec.Settings{settings}, Seeds: []int64{1}, Device: "abacus"}
	if _, err := sasrec.Run(t.Context(), odd, func(int64, *sasrec.Model) error { return nil }); err == nil {
		t.Error("trained on an abacus")
	}
	diverging := settings
	diverging.LearningRate, diverging.Epochs, diverging.Patience = 1e30, 5, 5
	job := sasrec.Job{Data: chains(10), Grid: []sasrec.Settings{diverging}, Seeds: []int64{1}}
	_, err := sasrec.Run(t.Context(), job, func(int64, *sasrec.Model) error { return nil })
	if !errors.Is(err, sasrec.ErrSettings) || !strings.Contains(err.Error(), "a lower learning rate may help") {
		t.Errorf("diverging: %v, want %v", err, sasrec.ErrSettings)
	}
	if after := torch.Live(); after != before {
		t.Errorf("%d tensors were left behind", after-before)
	}
}
