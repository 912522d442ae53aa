package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"rdrec/internal/spec"
	"rdrec/workflows"
)

// catchupWindow is how late a night may begin that the server slept through; what is missed by more
// is left out.
const catchupWindow = 6 * time.Hour

// scheduleCmd manages schedules of nights: Temporal's own, one for each name.
type scheduleCmd struct {
	Create   scheduleCreateCmd   `cmd:"" help:"Create a schedule for a nightly spec."`
	List     scheduleListCmd     `cmd:"" help:"List the schedules."`
	Show     scheduleShowCmd     `cmd:"" help:"Show one: when it ran and will run."`
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

// scheduleCreateCmd makes a schedule.
type scheduleCreateCmd struct {
	nightlySpec
	Cron   string `help:"When: minute, hour, day of month, month, day of week." default:"0 3 * * *"`
	Zone   string `help:"Zone of the clock, such as Europe/Vienna. In a zone with daylight saving, a time that is skipped in spring is not run that day, and one that comes twice in autumn is run twice (the second is skipped while the first runs): prefer times outside 01:00 to 03:00, or UTC." default:"UTC"`
	Paused bool   `help:"Create it paused."`
}

// cronMemo keeps the cron line: the server itself turns it into a calendar.
const cronMemo = "cron"

// scheduleID is a name's schedule.
func scheduleID(name string) string { return name + "-nightly" }

// Run makes the schedule. The spec is stored in it: to change the spec, delete and create.
func (c *scheduleCreateCmd) Run(ctx context.Context, a *app) error {
	s, err := c.load()
	if err != nil {
		return err
	}
	if _, err := time.LoadLocation(c.Zone); err != nil || c.Zone == "Local" {
		return usageError{fmt.Errorf("--zone %q is no zone of the tz database, such as UTC or Europe/Vienna", c.Zone)}
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
	_, err = to.ScheduleClient().Create(ctx, options)
	if errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return usageError{fmt.Errorf("there is a schedule %q already: delete it first", s.Name)}
	}
	if invalid := new(serviceerror.InvalidArgument); errors.As(err, &invalid) {
		return usageError{fmt.Errorf("--cron %q: %s", c.Cron, invalid.Message)}
	}
	if err != nil {
		return fmt.Errorf("creating schedule %q: %w", s.Name, err)
	}
	a.logf("schedule %s: %q in %s; a run that is due while another is running is skipped, one missed by more than %s is dropped, "+
		"a failed one pauses the schedule", s.Name, c.Cron, c.Zone, catchupWindow)
	return nil
}

func (c *scheduleCreateCmd) options(s spec.Spec) (client.ScheduleOptions, error) {
	start, err := startOptions(s)
	if err != nil {
		return client.ScheduleOptions{}, err
	}
	return client.ScheduleOptions{
		ID: scheduleID(s.Name), Memo: map[string]any{cronMemo: c.Cron},
		Spec: client.ScheduleSpec{CronExpressions: []string{c.Cron}, TimeZoneName: c.Zone},
		Action: &client.ScheduleWorkflowAction{
			ID: nightlyWorkflowID(s.Name), Workflow: workflows.Nightly, Args: []any{workflows.NightlyInput{Spec: s}}, TaskQueue: start.TaskQueue,
			StaticSummary: start.StaticSummary, StaticDetails: start.StaticDetails, TypedSearchAttributes: start.TypedSearchAttributes,
		},
		Overlap: enums.SCHEDULE_OVERLAP_POLICY_SKIP, CatchupWindow: catchupWindow, PauseOnFailure: true, Paused: c.Paused,
	}, nil
}

// do does something with a schedule; one that is missing is said to be.
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

// errNoSchedule says that there is none of the name.
var errNoSchedule = errors.New("no such schedule")

type scheduleListCmd struct{}

// scheduleLine is a schedule for people and programs.
type scheduleLine struct {
	Name    string         `json:"name"`
	Cron    string         `json:"cron"`
	Zone    string         `json:"zone"`
	Paused  bool           `json:"paused"`
	Note    string         `json:"note,omitempty"`
	Next    []time.Time    `json:"next"`
	Recent  []scheduledRun `json:"recent"`
	Skipped int            `json:"skipped"`
	Missed  int            `json:"missed"`
}

// scheduledRun is a night that a schedule began.
type scheduledRun struct {
	Due      time.Time `json:"due"`
	Workflow string    `json:"workflow"`
	Run      string    `json:"run"`
}

// Run lists the nightly schedules.
func (c *scheduleListCmd) Run(ctx context.Context, a *app) error {
	to, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer to.Close()
	found, err := to.ScheduleClient().List(ctx, client.ScheduleListOptions{PageSize: 100})
	if err != nil {
		return fmt.Errorf("listing schedules: %w", err)
	}
	lines := []scheduleLine{}
	for found.HasNext() {
		entry, err := found.Next()
		if err != nil {
			return fmt.Errorf("listing schedules: %w", err)
		}
		name, ours := strings.CutSuffix(entry.ID, scheduleID(""))
		if !ours {
			continue
		}
		line := scheduleLine{Name: name, Paused: entry.Paused, Note: entry.Note, Next: entry.NextActionTimes}
		line.describe(entry.Memo, entry.Spec, entry.RecentActions)
		lines = append(lines, line)
	}
	if a.flags.JSON {
		return a.printJSON(lines)
	}
	var page strings.Builder
	for _, line := range lines {
		page.WriteString(line.String() + "\n")
	}
	return a.print(page.String())
}

// describe adds when a schedule runs, and what it began.
func (l *scheduleLine) describe(memo *commonpb.Memo, s *client.ScheduleSpec, recent []client.ScheduleActionResult) {
	if s != nil {
		l.Cron, l.Zone = cronOf(memo), cmp.Or(s.TimeZoneName, "UTC")
	}
	for _, action := range recent {
		run := scheduledRun{Due: action.ScheduleTime.UTC()}
		if started := action.StartWorkflowResult; started != nil {
			run.Workflow, run.Run = started.WorkflowID, started.FirstExecutionRunID
		}
		l.Recent = append(l.Recent, run)
	}
}

// cronOf is when a schedule runs.
func cronOf(memo *commonpb.Memo) string {
	var cron string
	if err := converter.GetDefaultDataConverter().FromPayload(memo.GetFields()[cronMemo], &cron); err != nil {
		return "?" // made by another program
	}
	return cron
}

// String is one line.
func (l scheduleLine) String() string {
	state := "runs"
	if l.Paused {
		state = "is paused"
		if l.Note != "" {
			state += " (" + l.Note + ")"
		}
	}
	next := "never"
	if len(l.Next) > 0 {
		next = l.Next[0].UTC().Format("2006-01-02 15:04 UTC")
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s: %s %s; next %s", l.Name, state, l.Cron, l.Zone, next))
}

type scheduleShowCmd struct{ scheduleArg }

// Run shows the schedule with its latest and next nights.
func (c *scheduleShowCmd) Run(ctx context.Context, a *app) error {
	return c.do(ctx, a, "showing", func(h client.ScheduleHandle) error {
		found, err := h.Describe(ctx)
		if err != nil {
			return err
		}
		line := scheduleLine{Name: c.Name, Next: found.Info.NextActionTimes, Skipped: found.Info.NumActionsSkippedOverlap, Missed: found.Info.NumActionsMissedCatchupWindow}
		if state := found.Schedule.State; state != nil {
			line.Paused, line.Note = state.Paused, state.Note
		}
		line.describe(found.Memo, found.Schedule.Spec, found.Info.RecentActions)
		if a.flags.JSON {
			return a.printJSON(line)
		}
		var page strings.Builder
		fmt.Fprintf(&page, "%s\nskipped while another ran: %d, missed by more than %s: %d\n", line, line.Skipped, catchupWindow, line.Missed)
		for _, run := range line.Recent {
			fmt.Fprintf(&page, "started %s  %s/%s\n", run.Due.Format("2006-01-02 15:04 UTC"), run.Workflow, run.Run)
		}
		for _, at := range line.Next {
			fmt.Fprintf(&page, "next   %s\n", at.UTC().Format("2006-01-02 15:04 UTC"))
		}
		return a.print(page.String())
	})
}

type schedulePauseCmd struct {
	scheduleArg
	Note string `help:"Why, for people." default:"paused by starter"`
}

// Run pauses; a night that runs goes on.
func (c *schedulePauseCmd) Run(ctx context.Context, a *app) error {
	return c.do(ctx, a, "pausing", func(h client.ScheduleHandle) error {
		return h.Pause(ctx, client.SchedulePauseOptions{Note: c.Note})
	})
}

type scheduleUnpauseCmd struct {
	scheduleArg
	Note string `help:"Why, for people." default:"unpaused by starter"`
}

// Run lets nights begin again.
func (c *scheduleUnpauseCmd) Run(ctx context.Context, a *app) error {
	return c.do(ctx, a, "unpausing", func(h client.ScheduleHandle) error {
		return h.Unpause(ctx, client.ScheduleUnpauseOptions{Note: c.Note})
	})
}

type scheduleTriggerCmd struct {
	scheduleArg
	Wait bool `help:"Wait for the verdict, with the exit codes of nightly run --wait."`
}

// triggerTimeout is how long the server may take to begin a night that was triggered.
const triggerTimeout = 30 * time.Second

// Run begins a night and maybe waits for it.
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
		if err := h.Trigger(ctx, client.ScheduleTriggerOptions{Overlap: enums.SCHEDULE_OVERLAP_POLICY_SKIP}); err != nil {
			return err
		}
		if !c.Wait {
			return nil
		}
		e, err = awaitScheduledRun(ctx, to, h, before)
		return err
	})
	if err != nil || e == nil {
		return err
	}
	a.printStarted(e)
	if err := a.awaitClosed(ctx, e); err != nil {
		return err
	}
	return a.printVerdict(ctx, e)
}

// latestRun is the run that a schedule began last; empty for none.
func latestRun(ctx context.Context, h client.ScheduleHandle) (scheduledRun, error) {
	found, err := h.Describe(ctx)
	if err != nil || len(found.Info.RecentActions) == 0 {
		return scheduledRun{}, err
	}
	var line scheduleLine
	line.describe(nil, nil, found.Info.RecentActions)
	return line.Recent[len(line.Recent)-1], nil
}

// awaitScheduledRun waits until a schedule has begun another night than before.
func awaitScheduledRun(ctx context.Context, to *server, h client.ScheduleHandle, before scheduledRun) (*execution, error) {
	ctx, cancel := context.WithTimeout(ctx, triggerTimeout)
	defer cancel()
	ticker := time.NewTicker(pollInterval / 4)
	defer ticker.Stop()
	for {
		run, err := latestRun(ctx, h)
		if err == nil && run.Run != before.Run {
			return &execution{server: to, id: run.Workflow, run: run.Run, status: enums.WORKFLOW_EXECUTION_STATUS_RUNNING}, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("no run started within %s: it is skipped if another is running (%w)", triggerTimeout, errors.Join(err, ctx.Err()))
		case <-ticker.C:
		}
	}
}

type scheduleBackfillCmd struct {
	scheduleArg
	From time.Time `arg:"" help:"The first moment, as 2006-01-02T15:04:05Z."`
	To   time.Time `arg:"" help:"The last."`
}

// Run does the nights that were due in the time, one after the other.
func (c *scheduleBackfillCmd) Run(ctx context.Context, a *app) error {
	if !c.From.Before(c.To) {
		return usageError{fmt.Errorf("%s is not before %s", c.From.Format(time.RFC3339), c.To.Format(time.RFC3339))}
	}
	return c.do(ctx, a, "backfilling", func(h client.ScheduleHandle) error {
		return h.Backfill(ctx, client.ScheduleBackfillOptions{Backfill: []client.ScheduleBackfill{
			{Start: c.From, End: c.To, Overlap: enums.SCHEDULE_OVERLAP_POLICY_BUFFER_ALL},
		}})
	})
}

type scheduleDeleteCmd struct{ scheduleArg }

// Run deletes the schedule.
func (c *scheduleDeleteCmd) Run(ctx context.Context, a *app) error {
	return c.do(ctx, a, "deleting", func(h client.ScheduleHandle) error { return h.Delete(ctx) })
}
