package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/workflowservice/v1"

	"rdrec/workflows"
)

// statusCmd prints the current state.
type statusCmd struct {
	ID string `arg:"" optional:"" help:"The experiment's id; without it, the latest experiments are listed."`
}

// Run prints the stages of one experiment, or the latest experiments.
func (c *statusCmd) Run(ctx context.Context, a *app) error {
	to, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer to.Close()
	if c.ID == "" {
		return a.list(ctx, to)
	}
	e, err := find(ctx, to, c.ID)
	if err != nil {
		return err
	}
	tracker := newProgressTracker(e, a.now)
	status, lines, err := tracker.poll(ctx)
	if err != nil {
		return fmt.Errorf("polling experiment %q: %w", c.ID, err)
	}
	found := experimentStatus{
		e.id, e.run, statusName(status), e.failure(ctx), append([]stageLine{}, lines...), tracker.notes(ctx),
	}
	if err := found.print(a); err != nil {
		return err
	}
	for _, note := range found.Notes {
		a.logf("%s", note)
	}
	if found.Failure != nil {
		a.logf("hint: %s", found.Failure.Hint)
	}
	return nil
}

// experimentStatus is the state of an experiment, for programs.
type experimentStatus struct {
	ID     string `json:"id"`
	Run    string `json:"run"`
	Status string `json:"status"`
	// Failure is why it failed; nil if it did not.
	Failure *workflows.Failure `json:"failure,omitempty"`
	Stages  []stageLine        `json:"stages"`
	// Notes are messages for people, such as that no worker polls a queue.
	Notes []string `json:"notes,omitempty"`
}

// print prints the state for people, or for programs.
func (s *experimentStatus) print(a *app) error {
	if a.flags.JSON {
		return a.printJSON(s)
	}
	var page strings.Builder
	fmt.Fprintf(&page, "%s %s\n", s.ID, s.Status)
	if s.Failure != nil {
		fmt.Fprintf(&page, "failed: %s\n", s.Failure.Cause)
	}
	for _, l := range s.Stages {
		page.WriteString(strings.TrimRight(format(l, a.now()), " ") + "\n")
	}
	return a.print(page.String())
}

// listedExecution is an experiment in the list.
type listedExecution struct {
	ID      string    `json:"id"`
	Run     string    `json:"run"`
	Status  string    `json:"status"`
	Started time.Time `json:"started"`
}

// maxListed is the number of experiments listed.
const maxListed = 20

// list prints the latest experiments.
func (a *app) list(ctx context.Context, to *server) error {
	found, err := to.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Query: "WorkflowType = 'Experiment'", PageSize: maxListed,
	})
	if err != nil {
		return fmt.Errorf("listing experiments: %w", err)
	}
	experiments := make([]listedExecution, 0, maxListed)
	var page strings.Builder
	for _, info := range found.GetExecutions() {
		l := listedExecution{
			info.GetExecution().GetWorkflowId(), info.GetExecution().GetRunId(), statusName(info.GetStatus()),
			info.GetStartTime().AsTime(),
		}
		experiments = append(experiments, l)
		fmt.Fprintf(&page, "%-40s %-10s %s\n", l.ID, l.Status, l.Started.Local().Format(time.DateTime))
	}
	if a.flags.JSON {
		return a.printJSON(experiments)
	}
	return a.print(page.String())
}
