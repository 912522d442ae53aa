package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"rdrec/internal/report"
	"rdrec/registry"
	"rdrec/storage"
	"rdrec/workflows"
)

// explainCmd explains why a stage ran.
type explainCmd struct {
	RunID string `arg:"" name:"run" help:"A run: ID or ID/RUN; an ID alone means its latest run."`
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
	failed := a.failedStages(ctx, c.RunID, c.Stage)
	unfinished := errors.Is(err, registry.ErrNoStage) || errors.Is(err, storage.ErrNotFound)
	if err != nil && (!unfinished || len(failed) == 0) {
		return err
	}
	if a.flags.JSON {
		return a.printJSON(map[string]any{"run": name, "stages": stages, "failed": failed})
	}
	var page strings.Builder
	for _, e := range stages {
		page.WriteString(explanationText(e))
	}
	for _, f := range failed {
		fmt.Fprintf(&page, "%s failed: %s\n  next: %s\n", f.Label, f.Cause, f.Hint)
	}
	return a.print(page.String())
}

// failedStage is a stage that failed.
type failedStage struct {
	Label string `json:"label"`
	workflows.Failure
}

// failedStages returns the stages with a label that made the latest run of a workflow fail, as the
// server knows them: none without a server, or for another run.
func (a *app) failedStages(ctx context.Context, run, label string) []failedStage {
	to, e, err := a.connectTo(ctx, run)
	if err != nil {
		return nil
	}
	defer to.Close()
	failure := e.failure(ctx)
	if failure == nil {
		return nil
	}
	_, lines, err := newProgressTracker(e, a.now).poll(ctx)
	if err != nil {
		return nil
	}
	var failed []failedStage
	for _, l := range lines {
		if l.State == workflows.Failed && (l.Stage == label || strings.HasPrefix(l.Name, label)) {
			failed = append(failed, failedStage{l.Name, *failure})
		}
	}
	if len(failed) == 0 && label == "" { // outside of any stage
		failed = append(failed, failedStage{"the run", *failure})
	}
	return failed
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
