package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"rdrec/storage"
)

// retentionCmd shows or changes the retention policies in the bucket's settings.
type retentionCmd struct {
	Name           string        `help:"The policy of this name, instead of that of all others." placeholder:"NAME"`
	KeepRuns       *int          `help:"The last N runs remain; 0 means none by their number." placeholder:"N"`
	KeepDays       *int          `help:"Runs remain for N days; 0 means for none." placeholder:"N"`
	KeepPromotions *int          `help:"${help_keep_promotions}" placeholder:"N"`
	KeepCheckpoint *bool         `name:"keep-checkpoints" help:"${help_keep_checkpoints}" negatable:""`
	Default        bool          `help:"Remove the policy of --name, so that that of all others applies."`
	Grace          time.Duration `help:"The --grace of the collection that is shown; at least 2h." default:"168h"`
	Yes            bool          `help:"Make the change." short:"y"`
}

// retentionOutput is the answer in JSON.
type retentionOutput struct {
	storage.Settings
	// Changed means that the settings are in the bucket now.
	Changed bool `json:"changed"`
	// Collects is what a collection with them would delete; nil where nothing was changed.
	Collects *storage.CollectResult `json:"collects,omitempty"`
}

// Run shows the policies, or what a change of them would delete, and makes the change with --yes.
func (c *retentionCmd) Run(ctx context.Context, a *app) error {
	if err := c.check(); err != nil {
		return err
	}
	bucket, err := a.openBucket(ctx)
	if err != nil {
		return err
	}
	defer bucket.Close()
	settings, err := bucket.Settings(ctx)
	if err != nil {
		return fmt.Errorf("reading the settings of the bucket: %w", err)
	}
	if !c.changes() {
		if a.flags.JSON {
			return a.printJSON(retentionOutput{Settings: settings})
		}
		return a.print(retentionText(settings.Retention))
	}
	c.apply(&settings.Retention)
	if err := settings.Retention.Validate(); err != nil {
		return usageError{err}
	}
	gc := gcCmd{DryRun: true, Grace: c.Grace, Usage: true}
	found, before, err := a.collect(ctx, bucket, settings.Retention, gc)
	if err != nil {
		return err
	}
	if c.Yes {
		if err := bucket.PutSettings(ctx, settings); err != nil {
			return err
		}
	}
	if a.flags.JSON {
		return a.printJSON(retentionOutput{settings, c.Yes, &found})
	}
	text := retentionText(settings.Retention) + "\n" + gc.summary(found, settings.Retention, before)
	if !c.Yes {
		a.logf("nothing was changed: add --yes")
	}
	return a.print(text)
}

func (c *retentionCmd) check() error {
	switch {
	case c.Grace < minGrace:
		return usageError{fmt.Errorf("--grace %s: must be at least %s", c.Grace, minGrace)}
	case c.Default && c.Name == "":
		return usageError{fmt.Errorf("--default needs --name")}
	default:
		return nil
	}
}

// changes reports whether a flag changes a policy.
func (c *retentionCmd) changes() bool {
	return c.KeepRuns != nil || c.KeepDays != nil || c.KeepPromotions != nil || c.KeepCheckpoint != nil || c.Default
}

// apply changes the policies.
func (c *retentionCmd) apply(r *storage.Retention) {
	if c.KeepCheckpoint != nil {
		r.KeepCheckpoints = *c.KeepCheckpoint
	}
	r.Names = maps.Clone(r.Names)
	if c.Default {
		delete(r.Names, c.Name)
		return
	}
	policy := r.Policy
	if own, ok := r.Names[c.Name]; ok {
		policy = own
	}
	for _, change := range []struct{ to, from *int }{
		{&policy.KeepRuns, c.KeepRuns}, {&policy.KeepDays, c.KeepDays}, {&policy.KeepPromotions, c.KeepPromotions},
	} {
		if change.from != nil {
			*change.to = *change.from
		}
	}
	if c.Name == "" {
		r.Policy = policy
		return
	}
	if r.Names == nil {
		r.Names = map[string]storage.Policy{}
	}
	r.Names[c.Name] = policy
}

// retentionText returns the policies for people.
func retentionText(r storage.Retention) string {
	var page strings.Builder
	fmt.Fprintf(&page, "%-24s %s\n", "all names", policyText(r.Policy))
	for _, name := range slices.Sorted(maps.Keys(r.Names)) {
		fmt.Fprintf(&page, "%-24s %s\n", name, policyText(r.Names[name]))
	}
	checkpoints := "are deleted when their training is recorded"
	if r.KeepCheckpoints {
		checkpoints = "remain until the next gc"
	}
	fmt.Fprintf(&page, "%-24s %s\n", "checkpoints", checkpoints)
	return page.String()
}

// policyText returns a policy for people.
func policyText(p storage.Policy) string {
	var parts []string
	if p.KeepRuns > 0 {
		parts = append(parts, fmt.Sprintf("the last %s", plural(p.KeepRuns, "run")))
	}
	if p.KeepDays > 0 {
		parts = append(parts, fmt.Sprintf("the runs of %s", plural(p.KeepDays, "day")))
	}
	if len(parts) == 0 {
		parts = append(parts, "all runs")
	}
	promotions := p.KeepPromotions
	if promotions == 0 {
		promotions = storage.DefaultPromotions
	}
	models := plural(promotions, "promotion")
	return fmt.Sprintf("%s, and the models of the last %s", strings.Join(parts, " and "), models)
}
