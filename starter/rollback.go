package main

import (
	"context"

	"rdrec/activities"
)

// rollbackCmd promotes an earlier model again.
type rollbackCmd struct {
	Name string `arg:"" help:"The name of the promotions."`
	To   int    `help:"${help_rollback_to}" placeholder:"N"`
}

// Run starts a workflow that promotes the earlier model. Later runs skip the reviews that only the
// current model was trained on.
func (c *rollbackCmd) Run(ctx context.Context, a *app) error {
	return a.startPromotion(ctx, activities.ChooseModelInput{Name: c.Name, To: c.To})
}
