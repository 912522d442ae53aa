package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"go.temporal.io/api/workflowservice/v1"

	"rdrec/storage"
)

// gcCmd collects the bucket's garbage.
type gcCmd struct {
	DryRun bool          `help:"Only count the objects that would be deleted."`
	Grace  time.Duration `help:"Keep objects written within this time; at least 2h." default:"168h"`
	// KeepRuns replaces the policies of the bucket's settings.
	KeepRuns *int `help:"${help_keep_runs}" placeholder:"N" env:"RDREC_KEEP_RUNS"`
	Usage    bool `help:"Print what the runs of each name hold."`
}

// minGrace is the smallest --grace. A running workflow may refer to content that was up to an hour
// old when it was found ([storage.CollectOptions]); the second hour covers clocks that differ.
const minGrace = 2 * time.Hour

// Run deletes unreferenced objects, except those written since the oldest running workflow started.
// It needs the server of the bucket's workers to know which workflows are running.
func (c *gcCmd) Run(ctx context.Context, a *app) error {
	if c.Grace < minGrace {
		return usageError{fmt.Errorf("--grace %s: must be at least %s", c.Grace, minGrace)}
	}
	if c.KeepRuns != nil && *c.KeepRuns < 0 {
		return usageError{errors.New("--keep-runs must be at least 0")}
	}
	bucket, err := a.openBucket(ctx)
	if err != nil {
		return err
	}
	defer bucket.Close()
	settings, err := bucket.Settings(ctx)
	if err != nil {
		return fmt.Errorf("collecting garbage: %w", err)
	}
	if c.KeepRuns != nil {
		policy := settings.Retention.Policy
		policy.KeepRuns, policy.KeepDays = *c.KeepRuns, 0
		settings.Retention = storage.Retention{Policy: policy}
	}
	found, before, err := a.collect(ctx, bucket, settings.Retention, *c)
	if err != nil {
		return err
	}
	if a.flags.JSON {
		return a.printJSON(found)
	}
	return a.print(c.summary(found, settings.Retention, before))
}

// collect collects garbage by policies, and returns the time before which objects are old.
func (a *app) collect(
	ctx context.Context, bucket *storage.Bucket, keep storage.Retention, c gcCmd,
) (found storage.CollectResult, before time.Time, err error) {
	to, err := a.connect(ctx)
	if err != nil {
		return found, before, err
	}
	defer to.Close()
	if before, err = to.ageLimit(ctx, a.now().Add(-c.Grace)); err != nil {
		return found, before, err
	}
	found, err = bucket.Collect(ctx, storage.CollectOptions{
		Before: before, Retention: keep, Now: a.now(), DryRun: c.DryRun,
	})
	if err != nil {
		err = fmt.Errorf("collecting garbage: %w", err)
	}
	return found, before, err
}

// ageLimit returns before, or the start of the oldest running workflow less minGrace if that is
// earlier.
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

// summary returns the counts of a collection, for people.
func (c *gcCmd) summary(found storage.CollectResult, keep storage.Retention, before time.Time) string {
	verb := "deleted"
	if c.DryRun {
		verb = "would delete"
	}
	var page strings.Builder
	line := func(verb string, n storage.Count, description string) {
		size := humanize.Bytes(uint64(n.Bytes)) //nolint:gosec // a size
		fmt.Fprintf(&page, "%-12s %6d objects %9s  %s\n", verb, n.Objects, size, description)
	}
	line(verb, found.Contents, "content that no run and no stage record refers to")
	line(verb, found.Checkpoints, "checkpoints of finished training, and incomplete ones")
	if keep.RemovesRuns() {
		line(verb, found.Runs, "records, reports and logs of runs that no policy keeps: "+policyText(keep.Policy))
		line(verb, found.Stages, "records of stages whose output only they refer to")
	}
	line(verb, found.Quarantined, "quarantined objects")
	line(verb, found.TempFiles, "temporary files of killed writers")
	limit := before.Local().Format(time.DateTime)
	line("remaining", found.Remaining, "content, checkpoints and quarantine, including objects written after "+limit)
	if c.Usage {
		fmt.Fprintf(&page, "\n%-32s %6s %8s %9s\n", "NAME", "RUNS", "REMOVED", "HOLDS")
		for _, u := range found.Usage {
			size := humanize.Bytes(uint64(u.Bytes)) //nolint:gosec // a size
			fmt.Fprintf(&page, "%-32s %6d %8d %9s\n", u.Name, u.Runs, u.Expired, size)
		}
	}
	return page.String()
}
