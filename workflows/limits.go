package workflows

import (
	"fmt"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"rdrec/activities"
)

// maxInput is the size of an activity's input, in bytes, above which it is refused. Temporal's
// server accepts 2 MiB; beyond that, the workflow's task would fail and be retried for ever while
// the run seems to work. The rest is for headers, and for a codec that encrypts.
const maxInput = 2<<20 - 128<<10

// checkInput returns an error that ends the workflow if the input of an activity is too large.
func checkInput(ctx workflow.Context, in any) error {
	payload, err := converter.GetDefaultDataConverter().ToPayload(in)
	if err != nil {
		return fmt.Errorf("encode the input of an activity: %w", err)
	}
	size := len(payload.GetData())
	if size <= maxInput {
		return nil
	}
	return temporal.NewNonRetryableApplicationError(
		fmt.Sprintf("%s: its input has %.1f MiB, and Temporal accepts 2 MiB: run fewer trials, shards or files at once",
			workflow.GetActivityOptions(ctx).Summary, float64(size)/(1<<20)),
		activities.TypeInvalidConfig, nil)
}
