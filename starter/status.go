package main

import (
	"context"
	"fmt"
	"strings"

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
		return a.list(ctx, to, experimentsQuery, func(listedRun) bool { return true }, maxListed)
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
