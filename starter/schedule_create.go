package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"rdrec/internal/spec"
	"rdrec/workflows"
)

// scheduleCreateCmd creates a schedule.
type scheduleCreateCmd struct {
	nightlySpec
	Cron   string `help:"Cron expression: minute, hour, day of month, month, day of week." default:"0 3 * * *"`
	Zone   string `help:"${help_schedule_zone}" default:"UTC"`
	Paused bool   `help:"Create it paused."`
}

// cronMemo is the memo field with the cron expression, which the server converts into a calendar.
const cronMemo = "cron"

// scheduleID returns the id of the schedule of a name.
func scheduleID(name string) string { return name + "-nightly" }

// Run creates the schedule. The spec is stored in it: to change the spec, delete the schedule and
// create it again.
func (c *scheduleCreateCmd) Run(ctx context.Context, a *app) error {
	s, err := c.load()
	if err != nil {
		return err
	}
	if _, err := time.LoadLocation(c.Zone); err != nil || c.Zone == "Local" {
		return usageError{fmt.Errorf("--zone %q: not in the tz database; examples are UTC and Europe/Vienna", c.Zone)}
	}
	to, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer to.Close()
	options, err := c.options(s)
	if err != nil {
		return err
	}
	if ctx, err = to.inBucket(ctx); err != nil {
		return err
	}
	_, err = to.ScheduleClient().Create(ctx, options)
	if errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return usageError{fmt.Errorf("schedule %q exists already: delete it first", s.Name)}
	}
	if invalid := new(serviceerror.InvalidArgument); errors.As(err, &invalid) {
		return usageError{fmt.Errorf("--cron %q: %s", c.Cron, invalid.Message)}
	}
	if err != nil {
		return fmt.Errorf("creating schedule %q: %w", s.Name, err)
	}
	created := map[string]any{"schedule": s.Name, "cron": c.Cron, "zone": c.Zone, "paused": c.Paused}
	return a.done(created, "schedule %s: %q in %s; a run that is due while another is running is skipped, "+
		"one missed by more than %s is dropped, a failed one pauses the schedule",
		s.Name, c.Cron, c.Zone, catchupWindow)
}

// options returns the schedule of a spec.
func (c *scheduleCreateCmd) options(s spec.Spec) (client.ScheduleOptions, error) {
	start, err := startOptions(s)
	if err != nil {
		return client.ScheduleOptions{}, err
	}
	return client.ScheduleOptions{
		ID: scheduleID(s.Name), Memo: map[string]any{cronMemo: c.Cron},
		Spec: client.ScheduleSpec{CronExpressions: []string{c.Cron}, TimeZoneName: c.Zone},
		Action: &client.ScheduleWorkflowAction{
			ID:                    nightlyWorkflowID(s.Name),
			Workflow:              workflows.Nightly,
			Args:                  []any{workflows.NightlyInput{Spec: s}},
			TaskQueue:             start.TaskQueue,
			StaticSummary:         start.StaticSummary,
			StaticDetails:         start.StaticDetails,
			TypedSearchAttributes: start.TypedSearchAttributes,
			Memo:                  start.Memo,
		},
		Overlap:        enums.SCHEDULE_OVERLAP_POLICY_SKIP,
		CatchupWindow:  catchupWindow,
		PauseOnFailure: true,
		Paused:         c.Paused,
	}, nil
}
