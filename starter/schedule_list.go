package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"

	"rdrec/workflows"
)

// scheduleListCmd lists the schedules.
type scheduleListCmd struct{}

// minuteUTC is the layout of a time in UTC.
const minuteUTC = "2006-01-02 15:04 UTC"

// scheduleLine is a schedule in the output of list and show.
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

// scheduledRun is a nightly run that a schedule started.
type scheduledRun struct {
	Due      time.Time `json:"due"`
	Workflow string    `json:"workflow"`
	Run      string    `json:"run"`
}

// Run lists the schedules of nightly runs.
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
		line.describe(to.payloads, entry.Memo, entry.Spec, entry.RecentActions)
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

// describe sets when the schedule runs, and the runs it has started.
func (l *scheduleLine) describe(
	payloads workflows.Payloads, memo *commonpb.Memo, s *client.ScheduleSpec, recent []client.ScheduleActionResult,
) {
	if s != nil {
		l.Cron, l.Zone = cronOf(payloads, memo), cmp.Or(s.TimeZoneName, "UTC")
	}
	for _, action := range recent {
		run := scheduledRun{Due: action.ScheduleTime.UTC()}
		if started := action.StartWorkflowResult; started != nil {
			run.Workflow, run.Run = started.WorkflowID, started.FirstExecutionRunID
		}
		l.Recent = append(l.Recent, run)
	}
}

// cronOf returns the cron expression of a schedule, or "?" if another program created it.
func cronOf(payloads workflows.Payloads, memo *commonpb.Memo) string {
	var cron string
	if err := payloads.Converter().FromPayload(memo.GetFields()[cronMemo], &cron); err != nil {
		return "?"
	}
	return cron
}

// String returns the schedule as one line.
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
		next = l.Next[0].UTC().Format(minuteUTC)
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s: %s %s; next %s", l.Name, state, l.Cron, l.Zone, next))
}

// scheduleShowCmd shows a schedule.
type scheduleShowCmd struct{ scheduleArg }

// Run prints the schedule with its latest and next runs.
func (c *scheduleShowCmd) Run(ctx context.Context, a *app) error {
	payloads, err := environmentPayloads()
	if err != nil {
		return err
	}
	return c.do(ctx, a, "showing", func(h client.ScheduleHandle) error {
		found, err := h.Describe(ctx)
		if err != nil {
			return err
		}
		line := scheduleLine{
			Name:    c.Name,
			Next:    found.Info.NextActionTimes,
			Skipped: found.Info.NumActionsSkippedOverlap,
			Missed:  found.Info.NumActionsMissedCatchupWindow,
		}
		if state := found.Schedule.State; state != nil {
			line.Paused, line.Note = state.Paused, state.Note
		}
		line.describe(payloads, found.Memo, found.Schedule.Spec, found.Info.RecentActions)
		if a.flags.JSON {
			return a.printJSON(line)
		}
		var page strings.Builder
		fmt.Fprintf(&page, "%s\nskipped while another ran: %d, missed by more than %s: %d\n",
			line, line.Skipped, catchupWindow, line.Missed)
		for _, run := range line.Recent {
			fmt.Fprintf(&page, "started  %s  %s/%s\n", run.Due.Format(minuteUTC), run.Workflow, run.Run)
		}
		for _, at := range line.Next {
			fmt.Fprintf(&page, "next     %s\n", at.UTC().Format(minuteUTC))
		}
		return a.print(page.String())
	})
}
