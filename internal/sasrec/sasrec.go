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
	// Stop, when closed, ends training with [ErrStopped], after a checkpoint; nil means never.
	Stop <-chan struct{}
	// Save stores a checkpoint, the files of a folder, whose number of steps grows; nil means none.
	// SaveDue reports after each step whether a checkpoint is due; nil means never.
	Save    func(ctx context.Context, step int, dir string) error
	SaveDue func() bool
	// Dir is a folder for checkpoints before they are stored. Resume is the folder of one to
	// continue from; "" starts from the beginning.
	Dir, Resume string
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

// Run tunes with the first seed, trains the chosen point with every other seed, and then calls use
// with each seed's model, which is freed afterwards. A run that continues from a checkpoint has
// the same result as one that was not interrupted.
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
	defer r.free()
	if job.Resume != "" {
		if err := r.restore(job.Resume); err != nil {
			return tuned, fmt.Errorf("sasrec: resuming from checkpoint %q: %w", job.Resume, err)
		}
	}
	for len(r.finished) < r.trainings() {
		if err := r.train(ctx); err != nil {
			return r.result(), err
		}
	}
	tuned = r.result()
	for i, seed := range job.Seeds {
		if err := use(seed, r.model(i)); err != nil {
			return tuned, err
		}
	}
	return tuned, nil
}

// runner is a running [Run].
type runner struct {
	Job
	device torch.Device
	// finished are the trainings so far: the points of the grid, then the chosen one with the other
	// seeds. chosen is the index of the best point so far, the first of equals.
	finished []finishedFit
	chosen   int
	// training is the running one, nil between two.
	training *training
	// steps counts the steps of all trainings.
	steps int
}

// finishedFit is a finished training. A point of the grid that is not the chosen one has no
// weights.
type finishedFit struct {
	FitResult
	weights *torch.Tensor
}

func (r *runner) trainings() int { return len(r.Grid) + len(r.Seeds) - 1 }

// next returns the point and the seed of the next training.
func (r *runner) next() (Settings, int64) {
	if index := len(r.finished); index >= len(r.Grid) {
		return r.Grid[r.chosen], r.Seeds[index-len(r.Grid)+1]
	}
	return r.Grid[len(r.finished)], r.Seeds[0]
}

// train does the next training, or what is left of it.
func (r *runner) train(ctx context.Context) error {
	if r.training == nil {
		var err error
		if r.training, err = r.newTraining(r.next()); err != nil {
			return err
		}
	}
	if err := r.training.run(ctx); err != nil {
		return err
	}
	fit := finishedFit{*r.training.fitted, r.training.takeBest()}
	r.training.free()
	r.training = nil
	r.finished = append(r.finished, fit)
	if index := len(r.finished) - 1; index > 0 && index < len(r.Grid) {
		worse := index
		if fit.Validation > r.finished[r.chosen].Validation {
			worse, r.chosen = r.chosen, index
		}
		r.finished[worse].weights.Free()
		r.finished[worse].weights = nil
	}
	return nil
}

// result returns the finished trainings.
func (r *runner) result() (tuned TuneResult) {
	for i, fit := range r.finished {
		if i < len(r.Grid) {
			tuned.Grid = append(tuned.Grid, fit.FitResult)
		}
	}
	if len(tuned.Grid) < len(r.Grid) {
		return tuned
	}
	tuned.Chosen = r.chosen
	tuned.Trials = append(tuned.Trials, tuned.Grid[r.chosen])
	for _, fit := range r.finished[len(r.Grid):] {
		tuned.Trials = append(tuned.Trials, fit.FitResult)
	}
	return tuned
}

// model returns the model of a trial. The runner frees its weights.
func (r *runner) model(trial int) *Model {
	fit := r.finished[r.chosen]
	if trial > 0 {
		fit = r.finished[len(r.Grid)+trial-1]
	}
	return &Model{Settings: fit.Settings, items: r.Data.Items, device: r.device, flat: fit.weights}
}

func (r *runner) free() {
	for _, fit := range r.finished {
		if fit.weights != nil {
			fit.weights.Free()
		}
	}
	if r.training != nil {
		r.training.free()
	}
}
