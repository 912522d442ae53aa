package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"rdrec/internal/report"
	"rdrec/registry"
	"rdrec/workflows"
)

// Search attributes by which runs are listed.
const (
	attributeDataset = "RdrecDataset"
	attributeMethod  = "RdrecMethod"
)

// maxListed is the default number of runs in a list.
const maxListed = 20

// listCmd lists the runs of experiments.
type listCmd struct {
	Name    string `help:"Only runs whose id begins with this." placeholder:"PREFIX"`
	Status  string `aliases:"state" help:"${help_list_status}" enum:",${list_states}" default:"" placeholder:"STATUS"`
	Dataset string `help:"Only runs on this data: the name of its folder or file." placeholder:"NAME"`
	Method  string `help:"Only runs with this method." placeholder:"METHOD"`
	Since   string `help:"${help_list_since}" placeholder:"TIME"`
	Limit   int    `help:"The number of runs, the latest first." default:"${max_listed}"`
}

// runStates returns the states of a run.
func runStates() []string {
	return []string{"running", pausedState, "completed", "failed", "canceled", "terminated", "timedout"}
}

// pausedState is the state of a running experiment that waits for a person to resume it.
const pausedState = string(workflows.Paused)

// Run prints the runs, the latest first.
func (c *listCmd) Run(ctx context.Context, a *app) error {
	query, err := c.query(a.now())
	if err != nil {
		return err
	}
	to, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer to.Close()
	return a.list(ctx, to, query, func(r listedRun) bool {
		return c.Status == "" || r.Status == c.Status
	}, c.Limit)
}

// query returns the filters as a query of Temporal's visibility. Paused runs are running to it.
func (c *listCmd) query(now time.Time) (string, error) {
	conditions := []string{experimentsQuery}
	add := func(format, value string) {
		if value != "" {
			conditions = append(conditions, fmt.Sprintf(format, quoted(value)))
		}
	}
	add("WorkflowId STARTS_WITH %s", c.Name)
	switch c.Status {
	case "":
	case pausedState:
		add("ExecutionStatus = %s", "Running")
	default:
		add("ExecutionStatus = %s", temporalStatus(c.Status))
	}
	add(attributeDataset+" = %s", c.Dataset)
	add(attributeMethod+" = %s", c.Method)
	if c.Since != "" {
		at, err := sinceTime(c.Since, now)
		if err != nil {
			return "", usageError{err}
		}
		add("StartTime >= %s", at.UTC().Format(time.RFC3339))
	}
	if c.Limit < 1 {
		return "", usageError{fmt.Errorf("--limit %d: must be at least 1", c.Limit)}
	}
	return strings.Join(conditions, " AND "), nil
}

// experimentsQuery finds all experiments.
const experimentsQuery = "WorkflowType = 'Experiment'"

// quoted returns a string of the query language.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `\'`) + "'" }

// temporalStatus returns Temporal's name of a state.
func temporalStatus(state string) string {
	for number := range enums.WorkflowExecutionStatus_name {
		if status := enums.WorkflowExecutionStatus(number); statusName(status) == state {
			return status.String()
		}
	}
	return state
}

// sinceTime returns the time of --since: a duration before now (36h, 7d, 2w), or a day.
func sinceTime(text string, now time.Time) (time.Time, error) {
	if day, err := time.ParseInLocation(time.DateOnly, text, now.Location()); err == nil {
		return day, nil
	}
	for unit, days := range map[string]int{"d": 1, "w": 7} {
		if number, found := strings.CutSuffix(text, unit); found {
			if n, err := strconv.Atoi(number); err == nil && n >= 0 {
				return now.AddDate(0, 0, -n*days), nil
			}
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, fmt.Errorf("--since %q: want a duration such as 36h, 7d or 2w, or a day as YYYY-MM-DD", text)
}

// listedRun is a run in a list.
type listedRun struct {
	ID      string    `json:"id"`
	Run     string    `json:"run"`
	Status  string    `json:"status"`
	Started time.Time `json:"started"`
	// Seconds is the duration, up to now for one that runs.
	Seconds float64  `json:"seconds"`
	Dataset string   `json:"dataset"`
	Methods []string `json:"methods"`
	// Best is the score of the best student; nil before the report, or without access to the
	// bucket.
	Best *report.Headline `json:"best,omitempty"`
	// Cost is what a finished run computed; nil for the others.
	Cost *registry.Cost `json:"cost,omitempty"`
}

// list prints the runs that a query finds and that the filter accepts.
func (a *app) list(ctx context.Context, to *server, query string, accept func(listedRun) bool, limit int) error {
	paused, err := to.pausedRuns(ctx)
	if err != nil {
		return err
	}
	runs := []listedRun{}
	var page []byte
	for len(runs) < limit {
		found, err := to.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			Query: query, PageSize: int32(min(limit, 1000)), NextPageToken: page, //nolint:gosec // at most 1000
		})
		if err != nil {
			return fmt.Errorf("listing experiments: %w", attributeError(err))
		}
		for _, info := range found.GetExecutions() {
			run := a.listedRun(info)
			if run.Status == "running" && paused[run.ID] {
				run.Status = pausedState
			}
			if len(runs) < limit && accept(run) {
				runs = append(runs, run)
			}
		}
		if page = found.GetNextPageToken(); len(page) == 0 {
			break
		}
	}
	a.addResults(ctx, runs)
	return a.printRuns(runs)
}

// listedRun converts what the server lists.
func (a *app) listedRun(info *workflowpb.WorkflowExecutionInfo) listedRun {
	ended := a.now()
	if info.GetCloseTime() != nil {
		ended = info.GetCloseTime().AsTime()
	}
	attributes := info.GetSearchAttributes().GetIndexedFields()
	run := listedRun{
		ID: info.GetExecution().GetWorkflowId(), Run: info.GetExecution().GetRunId(),
		Status: statusName(info.GetStatus()), Started: info.GetStartTime().AsTime(),
		Seconds: max(0, ended.Sub(info.GetStartTime().AsTime()).Seconds()),
	}
	decodeAttribute(attributes[attributeDataset], &run.Dataset)
	decodeAttribute(attributes[attributeMethod], &run.Methods)
	return run
}

// decodeAttribute decodes a search attribute; one that is missing or of another type leaves the
// value empty.
func decodeAttribute(payload *common.Payload, value any) {
	if payload != nil {
		_ = converter.GetDefaultDataConverter().FromPayload(payload, value) //nolint:errcheck // it stays empty
	}
}

// pausedRuns returns the ids of experiments that are paused, or of which a child workflow is. A
// child's id begins with that of its experiment and a slash.
func (s *server) pausedRuns(ctx context.Context) (map[string]bool, error) {
	query := fmt.Sprintf("ExecutionStatus = 'Running' AND %s = '%s'", workflows.StageAttribute().GetName(), pausedState)
	found, err := s.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: 1000})
	if err != nil {
		return nil, fmt.Errorf("listing paused experiments: %w", attributeError(err))
	}
	paused := map[string]bool{}
	for _, info := range found.GetExecutions() {
		for id := info.GetExecution().GetWorkflowId(); id != "."; id = path.Dir(id) {
			paused[id] = true
		}
	}
	return paused, nil
}

// addResults adds the scores and the cost of finished runs from their reports and records in the
// bucket. A run without them has none.
func (a *app) addResults(ctx context.Context, runs []listedRun) {
	if !a.hasBucket() {
		return
	}
	bucket, err := a.openBucket(ctx)
	if err != nil {
		a.logf("warning: no scores and costs are shown: %v", err)
		return
	}
	defer bucket.Close()
	for i := range runs {
		if runs[i].Status != "completed" {
			continue
		}
		var found report.Report
		text, err := bucket.GetRun(ctx, runs[i].ID, runs[i].Run, "report.json")
		if err == nil && json.Unmarshal(text, &found) == nil {
			runs[i].Best = found.Headline()
		}
		if _, record, err := registry.ReadRun(ctx, bucket, runs[i].ID+"/"+runs[i].Run); err == nil {
			runs[i].Cost = new(registry.CostOf(record.Stages))
		}
	}
}

// costText returns what a run computed: the time on the queue of accelerators, or else of the
// processors, and the teacher's tokens.
func costText(c *registry.Cost) string {
	if c == nil {
		return ""
	}
	text := report.Duration(c.Seconds)
	if c.GPUSeconds > 0 {
		text = report.Duration(c.GPUSeconds) + " with models"
	}
	if c.Tokens > 0 {
		text += fmt.Sprintf(", %d tokens", c.Tokens)
	}
	return text
}

// printRuns prints a table for people, or the runs for programs.
func (a *app) printRuns(runs []listedRun) error {
	if a.flags.JSON {
		return a.printJSON(runs)
	}
	if len(runs) == 0 {
		a.logf("no runs; \"starter run SPEC\" starts one")
		return nil
	}
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tSTATUS\tSTARTED\tDURATION\tDATASET\tMETHODS\tBEST\tCOST")
	for _, r := range runs {
		best := ""
		if r.Best != nil {
			best = fmt.Sprintf("%s %s %.4f", r.Best.Method, r.Best.Metric, r.Best.Value)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, r.Status, r.Started.Local().Format(time.DateTime),
			report.Duration(r.Seconds), r.Dataset, strings.Join(r.Methods, ","), best, costText(r.Cost))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("writing the list: %w", err)
	}
	return a.print(text.String())
}
