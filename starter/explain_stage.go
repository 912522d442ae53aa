package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"rdrec/internal/report"
	"rdrec/registry"
)

// explainCmd explains why a stage ran.
type explainCmd struct {
	RunID string `arg:"" name:"run" help:"A finished run: ID or ID/RUN; an ID alone means its latest run."`
	Stage string `arg:"" optional:"" help:"${help_explain_stage}"`
}

// Run prints why the stages of a run ran, or where their results are from.
func (c *explainCmd) Run(ctx context.Context, a *app) error {
	bucket, err := a.openBucket(ctx)
	if err != nil {
		return err
	}
	defer bucket.Close()
	name, stages, err := registry.Explain(ctx, bucket, c.RunID, c.Stage)
	if err != nil {
		return err
	}
	if a.flags.JSON {
		return a.printJSON(map[string]any{"run": name, "stages": stages})
	}
	var page strings.Builder
	for _, e := range stages {
		page.WriteString(explanationText(e))
	}
	return a.print(page.String())
}

// explanationText returns an explanation for people.
func explanationText(e registry.Explanation) string {
	if e.Cached {
		return fmt.Sprintf("%s was reused: %s computed it, %s\n", e.Label, orUnknown(e.From), timeText(e.FromTime))
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s ran for %s\n", e.Label, report.Duration(e.Seconds))
	if e.Since != "" {
		fmt.Fprintf(&text, "  since %s:\n", e.Since)
	}
	for _, reason := range e.Why {
		fmt.Fprintf(&text, "  %s\n", reason)
	}
	for _, input := range e.Inputs {
		fmt.Fprintf(&text, "  input %s: %.12s\n", input.Name, input.Digest)
	}
	return text.String()
}

func orUnknown(run string) string {
	if run == "" {
		return "an unknown run"
	}
	return run
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return "at an unknown time"
	}
	return t.Local().Format(time.DateTime)
}
