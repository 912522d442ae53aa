package activities

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/sdk/activity"

	"rdrec/registry"
	"rdrec/storage"
)

// PromoteInput appends a promotion to the history of a name.
type PromoteInput struct {
	Name string `json:"name"`
	// Previous is the promotion in use when the decision was made.
	Previous  int                `json:"previous"`
	Promotion registry.Promotion `json:"promotion"`
}

// Promote puts a model in use. A promotion by hand is shown on the page of the name's nightly runs,
// too; a nightly run writes the page itself ([Activities.RecordNightlyRun]).
func (a *Activities) Promote(ctx context.Context, in PromoteInput) (p registry.Promotion, err error) {
	ctx, hb := a.startHeartbeat(ctx, "promote")
	defer hb.stop()
	defer func() { err = temporalError(ctx, err) }()
	run := activity.GetInfo(ctx).WorkflowExecution
	in.Promotion.Workflow, in.Promotion.Run, in.Promotion.Time = run.ID, run.RunID, a.Now().UTC()
	p, err = registry.Promote(ctx, a.Bucket, in.Name, in.Previous, in.Promotion)
	if errors.Is(err, registry.ErrPromotionConflict) || errors.Is(err, storage.ErrNotFound) {
		return p, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err != nil || !in.Promotion.Manual {
		return p, err
	}
	return p, registry.WriteNightlyPage(ctx, a.Bucket, in.Name, a.Now())
}
