package activities

import (
	"context"

	"rdrec/storage"
)

// CommitStage records a finished stage, so that later experiments reuse it.
func (a *Activities) CommitStage(ctx context.Context, done storage.StageRecord) (err error) {
	ctx, p := a.startHeartbeat(ctx, "record")
	defer p.stop()
	defer func() { err = temporalError(ctx, err) }()
	done.Time = a.Now().UTC()
	if err := a.addLineage(ctx, done); err != nil {
		return err
	}
	return a.Bucket.Commit(ctx, done)
}
