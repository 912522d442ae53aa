package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"rdrec/activities"
	"rdrec/internal/report"
	"rdrec/storage"
)

// promotionsCmd lists a history.
type promotionsCmd struct {
	Name string `arg:"" help:"The name that the models are used under."`
}

// Run prints every promotion, oldest first.
func (c *promotionsCmd) Run(ctx context.Context, a *app) error {
	bucket, err := a.openBucket(ctx)
	if err != nil {
		return err
	}
	defer bucket.Close()
	history, err := bucket.Promotions(ctx, c.Name)
	if errors.Is(err, storage.ErrNotFound) {
		return fmt.Errorf("no model is promoted under %q: %w", c.Name, err)
	}
	if err != nil {
		return err
	}
	if a.flags.JSON {
		return a.printJSON(history)
	}
	var page strings.Builder
	fmt.Fprintf(&page, "%6s  %-16s  %-10s  %-12s  %s\n", "number", "when (UTC)", "kind", "weights", "by")
	for _, p := range history {
		kind := p.Kind
		if p.RollbackTo > 0 {
			kind = fmt.Sprintf("%s to %d", p.Kind, p.RollbackTo)
		}
		fmt.Fprintf(&page, "%6d  %-16s  %-10s  %-12.12s  %s/%s\n", p.Number, p.Time.Format("2006-01-02 15:04"), kind, p.Model.Weights.Digest,
			p.Workflow, p.Run)
	}
	fmt.Fprintf(&page, "in use: %d\n", history[len(history)-1].Number)
	return a.print(page.String())
}

// nightlyListCmd shows the last nights.
type nightlyListCmd struct {
	Name string `arg:"" help:"The nightly spec's name."`
	Last int    `help:"How many runs." default:"30"`
}

// Run prints the nights and says where their page is.
func (c *nightlyListCmd) Run(ctx context.Context, a *app) error {
	if c.Last < 1 {
		return usageError{fmt.Errorf("--last is %d, and must be at least 1", c.Last)}
	}
	bucket, err := a.openBucket(ctx)
	if err != nil {
		return err
	}
	defer bucket.Close()
	page, err := activities.ReadNightlyPage(ctx, bucket, c.Name, c.Last, a.now())
	if err != nil {
		return err
	}
	if len(page.Rows) == 0 {
		return fmt.Errorf("no nightly run of %q is recorded: %w", c.Name, storage.ErrNotFound)
	}
	if a.flags.JSON {
		return a.printJSON(page)
	}
	if err := report.NightlyText(a.stdout, page); err != nil {
		return err
	}
	a.logf("page %s, rendered %s", bucket.URL(storage.NightlyPageKey(c.Name)), page.Rows[len(page.Rows)-1].Time.Format(time.DateTime))
	return nil
}
