package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"

	"rdrec/storage"
)

// verifyCmd verifies the hashes of the bucket's objects.
type verifyCmd struct {
	ID  string `arg:"" optional:"" help:"The experiment, as ID or ID/RUN."`
	All bool   `help:"Verify the whole bucket, including objects that no run refers to."`
}

// Run prints every corrupt object with the runs that it affects, and fails if there is one.
func (c *verifyCmd) Run(ctx context.Context, a *app) error {
	if c.All == (c.ID != "") {
		return usageError{errors.New("expected an experiment's id, or --all")}
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

// badObjectLines lists the corrupt objects, for people.
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
