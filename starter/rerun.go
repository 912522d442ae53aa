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

	"rdrec/internal/report"
	"rdrec/registry"
	"rdrec/storage"
	"rdrec/workflows"
)

// rerunCmd checks that a run can be reproduced.
type rerunCmd struct {
	RunID                string `arg:"" name:"run" help:"The run: an experiment's id, or the id of one of its runs."`
	Compare              string `help:"${help_rerun_compare}" placeholder:"RUN"`
	RegenerateRationales bool   `help:"${help_rerun_rationales}"`
}

// errDiffers is the error of a rerun that produced different bytes.
var errDiffers = errors.New("the runs differ")

// Run starts the same resolved spec again without the cache, waits, and compares the artifacts.
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
	first, err := finished(ctx, to, c.RunID)
	if err != nil {
		return err
	}
	_, before, err := registry.ReadRun(ctx, bucket, first.id+"/"+first.run)
	if err != nil {
		return err
	}
	second, err := c.secondRun(ctx, a, to, first, before)
	if err != nil {
		return err
	}
	_, after, err := registry.ReadRun(ctx, bucket, second.id+"/"+second.run)
	if err != nil {
		return err
	}
	rows, err := registry.CompareRuns(ctx, bucket, before, after)
	if err != nil {
		return err
	}
	if err := a.printDiff(first, second, rows); err != nil {
		return err
	}
	if differing := countDifferent(rows); differing > 0 {
		a.printBuildDiff(ctx, bucket, first, second)
		return fmt.Errorf("%w: %d of %d differ", errDiffers, differing, len(rows))
	}
	return nil
}

// finished finds a run by its experiment's id or its own; a run without results is an error.
func finished(ctx context.Context, to *server, name string) (*execution, error) {
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
	return e, e.result(ctx, nil)
}

// findRun finds an experiment by the id of one of its runs. It returns the error missing if there
// is none.
func findRun(ctx context.Context, to *server, run string, missing error) (*execution, error) {
	if uuid.Validate(run) != nil {
		return nil, missing
	}
	request := &workflowservice.ListWorkflowExecutionsRequest{Query: "RunId = '" + run + "'", PageSize: 1}
	list, err := to.ListWorkflow(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("looking for run %q: %w", run, err)
	}
	for _, info := range list.GetExecutions() {
		id := info.GetExecution()
		return &execution{
			server: to, id: id.GetWorkflowId(), run: id.GetRunId(), status: info.GetStatus(),
			workflowType: info.GetType().GetName(),
		}, nil
	}
	return nil, missing
}

// secondRun returns the run to compare with: the one named by --compare, or a new one, once it is
// finished.
func (c *rerunCmd) secondRun(
	ctx context.Context, a *app, to *server, first *execution, record registry.RunRecord,
) (*execution, error) {
	if c.Compare != "" {
		return finished(ctx, to, c.Compare)
	}
	options, err := startOptions(record.Spec)
	if err != nil {
		return nil, err
	}
	cacheless := noCache(record.Spec, c.RegenerateRationales)
	if !cacheless.Rationales {
		a.logf("the server's replies are reused; --regenerate-rationales requests new ones")
	}
	options.ID = first.id + "-rerun-" + cacheless.Nonce
	options.StaticSummary = "rerun of " + first.id + ": " + options.StaticSummary
	in := workflows.ExperimentInput{Spec: record.Spec, NoCache: cacheless}
	e, err := startOrFind(ctx, to, options, workflows.Experiment, in)
	if err != nil {
		return nil, err
	}
	a.printStarted(e)
	const message = "the rerun continues; compare with \"starter rerun %s --compare %s\""
	if err := a.await(ctx, e, fmt.Sprintf(message, c.RunID, e.id)); err != nil {
		return nil, err
	}
	return e, e.result(ctx, nil)
}

// printDiff prints the compared artifacts.
func (a *app) printDiff(first, second *execution, rows []registry.Diff) error {
	if a.flags.JSON {
		return a.printJSON(map[string]any{
			"first":  first.id + "/" + first.run,
			"second": second.id + "/" + second.run,
			"same":   countDifferent(rows) == 0,
			"rows":   rows,
		})
	}
	var page strings.Builder
	fmt.Fprintf(&page, "%-28s %-8s %-12s  %s\n", "name", "", "first", "second")
	for _, row := range rows {
		state := "same"
		if !row.Equal {
			state = "DIFFERS"
		}
		line := fmt.Sprintf("%-28s %-8s %-12.12s  %-12.12s  %s",
			row.Name, state, row.First, row.Second, strings.Join(row.Files, ", "))
		page.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	fmt.Fprintf(&page, "%d of %d are identical\n", len(rows)-countDifferent(rows), len(rows))
	return a.print(page.String())
}

// countDifferent returns the number of rows that differ.
func countDifferent(rows []registry.Diff) int {
	n := 0
	for _, row := range rows {
		if !row.Equal {
			n++
		}
	}
	return n
}

// printBuildDiff prints the differences between the builds of two runs, which may explain different
// bytes.
func (a *app) printBuildDiff(ctx context.Context, bucket *storage.Bucket, first, second *execution) {
	before, after := buildIn(ctx, bucket, first), buildIn(ctx, bucket, second)
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if after[name] != before[name] {
			a.logf("build differs: %s %s, then %s", name, before[name], after[name])
		}
	}
}

// buildIn returns the build that a run's report names, or nil if there is no readable report.
func buildIn(ctx context.Context, bucket *storage.Bucket, e *execution) map[string]string {
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
