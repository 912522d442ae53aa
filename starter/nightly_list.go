package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"rdrec/internal/report"
	"rdrec/registry"
	"rdrec/storage"
)

// nightlyListCmd lists the last nightly runs.
type nightlyListCmd struct {
	Name string `arg:"" help:"The nightly spec's name."`
	Last int    `help:"Number of runs." default:"30"`
}

// Run prints the nightly runs, and the address of their HTML page.
func (c *nightlyListCmd) Run(ctx context.Context, a *app) error {
	if c.Last < 1 {
		return usageError{fmt.Errorf("--last %d: must be at least 1", c.Last)}
	}
	bucket, err := a.openBucket(ctx)
	if err != nil {
		return err
	}
	defer bucket.Close()
	page, err := registry.ReadNightlyPage(ctx, bucket, c.Name, c.Last, a.now())
	if err != nil {
		return err
	}
	if len(page.Rows) == 0 {
		return fmt.Errorf("no nightly run of %q is recorded: %w", c.Name, storage.ErrNotFound)
	}
	if a.flags.JSON {
		return a.printJSON(page)
	}
	var text strings.Builder
	if err := report.NightlyText(&text, page); err != nil {
		return err
	}
	if err := a.print(text.String()); err != nil {
		return err
	}
	rendered := page.Rows[len(page.Rows)-1].Time.Format(time.DateTime)
	a.logf("page %s, rendered %s", bucket.URL(storage.NightlyPageKey(c.Name)), rendered)
	return nil
}
