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
	Examples storage.Ref
	// Protocol has its switches as far as training depends on them, and no name: equal work has equal settings.
	Protocol spec.Protocol
	Method   string
	Student  spec.Student
	Train    spec.Train
	// Negatives is how many unseen items stand in a top-N example.
	Negatives int
	Seed      int64
	// Fingerprint is what the checkpoints belong to; it is set by the workflow and no part of itself.
	Fingerprint string `json:",omitempty"`
}

// Limits on what training endures before it says so.
const (
	// failedSaves is how many checkpoints in a row may fail to be stored while training goes on.
	failedSaves = 3
	// barrenAttempts is how many attempts in a row may end without a checkpoint.
	barrenAttempts = 8
)

// Pretrain trains the student, going on from the newest checkpoint of the same work, whichever run or worker wrote it.
func (a *Activities) Pretrain(ctx context.Context, in PretrainInput) (ref storage.Ref, err error) {
	ctx, work, err := a.begin(ctx, "pretrain")
	defer work.end(&err)
	if err != nil {
		return ref, err
	}
	job := TrainJob{
		PretrainInput: in, Data: filepath.Join(work.dir, "examples"), Out: filepath.Join(work.dir, "model"),
		Scratch: filepath.Join(work.dir, "work"), Progress: work.report, Stop: halt(ctx),
	}
	needs := map[string]storage.Ref{"examples": in.Examples}
	if warm := in.Student.Warm; warm != nil {
		needs["warm"], job.Student.From = storage.Ref(*warm), filepath.Join(work.dir, "warm")
	}
	if err := a.fetch(ctx, work.dir, needs); err != nil {
		return ref, err
	}
	checkpoints, err := storage.OpenCheckpoints(ctx, a.Bucket, in.Fingerprint, owner(ctx), in.Train.Keep)
	if err != nil {
		return ref, err
	}
	if job.Resume, err = a.resume(ctx, checkpoints, filepath.Join(work.dir, "checkpoint")); err != nil {
		return ref, err
	}
	job.Save = a.saver(checkpoints)
	// A cancelled job is asked to stop like a drained one, and has its bucket until it has saved what it knows.
	if err := a.Students.Train(context.WithoutCancel(ctx), job); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return ref, fmt.Errorf("training stopped: %w", cause)
		}
		return ref, err
	}
	return a.Bucket.PutFolder(ctx, "model", job.Out)
}

// halt is closed when the worker drains, and when the job is cancelled or stalls.
func halt(ctx context.Context) <-chan struct{} {
	working, cancel := drainable(ctx)
	context.AfterFunc(working, cancel)
	return working.Done()
}

// owner names this attempt uniquely, also beside a zombie of the same attempt number.
func owner(ctx context.Context) string {
	info := activity.GetInfo(ctx)
	return fmt.Sprintf("%.8s-%s-%d-%.8s", info.WorkflowExecution.RunID, info.ActivityID, info.Attempt, uuid.NewString())
}

// resume fetches the newest trustworthy checkpoint into dir, or returns "" when there never was one.
func (a *Activities) resume(ctx context.Context, checkpoints *storage.Checkpoints, dir string) (string, error) {
	saved, err := checkpoints.Restore(ctx, dir)
	if saved.Barren >= barrenAttempts {
		return "", fmt.Errorf("%w: %d attempts since the last one", errNoProgress, saved.Barren)
	}
	for _, skipped := range saved.Skipped {
		a.Log.Warn().Str("checkpoint", skipped).Msg("checkpoint is corrupt: quarantined, an older one is used")
	}
	if errors.Is(err, storage.ErrNotFound) {
		a.Log.Info().Msg("training begins: there is no checkpoint yet")
		return "", nil
	}
	if err != nil {
		return "", err
	}
	a.Log.Info().Str("token", saved.Token).Int("step", saved.Step).Msg("training resumes from a checkpoint")
	return dir, nil
}

// saver stores checkpoints and lets training go on through a few failures: the next checkpoint may succeed.
func (a *Activities) saver(checkpoints *storage.Checkpoints) func(context.Context, int, string) error {
	failed := 0
	return func(ctx context.Context, step int, dir string) error {
		err := checkpoints.Save(ctx, step, dir)
		if err == nil {
			failed = 0
			return nil
		}
		failed++
		a.Log.Warn().Err(err).Int("step", step).Int("in_a_row", failed).Msg("checkpoint was not stored")
		if failed < failedSaves {
			return nil
		}
		return err
	}
}
