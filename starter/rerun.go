package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"rdrec/activities"
	"rdrec/internal/report"
	"rdrec/storage"
	"rdrec/workflows"
)

// rerunCmd proves, or disproves, that a run can be reproduced.
type rerunCmd struct {
	Of       string `arg:"" name:"run" help:"The run: an experiment's id, as run prints it, or the id of one of its runs."`
	With     string `help:"Start nothing: compare with this run, for example with a rerun that was left alone." placeholder:"RUN"`
	AskAgain bool   `help:"Ask a teacher behind a server again, too. It may cost money, and it seldom answers the same twice; without this, its finished rows are taken over."`
}

// errDiffers says that a rerun made other bytes.
var errDiffers = errors.New("the runs are not the same")

// Run starts the same resolved spec anew, waits, and compares what the two made.
func (c *rerunCmd) Run(ctx context.Context, a *app) error {
	bucket, err := a.openBucket(ctx)
	if err != nil {
		return err
	}
	defer bucket.Close()
	to, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer to.Close()
	first, err := finished(ctx, to, c.Of)
	if err != nil {
		return err
	}
	before, err := recordOf(ctx, bucket, first)
	if err != nil {
		return err
	}
	second, err := c.second(ctx, a, to, first, before)
	if err != nil {
		return err
	}
	after, err := recordOf(ctx, bucket, second)
	if err != nil {
		return err
	}
	rows, err := activities.CompareRuns(ctx, bucket, before, after)
	if err != nil {
		return err
	}
	if err := a.compared(first, second, rows); err != nil {
		return err
	}
	if differ := different(rows); differ > 0 {
		a.builds(ctx, bucket, first, second)
		return fmt.Errorf("%w: %d of %d differ", errDiffers, differ, len(rows))
	}
	return nil
}

// finished finds a run by its experiment's id or its own, and refuses one that has no results.
func finished(ctx context.Context, to *server, name string) (*experiment, error) {
	e, err := find(ctx, to, name)
	if errors.Is(err, errNoExperiment) {
		e, err = findRun(ctx, to, name, err)
	}
	if err != nil {
		return nil, err
	}
	if e.status == enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return nil, fmt.Errorf("%w: %s", errUnfinished, e.id)
	}
	_, err = e.outcome(ctx)
	return e, err
}

// findRun finds an experiment by the id of one of its runs; missing is the error where there is none.
func findRun(ctx context.Context, to *server, run string, missing error) (*experiment, error) {
	if uuid.Validate(run) != nil {
		return nil, missing
	}
	list, err := to.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: "RunId = '" + run + "'", PageSize: 1})
	if err != nil {
		return nil, fmt.Errorf("looking for run %q: %w", run, err)
	}
	for _, info := range list.GetExecutions() {
		return &experiment{to, info.GetExecution().GetWorkflowId(), info.GetExecution().GetRunId(), info.GetStatus(), info.GetType().GetName()}, nil
	}
	return nil, missing
}

// recordOf reads what a run read and made.
func recordOf(ctx context.Context, bucket *storage.Bucket, e *experiment) (activities.ReportInput, error) {
	var record activities.ReportInput
	data, err := bucket.GetRun(ctx, e.id, e.run, storage.RunRecord)
	if err != nil {
		return record, fmt.Errorf("reading the record of %q: %w", e.id, err)
	}
	if err := json.Unmarshal(data, &record); err != nil {
		return record, fmt.Errorf("reading the record of %q: %w", e.id, err)
	}
	return record, nil
}

// second is the run to compare with: the one that was named, or one that is started now and waited for.
func (c *rerunCmd) second(ctx context.Context, a *app, to *server, first *experiment, record activities.ReportInput) (*experiment, error) {
	if c.With != "" {
		return finished(ctx, to, c.With)
	}
	options, err := startOptions(record.Spec)
	if err != nil {
		return nil, err
	}
	fresh := workflows.Fresh{Nonce: uuid.NewString()[:8], Rationales: c.AskAgain || !strings.HasPrefix(record.Spec.Teacher.Model, "openai:")}
	if !fresh.Rationales {
		a.say("the server's replies are taken over; --ask-again asks anew")
	}
	options.ID = first.id + "-again-" + fresh.Nonce
	options.StaticSummary = "rerun of " + first.id + ": " + options.StaticSummary
	in := workflows.ExperimentInput{Spec: record.Spec, Fresh: fresh}
	if _, err := to.ExecuteWorkflow(ctx, options, workflows.Experiment, in); err != nil {
		return nil, fmt.Errorf("starting rerun %q: %w", options.ID, err)
	}
	e, err := find(ctx, to, options.ID)
	if err != nil {
		return nil, err
	}
	a.introduce(e)
	if e.status == enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
		err = a.await(ctx, e)
	}
	if interrupted(ctx) {
		a.say("the rerun goes on; compare with \"starter rerun %s --with %s\"", c.Of, e.id)
		return nil, errInterrupted
	}
	if err != nil {
		return nil, err
	}
	_, err = e.outcome(ctx)
	return e, err
}

// compared prints the table.
func (a *app) compared(first, second *experiment, rows []activities.Sameness) error {
	if a.flags.JSON {
		return a.printJSON(map[string]any{
			"first": first.id + "/" + first.run, "second": second.id + "/" + second.run, "same": different(rows) == 0, "rows": rows,
		})
	}
	var page strings.Builder
	fmt.Fprintf(&page, "%-28s %-8s %-12s  %s\n", "what", "", "first", "second")
	for _, row := range rows {
		word := "same"
		if !row.Same {
			word = "DIFFERS"
		}
		line := fmt.Sprintf("%-28s %-8s %-12.12s  %-12.12s  %s", row.What, word, row.First, row.Second, strings.Join(row.Files, ", "))
		page.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	fmt.Fprintf(&page, "%d of %d are the same bytes\n", len(rows)-different(rows), len(rows))
	return a.print(page.String())
}

func different(rows []activities.Sameness) int {
	n := 0
	for _, row := range rows {
		if !row.Same {
			n++
		}
	}
	return n
}

// builds says how the programs of two runs differ, which may be why their bytes do.
func (a *app) builds(ctx context.Context, bucket *storage.Bucket, first, second *experiment) {
	before, after := buildIn(ctx, bucket, first), buildIn(ctx, bucket, second)
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if after[name] != before[name] {
			a.say("made otherwise: %s %s, then %s", name, before[name], after[name])
		}
	}
}

// buildIn reads who made a run's report; what can't be read differs in nothing.
func buildIn(ctx context.Context, bucket *storage.Bucket, e *experiment) map[string]string {
	var r report.Report
	data, err := bucket.GetRun(ctx, e.id, e.run, "report.json")
	if err != nil || json.Unmarshal(data, &r) != nil {
		return nil
	}
	build := map[string]string{}
	for _, pair := range r.Build {
		build[pair.Name] = pair.Value
	}
	return build
}
