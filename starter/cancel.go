package main

import (
	"context"
	"fmt"

	"go.temporal.io/api/enums/v1"
)

// cancelCmd cancels an experiment.
type cancelCmd struct{ idArg }

// cancelledRun is the result for programs.
type cancelledRun struct {
	ID  string `json:"id"`
	Run string `json:"run"`
	// Status is that of a run that was closed before, or "cancelling".
	Status string `json:"status"`
}

// Run requests cancellation; the experiment's workers save their state first.
func (c *cancelCmd) Run(ctx context.Context, a *app) error {
	to, e, err := a.connectTo(ctx, c.ID)
	if err != nil {
		return err
	}
	defer to.Close()
	if e.status != enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return a.done(cancelledRun{e.id, e.run, statusName(e.status)},
			"experiment %s is already %s", e.id, statusName(e.status))
	}
	if err := to.CancelWorkflow(ctx, e.id, e.run); err != nil {
		return fmt.Errorf("cancelling experiment %q: %w", e.id, err)
	}
	return a.done(cancelledRun{e.id, e.run, "cancelling"},
		"cancellation of experiment %s requested; its workers save a last checkpoint first", e.id)
}
