package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
)

// catchupWindow is how late a run may start that was due while the server was down; one missed by
// more is dropped.
const catchupWindow = 6 * time.Hour

// scheduleCmd manages the schedules of nightly runs. They are Temporal schedules, one for each
// name.
type scheduleCmd struct {
	Create   scheduleCreateCmd   `cmd:"" help:"Create a schedule for a nightly spec."`
	List     scheduleListCmd     `cmd:"" help:"List the schedules."`
	Show     scheduleShowCmd     `cmd:"" help:"Show a schedule with its latest and next runs."`
	Pause    schedulePauseCmd    `cmd:"" help:"Start no more runs until it is unpaused."`
	Unpause  scheduleUnpauseCmd  `cmd:"" help:"Resume after a pause, including one caused by a failed run."`
	Trigger  scheduleTriggerCmd  `cmd:"" help:"Start a run now, unless one is running."`
	Backfill scheduleBackfillCmd `cmd:"" help:"Run the missed runs of a past period, one after the other."`
	Delete   scheduleDeleteCmd   `cmd:"" help:"Delete a schedule; its runs, models and reports stay."`
}

// scheduleArg names a schedule.
type scheduleArg struct {
	Name string `arg:"" help:"The schedule's name: the nightly spec's."`
}

// change calls fn with the schedule and prints what was done; verb names the call in errors.
func (c scheduleArg) change(
	ctx context.Context, a *app, verb, done string, fn func(client.ScheduleHandle) error,
) error {
	if err := c.do(ctx, a, verb, fn); err != nil {
		return err
	}
	return a.done(map[string]string{"schedule": c.Name, "done": done}, "schedule %s %s", c.Name, done)
}

// do calls fn with the schedule; verb names the call in errors.
func (c scheduleArg) do(ctx context.Context, a *app, verb string, fn func(client.ScheduleHandle) error) error {
	to, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer to.Close()
	err = fn(to.ScheduleClient().GetHandle(ctx, scheduleID(c.Name)))
	if missing := new(serviceerror.NotFound); errors.As(err, &missing) {
		return fmt.Errorf("%w: %q", errNoSchedule, c.Name)
	}
	if err != nil {
		return fmt.Errorf("%s schedule %q: %w", verb, c.Name, err)
	}
	return nil
}

// errNoSchedule is the error for a name without a schedule.
var errNoSchedule = errors.New("no such schedule")

// schedulePauseCmd pauses a schedule.
type schedulePauseCmd struct {
	scheduleArg
	Note string `help:"The reason, for people." default:"paused by starter"`
}

// Run pauses the schedule; a run that has started continues.
func (c *schedulePauseCmd) Run(ctx context.Context, a *app) error {
	return c.change(ctx, a, "pausing", "is paused", func(h client.ScheduleHandle) error {
		return h.Pause(ctx, client.SchedulePauseOptions{Note: c.Note})
	})
}

// scheduleUnpauseCmd unpauses a schedule.
type scheduleUnpauseCmd struct {
	scheduleArg
	Note string `help:"The reason, for people." default:"unpaused by starter"`
}

// Run unpauses the schedule.
func (c *scheduleUnpauseCmd) Run(ctx context.Context, a *app) error {
	return c.change(ctx, a, "unpausing", "runs again", func(h client.ScheduleHandle) error {
		return h.Unpause(ctx, client.ScheduleUnpauseOptions{Note: c.Note})
	})
}

// scheduleBackfillCmd runs missed runs.
type scheduleBackfillCmd struct {
	scheduleArg
	From time.Time `arg:"" help:"Start of the period, as 2006-01-02T15:04:05Z."`
	To   time.Time `arg:"" help:"End of the period."`
}

// Run starts the runs that were due in the period, one after the other.
func (c *scheduleBackfillCmd) Run(ctx context.Context, a *app) error {
	if !c.From.Before(c.To) {
		return usageError{fmt.Errorf("%s is not before %s", c.From.Format(time.RFC3339), c.To.Format(time.RFC3339))}
	}
	const done = "runs the missed runs, one after the other"
	return c.change(ctx, a, "backfilling", done, func(h client.ScheduleHandle) error {
		return h.Backfill(ctx, client.ScheduleBackfillOptions{Backfill: []client.ScheduleBackfill{
			{Start: c.From, End: c.To, Overlap: enums.SCHEDULE_OVERLAP_POLICY_BUFFER_ALL},
		}})
	})
}

// scheduleDeleteCmd deletes a schedule.
type scheduleDeleteCmd struct{ scheduleArg }

// Run deletes the schedule.
func (c *scheduleDeleteCmd) Run(ctx context.Context, a *app) error {
	const done = "is deleted; its runs, models and reports stay"
	return c.change(ctx, a, "deleting", done, func(h client.ScheduleHandle) error { return h.Delete(ctx) })
}
