package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
)

// pollInterval is how often a watched experiment is polled.
const pollInterval = time.Second

// noteDelay is how long the stages are shown before the notes on queues: the server lists a worker
// that has just started only after its first poll.
const noteDelay = 5 * time.Second

// idArg names an experiment.
type idArg struct {
	ID string `arg:"" help:"The experiment's id, as run prints it."`
}

// watchCmd follows an experiment.
type watchCmd struct{ idArg }

// Run shows the stages until the experiment ends, then its report.
func (c *watchCmd) Run(ctx context.Context, a *app) error {
	to, e, err := a.connectTo(ctx, c.ID)
	if err != nil {
		return err
	}
	defer to.Close()
	a.printStarted(e)
	return a.watch(ctx, e)
}

// watch shows the stages of an experiment until it ends, then prints its result. The experiment
// continues when the command is interrupted.
func (a *app) watch(ctx context.Context, e *execution) error {
	const format = "the experiment continues; \"starter watch %s\" shows it again, \"starter cancel %s\" stops it"
	if err := a.await(ctx, e, fmt.Sprintf(format, e.id, e.id)); err != nil {
		return err
	}
	return a.printResult(ctx, e)
}

// await shows the stages until the workflow is closed; one that is closed already needs no worker.
// If the command is interrupted, await prints the message and returns [errInterrupted].
func (a *app) await(ctx context.Context, e *execution, message string) error {
	if e.status != enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return nil
	}
	err := a.showStages(ctx, e)
	if interrupted(ctx) {
		if message != "" {
			a.logf("%s", message)
		}
		return errInterrupted
	}
	return err
}

// showStages polls the workflow and shows its stages until it is closed.
func (a *app) showStages(ctx context.Context, e *execution) error {
	tracker, display := newProgressTracker(e, a.now), newStageDisplay(a.stderr)
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	began, unavailable := a.now(), false
	for {
		status, lines, err := tracker.poll(ctx)
		switch {
		case interrupted(ctx):
			return ctx.Err()
		case err != nil && !unavailable:
			a.logf("the server does not answer; retrying: %v", err)
		case err == nil:
			if unavailable {
				a.logf("the server answers again")
			}
			display.show(lines, tracker.below(ctx, lines, began, display.width > 0), a.now())
		}
		unavailable = err != nil
		if err == nil && status != enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// below returns the line below the stages: what people must know or, on a terminal, how far the run
// is.
func (t *progressTracker) below(ctx context.Context, lines []stageLine, began time.Time, terminal bool) string {
	var notes []string
	if t.now().Sub(began) >= noteDelay {
		notes = t.notes(ctx)
	}
	if len(notes) == 0 && terminal {
		return summaryText(lines, t.trials())
	}
	return strings.Join(notes, "; ")
}
