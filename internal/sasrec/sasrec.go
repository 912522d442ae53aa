// Package sasrec has the baselines that are trained: SASRec (Kang and McAuley, ICDM 2018), a small
// causal transformer over items, and BSARec (Shin et al., AAAI 2024, arXiv 2312.10325), which adds
// a frequency filter to each block. Both are trained with the cross-entropy of the full softmax
// instead of one sampled negative. In: a dataset and a grid of [Settings]; out: trained [Model]s
// that rank items. Steps: [Run] trains each point of the grid with the first seed, chooses the
// point with the best NDCG@10 on the validation items, and trains it with the other seeds.
//
// A model trains on [dataset.User.TrainItems], all items but the last two, as the student does. The
// validation item (the last but one) serves early stopping and the choice of the point; the test
// item (the last) is not read. Item ids carry no information: reindexing the items only permutes
// the random initial weights.
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
	// HiddenSize is the width of the vectors, a multiple of Heads; Blocks is the number of
	// attention blocks.
	HiddenSize int `json:"hidden_size"`
	Blocks     int `json:"blocks"`
	Heads      int `json:"heads"`
	// MaxLength is the number of most recent items that the model reads.
	MaxLength int     `json:"max_length"`
	Dropout   float64 `json:"dropout"`
	// LearningRate is that of Adam without weight decay.
	LearningRate float64 `json:"learning_rate"`
	// Batch is the number of users in a training step.
	Batch int `json:"batch"`
	// Epochs is the most epochs of a training. Training stops early once the validation NDCG@10 has
	// not improved for Patience epochs.
	Epochs   int `json:"epochs"`
	Patience int `json:"patience"`
	// Loss is LossAll or LossLast; empty means LossAll.
	Loss string `json:"loss,omitempty"`
	// Alpha is the weight of the frequency filter beside attention in each block, as in BSARec; 0
	// means SASRec, without a filter. Cutoff is the number of frequencies that the filter keeps.
	Alpha  float64 `json:"alpha,omitempty"`
	Cutoff int     `json:"cutoff,omitempty"`
}

// The losses. LossAll predicts the next item at every position of a user's history in one row.
// LossLast has a row for each prefix of the history and predicts the item after its last position;
// positions are counted from the end then, so that the latest item always has the same one.
const (
	LossAll  = "all"
	LossLast = "last"
)

// check fails for settings that cannot be trained.
func (s Settings) check() error {
	least := min(s.Heads, s.MaxLength, s.Blocks, s.Batch, s.Epochs)
	switch {
	case least < 1 || s.HiddenSize%s.Heads != 0:
		return fmt.Errorf("%w: %+v: hidden_size must be a multiple of heads, all other counts at least 1",
			ErrSettings, s)
	case s.Loss != "" && s.Loss != LossAll && s.Loss != LossLast:
		return fmt.Errorf("%w: loss %q is neither %q nor %q", ErrSettings, s.Loss, LossAll, LossLast)
	case s.Alpha != 0:
		return s.checkFilter()
	default:
		return nil
	}
}

func (s Settings) checkFilter() error {
	switch {
	case s.Alpha < 0 || s.Alpha > 1 || s.Cutoff < 1 || s.Cutoff > s.MaxLength/2+1:
		return fmt.Errorf("%w: %+v: alpha must be from 0 to 1, cutoff from 1 to max_length/2+1", ErrSettings, s)
	case s.Loss != LossLast:
		return fmt.Errorf("%w: the filter sees later items, so it needs loss %q", ErrSettings, LossLast)
	default:
		return nil
	}
}

// Job is the input of [Run].
type Job struct {
	Data *dataset.Dataset
	// Grid has one point or more.
	Grid []Settings
	// Seeds has one or more; the first chooses the point.
	Seeds []int64
	// Device is a name that [torch.ParseDevice] accepts; Threads is the number of CPU threads of an
	// operation, 0 for libtorch's default.
	Device  string
	Threads int
	// Progress is called after every epoch and every progressEvery steps; it may be nil.
	Progress func(Progress)
	// Stop, when closed, ends training with [ErrStopped]; nil means never.
	Stop <-chan struct{}
}

// Progress is the state of a running job.
type Progress struct {
	// Training, from 1 to Trainings, counts the grid's points, then the other seeds.
	Training, Trainings int
	Epoch, Epochs       int
	Step, Steps         int
	// Loss is the epoch's mean loss so far, Best the best validation NDCG@10 of this training.
	Loss, Best float64
}

// FitResult is the result of one training.
type FitResult struct {
	Settings Settings `json:"settings"`
	Seed     int64    `json:"seed"`
	// Validation is the validation NDCG@10 of the kept weights, which are those after epoch
	// BestEpoch of Epochs.
	Validation float64 `json:"validation_ndcg10"`
	BestEpoch  int     `json:"best_epoch"`
	Epochs     int     `json:"epochs"`
	// Parameters is the number of weights.
	Parameters int `json:"parameters"`
	// Losses has the mean training loss and Validations the validation NDCG@10 of each epoch.
	Losses      []float64 `json:"losses"`
	Validations []float64 `json:"validations"`
}

// TuneResult is the result of a job.
type TuneResult struct {
	// Grid has every point with the first seed; Chosen is the index of the best.
	Grid   []FitResult `json:"grid"`
	Chosen int         `json:"chosen"`
	// Trials has the chosen point with each seed.
	Trials []FitResult `json:"trials"`
}

// Sentinel errors that callers branch on.
var (
	// ErrStopped is the error of a training that Job.Stop ended.
	ErrStopped = errors.New("sasrec: stopped")
	// ErrSettings is the error of settings or data that cannot be trained; a retry does not help.
	ErrSettings = errors.New("sasrec")
)

// Run tunes with the first seed, trains the chosen point with every other seed, and calls use with
// each seed's model, which is freed after the call.
func Run(ctx context.Context, job Job, use func(seed int64, m *Model) error) (tuned TuneResult, err error) {
	if len(job.Grid) == 0 || len(job.Seeds) == 0 {
		return tuned, fmt.Errorf("%w: nothing to train: the grid has %d points and there are %d seeds",
			ErrSettings, len(job.Grid), len(job.Seeds))
	}
	device, err := torch.ParseDevice(job.Device)
	if err != nil {
		return tuned, err
	}
	torch.Threads(job.Threads)
	r := &runner{Job: job, device: device}
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
	device torch.Device
	// trainingIndex counts the trainings that were started.
	trainingIndex int
}

// tune trains the grid and returns the best model, the first of equals.
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
