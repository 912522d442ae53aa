// Package train teaches the student. In: a dataset, a method and its settings; out: the model of
// the epoch with the lowest validation loss, as a Hugging Face folder, and the curves. The steps:
// mixed batches are drawn ahead of their use; each gives a gradient, by which AdamW moves the
// weights; after every epoch each kind of example is validated, and training ends when that has not
// helped for long enough. A checkpoint holds everything that the next step depends on, so that on a
// CPU a resumed run ends with the very weights of an undisturbed one.
package train

import (
	"context"
	"errors"
	"time"

	"rdrec/internal/dataset"
	"rdrec/internal/prediction"
	"rdrec/internal/spec"
	"rdrec/internal/torch"
)

// ErrStopped is what [Run] returns after it was asked to stop and has saved a checkpoint.
var ErrStopped = errors.New("training stopped at a checkpoint on request")

// Job is one training.
type Job struct {
	// Data, Spec, Method and Seed say what is learnt, and from what.
	Data   *dataset.Dataset
	Spec   spec.Spec
	Method spec.Method
	// Protocol says how; Spec's name of one is not looked at.
	Protocol spec.Protocol
	Seed     int64
	// Device is "cpu" (also when empty), "cuda" or "auto"; Threads is how many CPU threads to use,
	// 0 as libtorch likes.
	Device  string
	Threads int
	// Dir is a scratch folder; the best model is left in it.
	Dir string
	// Resume is the folder of a checkpoint of the same job to go on from; empty starts afresh.
	Resume string
	// Save persists a checkpoint, after which its folder is deleted; nil saves none.
	Save func(context.Context, Checkpoint) error
	// Progress hears of every step and every batch validated; nil means nobody does.
	Progress func(Progress)
	// Stop, once closed, ends training at the next step with a checkpoint and ErrStopped; nil never
	// does.
	Stop <-chan struct{}
	// Now is the clock that speed is measured by; nil measures none.
	Now func() time.Time
}

// Checkpoint is a folder that holds a state of training.
type Checkpoint struct {
	Dir string
	// Step is how many steps were done, Epoch how many epochs were finished.
	Step, Epoch int
}

// Progress says how far training is.
type Progress struct {
	// Step of Steps in all, in epoch Epoch of Epochs (from 1). An early stop may end training
	// before.
	Epoch, Epochs, Step, Steps int
	// Validating tells that the epoch's steps are done.
	Validating bool
	// Loss is the mean training loss of the epoch so far, by rows.
	Loss float64
	// SamplesPerSecond is the rows of the last step by its time, and WaitFraction is which part of
	// it was spent waiting for the batch.
	SamplesPerSecond, WaitFraction float64
}

// Result is a finished training.
type Result struct {
	// Dir is the folder of the best model, in Hugging Face's layout.
	Dir string
	prediction.TrainingRecord
}

// Run trains until the epochs or steps are done, validation stops it, ctx ends, or it is asked to
// stop.
func Run(ctx context.Context, job Job) (Result, error) {
	var result Result
	err := torch.Run(func(*torch.Scope) error {
		torch.Threads(job.Threads)
		t, err := prepare(job)
		if err != nil {
			return err
		}
		defer t.free()
		if err := t.run(ctx); err != nil {
			return err
		}
		result = t.result()
		return nil
	})
	return result, err
}
