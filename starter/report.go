package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"go.temporal.io/api/enums/v1"

	"rdrec/storage"
	"rdrec/workflows"
)

// reportCmd prints a report.
type reportCmd struct{ idArg }

// Run prints the report of a finished experiment, or what a running one has written so far.
func (c *reportCmd) Run(ctx context.Context, a *app) error {
	to, e, err := a.connectTo(ctx, c.ID)
	if err != nil {
		return err
	}
	defer to.Close()
	if e.status == enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return a.printDraft(ctx, e)
	}
	return a.printResult(ctx, e)
}

// printDraft prints the report that a running experiment has written so far.
func (a *app) printDraft(ctx context.Context, e *execution) error {
	bucket, err := a.openBucket(ctx)
	if err != nil {
		return err
	}
	defer bucket.Close()
	name := "report.txt"
	if a.flags.JSON {
		name = "report.json"
	}
	report, err := bucket.GetRun(ctx, e.id, e.run, name)
	if errors.Is(err, storage.ErrNotFound) {
		return fmt.Errorf("%w: %s", errUnfinished, e.id)
	}
	if err != nil {
		return fmt.Errorf("fetching the report of %q: %w", e.id, err)
	}
	html := bucket.URL(storage.RunKey(e.id, e.run, "report.html"))
	if a.flags.JSON {
		return a.printJSON(finishedReport{e.id, e.run, e.page(e.id, e.run), html, e.reused, report})
	}
	if err := a.print(string(report)); err != nil {
		return err
	}
	a.logf("\nreport     %s", html)
	return nil
}

// finishedReport is the report of an experiment, for programs.
type finishedReport struct {
	ID   string `json:"id"`
	Run  string `json:"run"`
	UI   string `json:"ui,omitempty"`
	HTML string `json:"html"`
	// Reused is the finished run that run found instead of starting one.
	Reused *reuse          `json:"reused,omitempty"`
	Report json.RawMessage `json:"report"`
}

// printResult prints the result of a closed workflow: an experiment's report, a distillation's
// quality, or a nightly run's verdict. It returns the error of one that failed.
func (a *app) printResult(ctx context.Context, e *execution) error {
	switch e.workflowType {
	case typeDistillation:
		return a.printDistillation(ctx, e, false)
	case typeNightly:
		return a.printVerdict(ctx, e)
	default:
		return a.printReport(ctx, e)
	}
}

// printReport prints the report of a closed experiment.
func (a *app) printReport(ctx context.Context, e *execution) error {
	var result workflows.ExperimentResult
	if err := e.result(ctx, &result); err != nil {
		return err
	}
	bucket, err := a.openBucket(ctx)
	if err != nil {
		return err
	}
	defer bucket.Close()
	html := bucket.URL(result.HTML)
	if a.flags.JSON {
		report, err := bucket.ReadArtifactFile(ctx, result.Report, "report.json")
		if err != nil {
			return fmt.Errorf("fetching the report of %q: %w", e.id, err)
		}
		return a.printJSON(finishedReport{e.id, e.run, e.page(e.id, e.run), html, e.reused, report})
	}
	table, err := bucket.ReadArtifactFile(ctx, result.Report, "report.txt")
	if err != nil {
		return fmt.Errorf("fetching the report of %q: %w", e.id, err)
	}
	if err := a.print(string(table)); err != nil {
		return err
	}
	a.logf("\nreport     %s", html)
	if page := e.page(e.id, e.run); page != "" {
		a.logf("Web UI     %s", page)
	}
	return nil
}
