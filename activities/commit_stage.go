package activities

import (
	"context"
	"slices"

	"rdrec/storage"
)

// CommitStage records a finished stage, so that later experiments reuse it, and deletes the
// checkpoints of its training.
func (a *Activities) CommitStage(ctx context.Context, done storage.StageRecord) (err error) {
	ctx, p := a.startHeartbeat(ctx, "record")
	defer p.stop()
	defer func() { err = temporalError(ctx, err) }()
	done.Time = a.Now().UTC()
	if err := a.addLineage(ctx, done); err != nil {
		return err
	}
	if err := a.Bucket.Commit(ctx, done); err != nil {
		return err
	}
	a.removeCheckpoints(ctx, done)
	return nil
}

// trainings are the stages that save checkpoints.
var trainings = []string{"pretrain", "sasrec", "bsarec"}

// removeCheckpoints deletes the checkpoints of a training that is recorded, unless the bucket's
// settings keep them. What remains, also after an error, is left to garbage collection: no run
// needs it, so it fails no stage.
func (a *Activities) removeCheckpoints(ctx context.Context, done storage.StageRecord) {
	if !slices.Contains(trainings, done.Stage) {
		return
	}
	settings, err := a.Bucket.Settings(ctx)
	if err == nil && !settings.Retention.KeepCheckpoints {
		err = a.Bucket.RemoveCheckpoints(ctx, done.Fingerprint)
	}
	if err != nil {
		a.log(ctx).Warn().Err(err).Str("stage", done.Stage).Msg("checkpoints of a finished training were not deleted")
	}
}
