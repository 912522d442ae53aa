package workflows

import (
	"go.temporal.io/sdk/workflow"

	"rdrec/activities"
	"rdrec/registry"
)

// PromotionID returns the id of the workflow by which people change the model in use under a name:
// one at a time.
func PromotionID(name string) string { return name + "-promotion" }

// Promotion puts another model in use at a person's request: that of a finished run, or that of an
// earlier promotion.
func Promotion(ctx workflow.Context, in activities.ChooseModelInput) (promoted registry.Promotion, err error) {
	defer func() { err = workflowError(err) }()
	var chosen activities.PromoteInput
	if err := execute(bookkeepingOptions(ctx, "find the model"), stub.ChooseModel, in, &chosen); err != nil {
		return registry.Promotion{}, err
	}
	err = execute(bookkeepingOptions(ctx, "promote"), stub.Promote, chosen, &promoted)
	return promoted, err
}
