// Package train trains the student. In: a dataset, a method and its settings; out: the model of the
// epoch with the lowest validation loss, as a Hugging Face folder, and the learning curve. Mixed
// batches are prefetched; each gives a gradient, with which AdamW updates the weights. After every
// epoch each task is validated, and training stops early once validation loss has not improved for
// `patience` epochs. A checkpoint contains everything that the next step depends on, so on a CPU a
// resumed run ends with the same weights as an undisturbed one.
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

// ErrStopped is returned by [Run] after it was asked to stop and has saved a checkpoint.
var ErrStopped = errors.New("training stopped at a checkpoint on request")

// Job is one training.
type Job struct {
	// Data, Spec, Method and Seed are what the student trains on, and how.
	Data   *dataset.Dataset
	Spec   spec.Spec
	Method spec.Method
	// Protocol is the protocol of the training; Spec's own protocol is ignored.
	Protocol spec.Protocol
	Seed     int64
	// Device is "cpu" (the default), "cuda" or "auto"; Threads is the number of CPU threads, 0 for
	// libtorch's default.
	Device  string
	Threads int
	// Dir is a scratch folder, which contains the best model at the end.
	Dir string
	// Resume is the folder of a checkpoint of the same job; empty starts from the beginning.
	Resume string
	// Save stores a checkpoint, whose folder is then deleted; nil saves none.
	Save func(context.Context, Checkpoint) error
	// Progress is called after every step and every validated batch; it may be nil.
	Progress func(Progress)
	// Parallel is the processes that train the same student; nil if this is the only one. Resume
	// may be the checkpoint of a training with another number of processes.
	Parallel *DataParallel
	// Stop, once closed, ends training at the next step with a checkpoint and ErrStopped; it may be
	// nil.
	Stop <-chan struct{}
	// Now is the clock for the training speed; nil disables the measurement.
	Now func() time.Time
}

// Checkpoint is a folder that contains a state of training.
type Checkpoint struct {
	Dir string
	// Step and Epoch are the numbers of finished steps and epochs.
	Step, Epoch int
}

// Progress is the progress of a training.
type Progress struct {
	// Step of Steps is finished, in epoch Epoch of Epochs (from 1). Training may stop early.
	Epoch, Epochs, Step, Steps int
	// Validating reports that the epoch's steps are done.
	Validating bool
	// Loss is the mean training loss per row of the epoch so far.
	Loss float64
	// SamplesPerSecond is the rows per second of the last step, and WaitFraction the share of its
	// time that was spent waiting for a batch. The time ends when the step's loss is read, after
	// the next batch has arrived.
	SamplesPerSecond, WaitFraction float64
}

// Result is a finished training.
type Result struct {
	// Dir is the folder of the best model, in Hugging Face's layout.
	Dir string
	prediction.TrainingRecord
}

// Run trains until the epochs or steps are done, training stops early, ctx ends, or Stop is closed.
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
