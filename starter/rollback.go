package main

import (
	"context"
	"errors"
	"fmt"

	"rdrec/activities"
	"rdrec/registry"
	"rdrec/storage"
)

// rollbackCmd promotes an earlier model again.
type rollbackCmd struct {
	Name string `arg:"" help:"The name of the promotions."`
	To   *int   `help:"${help_rollback_to}" placeholder:"N"`
}

// Run starts a workflow that promotes the earlier model. Later runs skip the reviews that only the
// current model was trained on.
func (c *rollbackCmd) Run(ctx context.Context, a *app) error {
	if c.To != nil && *c.To < 1 {
		return usageError{fmt.Errorf("--to %d: promotions are numbered from 1", *c.To)}
	}
	history, err := a.promotionsOf(ctx, c.Name)
	if err != nil {
		return err
	}
	in := activities.ChooseModelInput{Name: c.Name}
	if c.To != nil {
		if in.To = *c.To; in.To > len(history) {
			return usageError{fmt.Errorf("--to %d: %q has %d promotions", in.To, c.Name, len(history))}
		}
	}
	return a.startPromotion(ctx, in)
}

// promotionsOf returns the promotions of a name, oldest first; none is an error.
func (a *app) promotionsOf(ctx context.Context, name string) ([]registry.Promotion, error) {
	bucket, err := a.openBucket(ctx)
	if err != nil {
		return nil, err
	}
	defer bucket.Close()
	history, err := registry.Promotions(ctx, bucket, name)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, fmt.Errorf("no model is promoted under %q: %w", name, err)
	}
	return history, err
}
