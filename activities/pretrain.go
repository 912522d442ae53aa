package activities

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/google/uuid"
	"go.temporal.io/sdk/activity"

	"rdrec/internal/spec"
	"rdrec/storage"
)

// PretrainInput is the settings of [Activities.Pretrain].
type PretrainInput struct {
	Preprocessed storage.Ref `json:"preprocessed"`
	// Protocol has only the switches on which training depends, and no name: equal work has equal
	// settings.
	Protocol spec.Protocol `json:"protocol"`
	Method   string        `json:"method"`
	Student  spec.Student  `json:"student"`
	Train    spec.Train    `json:"train"`
	// Negatives is the number of negative items in a top-N example.
	Negatives int   `json:"negatives"`
	Seed      int64 `json:"seed"`
	// Fingerprint is the stage fingerprint to which the checkpoints belong. The workflow sets it;
	// it is no part of the settings that are hashed.
	Fingerprint string `json:"fingerprint,omitempty"`
}

// Pretrain trains the student. It resumes from the newest checkpoint of the same work, whichever
// run or worker wrote it.
func (a *Activities) Pretrain(ctx context.Context, in PretrainInput) (ref storage.Ref, err error) {
	ctx, work, err := a.begin(ctx, "pretrain")
	defer work.finish(&err)
	if err != nil {
		return ref, err
	}
	if err := errors.Join(a.checkStudent(in.Student, in.Train), a.checkDisk(in.Student, in.Train)); err != nil {
		return ref, err
	}
	job := TrainJob{
		PretrainInput: in, Data: filepath.Join(work.dir, "preprocessed"), Out: filepath.Join(work.dir, "model"),
		Scratch: filepath.Join(work.dir, "work"), Progress: work.report, Stop: stopSignal(ctx),
	}
	artifacts := map[string]storage.Ref{"preprocessed": in.Preprocessed}
	if warmStart := in.Student.WarmStart; warmStart != nil {
		artifacts["warm_start"], job.Student.Pretrained = *warmStart, filepath.Join(work.dir, "warm_start")
	}
	if err := a.fetch(ctx, work.dir, artifacts); err != nil {
		return ref, err
	}
	checkpoints, err := storage.OpenCheckpoints(ctx, a.Bucket, in.Fingerprint, owner(ctx), in.Train.KeepCheckpoints)
	if err != nil {
		return ref, err
	}
	if job.Resume, err = a.resume(ctx, checkpoints, filepath.Join(work.dir, "checkpoint")); err != nil {
		return ref, err
	}
	job.Save = a.saver(checkpoints)
	// A cancelled job is stopped like a drained one: it keeps access to the bucket until it has
	// saved its state.
	if err := a.Students.Train(context.WithoutCancel(ctx), job); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return ref, fmt.Errorf("training stopped: %w", cause)
		}
		return ref, err
	}
	return a.Bucket.PutFolder(ctx, "model", job.Out)
}

// owner returns a unique name for this attempt, different even from a zombie with the same attempt
// number.
func owner(ctx context.Context) string {
	info := activity.GetInfo(ctx)
	return fmt.Sprintf("%.8s-%s-%d-%.8s", info.WorkflowExecution.RunID, info.ActivityID, info.Attempt, uuid.NewString())
}

// resume fetches the newest valid checkpoint into dir and returns dir, or "" when no checkpoint was
// ever written.
func (a *Activities) resume(ctx context.Context, checkpoints *storage.Checkpoints, dir string) (string, error) {
	checkpoint, err := checkpoints.Restore(ctx, dir)
	if checkpoint.AttemptsWithoutCheckpoint >= maxAttemptsWithoutCheckpoint {
		return "", fmt.Errorf(
			"%w: %d attempts without a checkpoint", errNoProgress, checkpoint.AttemptsWithoutCheckpoint,
		)
	}
	for _, skipped := range checkpoint.Quarantined {
		a.log(ctx).Warn().Str("checkpoint", skipped).Msg("corrupt checkpoint quarantined; restoring an older one")
	}
	if errors.Is(err, storage.ErrNotFound) {
		a.log(ctx).Info().Msg("training starts without a checkpoint")
		return "", nil
	}
	if err != nil {
		return "", err
	}
	a.log(ctx).Info().Str("token", checkpoint.Token).Int("step", checkpoint.Step).
		Msg("training resumes from a checkpoint")
	return dir, nil
}

// saver returns a function that stores checkpoints. It lets training continue through a few
// failures, because the next checkpoint may succeed.
func (a *Activities) saver(checkpoints *storage.Checkpoints) func(context.Context, int, string) error {
	failed := 0
	return func(ctx context.Context, step int, dir string) error {
		err := checkpoints.Save(ctx, step, dir)
		if err == nil {
			failed = 0
			markSaved(ctx)
			if a.OnCheckpoint != nil {
				a.OnCheckpoint()
			}
			return nil
		}
		failed++
		a.log(ctx).Warn().Err(err).Int("step", step).Int("in_a_row", failed).Msg("checkpoint was not saved")
		if failed < maxFailedSaves {
			return nil
		}
		return err
	}
}

// TrainJob is one training run.
type TrainJob struct {
	PretrainInput
	// Data is the dataset folder, Out the model folder to write.
	Data, Out string
	// Scratch is for temporary files. Resume is the folder of the checkpoint to resume from; empty
	// starts from the beginning.
	Scratch, Resume string
	// Save persists a checkpoint's folder.
	Save func(ctx context.Context, step int, dir string) error
	// Progress is called after every step.
	Progress func(Progress)
	// Stop is closed when the worker drains: the job saves a checkpoint and returns ErrDrained.
	Stop <-chan struct{}
}
