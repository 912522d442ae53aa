package workflows

import (
	"go.temporal.io/sdk/workflow"

	"rdrec/activities"
	"rdrec/storage"
)

// PromotionID is the id of the workflow by which people change the model in use under a name: one at a time.
func PromotionID(name string) string { return name + "-promotion" }

// Promotion puts another model in use, because somebody says so: that of a finished run, or that of an earlier promotion.
func Promotion(ctx workflow.Context, in activities.ChooseInput) (storage.Promotion, error) {
	var chosen activities.PromoteInput
	if err := workflow.ExecuteActivity(quick(ctx, "find the model"), acts.Choose, in).Get(ctx, &chosen); err != nil {
		return storage.Promotion{}, err
	}
	var now storage.Promotion
	err := workflow.ExecuteActivity(quick(ctx, "promote"), acts.Promote, chosen).Get(ctx, &now)
	return now, err
}
