package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"go.temporal.io/api/workflowservice/v1"

	"rdrec/storage"
)

// verifyCmd hashes what lies in the bucket.
type verifyCmd struct {
	ID  string `arg:"" optional:"" help:"The experiment's id; a run's id may follow after a slash."`
	All bool   `help:"Verify the whole bucket, also what no run refers to."`
}

// Run prints every damaged object with the runs that it spoils; any makes the command fail.
func (c *verifyCmd) Run(ctx context.Context, a *app) error {
	if c.All == (c.ID != "") {
		return usageError{fmt.Errorf("verify takes an experiment's id, or --all")}
	}
	bucket, err := a.openBucket(ctx)
	if err != nil {
		return err
	}
	defer bucket.Close()
	v, err := bucket.Verify(ctx, c.ID)
	if err != nil {
		return fmt.Errorf("verifying the bucket: %w", err)
	}
	if a.flags.JSON {
		err = a.printJSON(v)
	} else {
		err = a.print(badObjectLines(v))
	}
	if err != nil {
		return err
	}
	a.logf("%d runs, %d objects, %s read", v.Runs, v.Objects, humanize.Bytes(uint64(v.Bytes))) //nolint:gosec // a size
	if len(v.BadObjects) > 0 {
		return fmt.Errorf("%w: %d objects", errCorrupt, len(v.BadObjects))
	}
	return nil
}

// badObjectLines lists the damaged objects for people.
func badObjectLines(v storage.VerifyResult) string {
	var page strings.Builder
	for _, f := range v.BadObjects {
		fmt.Fprintf(&page, "corrupt  %s: %s\n", f.Key, f.Reason)
		for _, run := range f.Runs {
			fmt.Fprintf(&page, "  affects %s\n", run)
		}
	}
	return page.String()
}

// gcCmd collects garbage.
type gcCmd struct {
	DryRun bool          `help:"Only count what would be deleted."`
	Grace  time.Duration `help:"Spare what was written within this time; at least 2h." default:"168h"`
}

// minGrace covers content that a running workflow may have found up to an hour old
// (storage.Collection), and clocks that differ.
const minGrace = 2 * time.Hour

// Run deletes what nothing refers to, sparing all that was written since the oldest running
// workflow began. It needs the server that the bucket's workers use: without it nobody knows what
// is running.
func (c *gcCmd) Run(ctx context.Context, a *app) error {
	if c.Grace < minGrace {
		return usageError{fmt.Errorf("--grace is %s, and must be at least %s", c.Grace, minGrace)}
	}
	to, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer to.Close()
	before, err := to.ageLimit(ctx, a.now().Add(-c.Grace))
	if err != nil {
		return err
	}
	bucket, err := a.openBucket(ctx)
	if err != nil {
		return err
	}
	defer bucket.Close()
	found, err := bucket.Collect(ctx, storage.CollectOptions{Before: before, DryRun: c.DryRun})
	if err != nil {
		return fmt.Errorf("collecting garbage: %w", err)
	}
	if a.flags.JSON {
		return a.printJSON(found)
	}
	return a.print(c.summary(found, before))
}

// ageLimit is the age limit, moved back to before the start of the oldest workflow that runs.
func (s *server) ageLimit(ctx context.Context, before time.Time) (time.Time, error) {
	request := &workflowservice.ListWorkflowExecutionsRequest{Query: "ExecutionStatus = 'Running'"}
	for {
		page, err := s.ListWorkflow(ctx, request)
		if err != nil {
			return before, fmt.Errorf("listing running workflows: %w", err)
		}
		for _, w := range page.GetExecutions() {
			if started := w.GetStartTime().AsTime().Add(-minGrace); started.Before(before) {
				before = started
			}
		}
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			return before, nil
		}
	}
}

// summary is the collection for people.
func (c *gcCmd) summary(found storage.CollectResult, before time.Time) string {
	verb := "deleted"
	if c.DryRun {
		verb = "would delete"
	}
	var page strings.Builder
	line := func(verb string, h storage.Count, what string) {
		fmt.Fprintf(&page, "%-12s %6d objects %9s  %s\n", verb, h.Objects, humanize.Bytes(uint64(h.Bytes)), what) //nolint:gosec // a size
	}
	line(verb, found.Contents, "content that no run and no stage's record refers to")
	line(verb, found.Checkpoints, "checkpoints of finished trainings, and half-written ones")
	line(verb, found.Quarantined, "quarantined objects")
	line(verb, found.TempFiles, "temporary files of killed writers")
	line("remaining", found.Remaining, "content, checkpoints and quarantine; all that was written after "+before.Local().Format(time.DateTime))
	return page.String()
}
