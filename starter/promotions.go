package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
)

// promotionsCmd lists the promotions of a name.
type promotionsCmd struct {
	Name string `arg:"" help:"The name of the promotions."`
}

// Run prints every promotion, oldest first, and the number of the current one.
func (c *promotionsCmd) Run(ctx context.Context, a *app) error {
	history, err := a.promotionsOf(ctx, c.Name)
	if err != nil {
		return err
	}
	if a.flags.JSON {
		return a.printJSON(history)
	}
	var page strings.Builder
	w := tabwriter.NewWriter(&page, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "number\twhen (UTC)\tkind\tweights\tby")
	for _, promotion := range history {
		kind := promotion.Kind
		if promotion.RollbackTo > 0 {
			kind = fmt.Sprintf("%s to %d", promotion.Kind, promotion.RollbackTo)
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%.12s\t%s/%s\n", promotion.Number, promotion.Time.Format("2006-01-02 15:04"), kind,
			promotion.Model.Weights.Digest, promotion.Workflow, promotion.Run)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("writing the table of promotions: %w", err)
	}
	fmt.Fprintf(&page, "in use: %d\n", history[len(history)-1].Number)
	return a.print(page.String())
}
