// Package sasrec is the strongest simple baseline: SASRec (Kang and McAuley, ICDM 2018), a small
// causal transformer over items, trained with the full softmax's cross-entropy at every position
// instead of one sampled negative. In: a dataset, and a grid of [Settings]; out: trained [Model]s
// that rank items. Steps: [Run] trains each point of the grid with the first seed, keeps the one
// with the best NDCG@10 on the validation items, and trains that one with the other seeds too.
//
// It learns from [dataset.User.Train], all items but the last two, as the student does; the last
// but one stops training and chooses the point; the last is never seen. Item numbers mean nothing
// to it: renumbering the items only permutes its random start.
package sasrec

import (
	"context"
	"errors"
	"fmt"

	"rdrec/internal/dataset"
	"rdrec/internal/torch"
)

// Settings are one point of a grid.
type Settings struct {
	// HiddenSize is the width of the vectors, a multiple of Heads; Blocks is how many attention
	// blocks stand on each other.
	HiddenSize int `json:"hidden_size"`
	Blocks     int `json:"blocks"`
	Heads      int `json:"heads"`
	// MaxLength is how many of the latest items are seen.
	MaxLength int     `json:"max_length"`
	Dropout   float64 `json:"dropout"`
	// LearningRate is Adam's; there is no weight decay.
	LearningRate float64 `json:"learning_rate"`
	// Batch is how many users a step learns from.
	Batch int `json:"batch"`
	// Epochs bounds training; Endure is how many epochs without a better validation figure are
	// endured before it stops.
	Epochs   int `json:"epochs"`
	Patience int `json:"patience"`
}

// Job is what [Run] does.
type Job struct {
	Data *dataset.Dataset
	// Grid has one point or more.
	Grid []Settings
	// Seeds has one or more; the first chooses the point.
	Seeds []int64
	// Device is a name that [torch.Pick] knows; Threads is how many CPU threads an operation uses,
	// 0 for libtorch's own choice.
	Device  string
	Threads int
	// Progress is told after every epoch and now and then within; nil for nobody.
	Progress func(Progress)
	// Stop, when closed, ends training with [ErrStopped]; nil for never.
	Stop <-chan struct{}
}

// Progress is how far a job is.
type Progress struct {
	// Training of Trainings: the grid's points, then the other seeds.
	Training, Trainings int
	Epoch, Epochs       int
	Step, Steps         int
	// Loss is the mean over the epoch so far, Best the best validation NDCG@10 of this training.
	Loss, Best float64
}

// FitResult is what one training came to.
type FitResult struct {
	Settings Settings `json:"settings"`
	Seed     int64    `json:"seed"`
	// Validation is the validation NDCG@10 of the kept weights, which are those after epoch Best of
	// Epochs.
	Validation float64 `json:"validation_ndcg10"`
	BestEpoch  int     `json:"best_epoch"`
	Epochs     int     `json:"epochs"`
	// Parameters is how many weights there are.
	Parameters int `json:"parameters"`
	// Losses are the training's, and Valids its validation NDCG@10, epoch by epoch.
	Losses      []float64 `json:"losses"`
	Validations []float64 `json:"validations"`
}

// TuneResult is what a job came to.
type TuneResult struct {
	// Grid is every point with the first seed; Chosen is the place of the best in it.
	Grid   []FitResult `json:"grid"`
	Chosen int         `json:"chosen"`
	// Trials is the chosen point with each seed.
	Trials []FitResult `json:"trials"`
}

// Errors that callers decide on.
var (
	// ErrStopped says that training was told to stop.
	ErrStopped = errors.New("sasrec: stopped")
	// ErrSettings says that nothing can be trained with these settings and data, whoever tries.
	ErrSettings = errors.New("sasrec")
)

// Run tunes on the first seed, trains the chosen point with every other seed, and gives each seed's
// model to use, which may not keep it.
func Run(ctx context.Context, job Job, use func(seed int64, m *Model) error) (tuned TuneResult, err error) {
	if len(job.Grid) == 0 || len(job.Seeds) == 0 {
		return tuned, fmt.Errorf("%w: a grid of %d points and %d seeds leave nothing to train", ErrSettings, len(job.Grid), len(job.Seeds))
	}
	device, err := torch.ParseDevice(job.Device)
	if err != nil {
		return tuned, err
	}
	torch.Threads(job.Threads)
	r := &runner{Job: job, device: device, examples: trainingExamples(job.Data)}
	best, err := r.tune(ctx, &tuned)
	if err != nil {
		return tuned, err
	}
	defer best.Free()
	tuned.Trials = append(tuned.Trials, tuned.Grid[tuned.Chosen])
	if err := use(job.Seeds[0], best); err != nil {
		return tuned, err
	}
	for _, seed := range job.Seeds[1:] {
		model, fitted, err := r.fit(ctx, job.Grid[tuned.Chosen], seed)
		if err != nil {
			return tuned, err
		}
		tuned.Trials = append(tuned.Trials, fitted)
		err = use(seed, model)
		model.Free()
		if err != nil {
			return tuned, err
		}
	}
	return tuned, nil
}

// runner is a running [Run].
type runner struct {
	Job
	device   torch.Device
	examples []example
	// training counts the trainings that have begun.
	training int
}

// tune trains the grid and returns the best model; of equals the first.
func (r *runner) tune(ctx context.Context, tuned *TuneResult) (best *Model, err error) {
	defer func() {
		if err != nil && best != nil {
			best.Free()
		}
	}()
	for i, settings := range r.Grid {
		model, fitted, err := r.fit(ctx, settings, r.Seeds[0])
		if err != nil {
			return best, err
		}
		tuned.Grid = append(tuned.Grid, fitted)
		if best != nil && fitted.Validation <= tuned.Grid[tuned.Chosen].Validation {
			model.Free()
			continue
		}
		if best != nil {
			best.Free()
		}
		best, tuned.Chosen = model, i
	}
	return best, nil
}
