package main

import (
	"context"
	"fmt"

	"go.temporal.io/sdk/client"

	"rdrec/workflows"
)

// distillationUpdate sends an update to a running distillation.
type distillationUpdate struct {
	ID string `arg:"" help:"${help_distill_id}"`
}

// send sends the update and prints the progress of the distillation.
func (s distillationUpdate) send(ctx context.Context, a *app, update string, args ...any) error {
	to, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer to.Close()
	ctx, cancel := context.WithTimeout(ctx, updateTimeout)
	defer cancel()
	handle, err := to.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: s.ID, UpdateName: update, Args: args, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	var status workflows.DistillationStatus
	if err == nil {
		err = handle.Get(ctx, &status)
	}
	if err != nil {
		return fmt.Errorf("distillation %q: %s", s.ID, workflows.FailureOf(err).Cause)
	}
	state := "runs"
	if status.Paused {
		state = "is paused"
	}
	return a.done(status, "%s %s: %d shards done, %d running, %d pending, %d skipped",
		s.ID, state, status.Done, len(status.Running), status.Pending, len(status.Skipped))
}

type (
	distillPauseCmd  struct{ distillationUpdate }
	distillResumeCmd struct{ distillationUpdate }
	distillSkipCmd   struct {
		distillationUpdate
		Shard int `arg:"" help:"The shard's number, from 1."`
	}
)

// Run pauses a distillation.
func (c *distillPauseCmd) Run(ctx context.Context, a *app) error {
	return c.send(ctx, a, workflows.UpdatePause)
}

// Run resumes a distillation.
func (c *distillResumeCmd) Run(ctx context.Context, a *app) error {
	return c.send(ctx, a, workflows.UpdateResume)
}

// Run skips a shard.
func (c *distillSkipCmd) Run(ctx context.Context, a *app) error {
	return c.send(ctx, a, workflows.UpdateSkip, workflows.SkipShard{Shard: c.Shard})
}
