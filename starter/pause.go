package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"rdrec/workflows"
)

// pauseCmd pauses a run.
type pauseCmd struct {
	ID string `arg:"" help:"The run's id, as run, distill, export and nightly run print it."`
}

// pausedRun is the result for programs: the workflows that pause, the run itself and its children.
type pausedRun struct {
	ID     string   `json:"id"`
	Paused []string `json:"paused"`
}

// Run pauses the run and its running children; their workers save their state and are free for
// other runs.
func (c *pauseCmd) Run(ctx context.Context, a *app) error {
	to, tracker, err := a.follow(ctx, c.ID)
	if err != nil {
		return err
	}
	defer to.Close()
	paused := pausedRun{ID: c.ID}
	already := tracker.paused()
	for _, id := range tracker.workflows {
		if tracker.closed[id] || slices.Contains(already, id) {
			continue
		}
		if err := to.update(ctx, id, workflows.UpdatePause); err != nil {
			return err
		}
		paused.Paused = append(paused.Paused, id)
	}
	if len(paused.Paused) == 0 {
		return fmt.Errorf("%w: %s", errPaused, c.ID)
	}
	return a.done(paused, "paused: %s; \"starter resume %s\" continues", strings.Join(paused.Paused, ", "), c.ID)
}
