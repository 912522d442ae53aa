package activities

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/sdk/activity"

	"rdrec/internal/spec"
	"rdrec/storage"
)

// PromoteInput appends to a history.
type PromoteInput struct {
	Name string `json:"name"`
	// Previous is the promotion that was in use when it was decided.
	Previous  int               `json:"previous"`
	Promotion storage.Promotion `json:"promotion"`
}

// Promote puts a model in use.
func (a *Activities) Promote(ctx context.Context, in PromoteInput) (p storage.Promotion, err error) {
	ctx, hb := a.startHeartbeat(ctx, "promote")
	defer hb.stop()
	defer func() { err = temporalError(ctx, err) }()
	run := activity.GetInfo(ctx).WorkflowExecution
	in.Promotion.Workflow, in.Promotion.Run, in.Promotion.Time = run.ID, run.RunID, a.Now().UTC()
	p, err = a.Bucket.Promote(ctx, in.Name, in.Previous, in.Promotion)
	if errors.Is(err, storage.ErrPromotionConflict) || errors.Is(err, storage.ErrNotFound) {
		return p, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return p, err
}

// NewPromotedModel is the student that a spec's one method made, as a promotion tells of it.
func NewPromotedModel(weights storage.Ref, s spec.Spec) (storage.PromotedModel, error) {
	text, err := s.Canonical()
	return storage.PromotedModel{
		Weights: weights, Method: s.Methods[0], Size: s.Student.Size, Protocol: s.Protocol, Seed: s.Seed, Spec: text,
	}, err
}
