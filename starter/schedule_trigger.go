package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"rdrec/workflows"
)

// scheduleTriggerCmd starts a nightly run of a schedule.
type scheduleTriggerCmd struct {
	scheduleArg
	Wait bool `help:"Wait for the verdict, with the exit codes of nightly run --wait."`
}

// triggerTimeout is the time limit for the server to start a triggered run.
const triggerTimeout = 30 * time.Second

// Run triggers the schedule, and with --wait waits for the verdict.
func (c *scheduleTriggerCmd) Run(ctx context.Context, a *app) error {
	to, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer to.Close()
	var e *execution
	err = c.do(ctx, a, "triggering", func(h client.ScheduleHandle) error {
		before, err := latestRun(ctx, h)
		if err != nil {
			return err
		}
		options := client.ScheduleTriggerOptions{Overlap: enums.SCHEDULE_OVERLAP_POLICY_SKIP}
		if err := h.Trigger(ctx, options); err != nil {
			return err
		}
		if !c.Wait {
			return nil
		}
		e, err = awaitScheduledRun(ctx, to, h, before)
		return err
	})
	if err != nil {
		return err
	}
	if e == nil {
		return a.done(map[string]string{"schedule": c.Name, "done": "a run was requested"},
			"schedule %s: a run was requested; it is skipped if another is running", c.Name)
	}
	a.printStarted(e)
	if err := a.await(ctx, e, "the nightly run continues"); err != nil {
		return err
	}
	return a.printVerdict(ctx, e)
}

// latestRun returns the run that the schedule started last; empty if there is none.
func latestRun(ctx context.Context, h client.ScheduleHandle) (scheduledRun, error) {
	found, err := h.Describe(ctx)
	if err != nil || len(found.Info.RecentActions) == 0 {
		return scheduledRun{}, err
	}
	var line scheduleLine
	line.describe(workflows.Payloads{}, nil, nil, found.Info.RecentActions)
	return line.Recent[len(line.Recent)-1], nil
}

// awaitScheduledRun waits until the schedule has started a run other than before.
func awaitScheduledRun(
	ctx context.Context, to *server, h client.ScheduleHandle, before scheduledRun,
) (*execution, error) {
	ctx, cancel := context.WithTimeout(ctx, triggerTimeout)
	defer cancel()
	ticker := time.NewTicker(pollInterval / 4)
	defer ticker.Stop()
	for {
		run, err := latestRun(ctx, h)
		if err == nil && run.Run != before.Run {
			const running = enums.WORKFLOW_EXECUTION_STATUS_RUNNING
			return &execution{
				server: to, id: run.Workflow, run: run.Run, status: running, workflowType: typeNightly,
			}, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("no run started within %s: it is skipped if another is running (%w)",
				triggerTimeout, errors.Join(err, ctx.Err()))
		case <-ticker.C:
		}
	}
}
