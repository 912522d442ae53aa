package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"rdrec/activities"
	"rdrec/internal/progress"
	"rdrec/internal/report"
	"rdrec/registry"
)

// conclusion is what a workflow found, for people.
type conclusion struct {
	// verdict is a sentence, decision its search attribute, best the headline metric, and url the
	// address of the report; each may be empty.
	verdict, decision, url string
	best                   *report.Headline
}

// BestAttribute and MetricAttribute are the search attributes with the score of the method that the
// verdict is about, and with the name of its metric.
func BestAttribute() temporal.SearchAttributeKeyFloat64 {
	return temporal.NewSearchAttributeKeyFloat64("RdrecBest")
}

// MetricAttribute is described at [BestAttribute].
func MetricAttribute() temporal.SearchAttributeKeyKeyword {
	return temporal.NewSearchAttributeKeyKeyword("RdrecMetric")
}

// concluded returns what a report says.
func concluded(out activities.ReportResult) conclusion {
	return conclusion{out.Verdict, string(out.Decision), out.URL, out.Best}
}

// conclude shows a conclusion in the details, the search attributes and the memo.
func (t *stageTracker) conclude(ctx workflow.Context, c conclusion) {
	t.conclusion = &c
	attributes := []temporal.SearchAttributeUpdate{VerdictAttribute().ValueSet(c.decision)}
	memo := map[string]any{"verdict": c.verdict}
	if c.best != nil {
		attributes = append(attributes,
			BestAttribute().ValueSet(c.best.Value), MetricAttribute().ValueSet(c.best.Metric))
		memo["best"] = bestText(c.best)
	}
	if c.url != "" {
		memo["report"] = c.url
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, attributes...); err != nil {
		workflow.GetLogger(ctx).Warn("the verdict's search attributes were not set", "error", err)
	}
	if err := workflow.UpsertMemo(ctx, memo); err != nil {
		workflow.GetLogger(ctx).Warn("the memo was not set", "error", err)
	}
	t.publish(ctx)
}

// stopped is the state of a trial that ends with its experiment.
const stopped State = "stopped"

// end converts the error that a workflow ends with, and shows why it ended.
func (t *stageTracker) end(ctx workflow.Context, err error) error {
	ended := workflowError(err)
	for _, trial := range t.trials {
		if ended != nil && trial.state == Running {
			trial.state = stopped
		}
	}
	switch {
	case ended == nil:
	case temporal.IsCanceledError(ended):
		t.ended = "**Cancelled**. Finished stages are kept: the same spec resumes."
	case err != ended: //nolint:errorlint // a workflow that continues as new keeps its error
		f := FailureOf(err)
		t.ended = fmt.Sprintf("**Failed**: %s\n\nNext: %s.", f.Cause, f.Hint)
	}
	t.publish(ctx)
	return ended
}

// publish writes the workflow's details: what people must know first, the cost so far, the trials
// and the stages.
func (t *stageTracker) publish(ctx workflow.Context) {
	var page []string
	sections := []string{t.headline(ctx), t.draftLink(), t.warning, t.costText(), t.trialTable(), t.stageTable()}
	for _, section := range sections {
		if section != "" {
			page = append(page, section)
		}
	}
	workflow.SetCurrentDetails(ctx, strings.Join(page, "\n\n"))
}

// headline returns why the workflow ended or waits, what it found, or what it does.
func (t *stageTracker) headline(ctx workflow.Context) string {
	if t.ended != "" {
		return t.ended
	}
	if paused := t.pauser.headline(ctx); paused != "" {
		return paused
	}
	if t.conclusion != nil {
		return t.conclusion.markdown()
	}
	var running []string
	for _, e := range t.entries {
		if e.State == Running {
			running = append(running, e.Name)
		}
	}
	for _, trial := range t.trials {
		if trial.state == Running {
			running = append(running, trial.name)
		}
	}
	if len(running) == 0 {
		return ""
	}
	if surplus := len(running) - maxRows; surplus > 0 {
		running = append(running[:maxRows], fmt.Sprintf("and %d more", surplus))
	}
	return "**Running**: " + strings.Join(running, ", ")
}

// draftLink returns a link to the report so far; "" without one, and once the report is complete.
func (t *stageTracker) draftLink() string {
	if t.draft == "" || t.conclusion != nil {
		return ""
	}
	return "[Report so far](" + t.draft + ")"
}

// markdown returns the conclusion for people.
func (c *conclusion) markdown() string {
	parts := []string{c.verdict}
	if c.best != nil {
		parts = append([]string{"**" + bestText(c.best) + "**"}, parts...)
	}
	if c.url != "" {
		parts = append(parts, "[Report]("+c.url+")")
	}
	return strings.Join(parts, "\n\n")
}

func bestText(best *report.Headline) string {
	return fmt.Sprintf("%s %s %.4f", best.Method, best.Metric, best.Value)
}

// costText returns the cost of the finished stages; "" before there is any.
func (t *stageTracker) costText() string {
	var times []registry.StageTime
	for _, e := range t.entries {
		if e.State == Finished || e.State == Cached {
			times = append(times, e.time())
		}
	}
	cost := t.trialCost.Add(registry.CostOf(times))
	if cost.Computed+cost.Reused == 0 {
		return ""
	}
	text := fmt.Sprintf("Cost so far: %s of work", report.Duration(cost.Seconds))
	if cost.GPUSeconds > 0 {
		text += fmt.Sprintf(", %s of it on %s", report.Duration(cost.GPUSeconds), QueueGPU)
	}
	if cost.Tokens > 0 {
		text += fmt.Sprintf("; %d tokens of the teacher in %d requests", cost.Tokens, cost.Requests)
	}
	if cost.WastedSeconds > 0 {
		text += fmt.Sprintf("; %s wasted by attempts that failed", report.Duration(cost.WastedSeconds))
	}
	return fmt.Sprintf("%s; stages: %d computed, %d reused", text, cost.Computed, cost.Reused)
}

// trialTable returns a bar of each trial; "" without trials.
func (t *stageTracker) trialTable() string {
	if len(t.trials) == 0 {
		return ""
	}
	var table strings.Builder
	table.WriteString("| trial | stages | |\n| --- | --- | --- |\n")
	rows, left := shown(t.trials, func(trial *trialStatus) bool { return trial.state != Running })
	for _, trial := range rows {
		p := progress.Progress{Done: trial.done, Total: trial.total, Unit: string(trial.state)}
		fmt.Fprintf(&table, "| %s | `%s` | %s |\n", trial.name, p.Bar(), p.Counts())
	}
	return table.String() + left
}

// stageTable returns all stages.
func (t *stageTracker) stageTable() string {
	if len(t.entries) == 0 {
		return ""
	}
	var table strings.Builder
	table.WriteString("| stage | state | time | |\n| --- | --- | ---: | --- |\n")
	rows, left := shown(t.entries, func(e *StageStatus) bool { return e.State == Finished || e.State == Cached })
	for _, e := range rows {
		fmt.Fprintf(&table, "| %s | %s | %s | %s |\n", e.Name, e.State, e.duration(), cell(e.note()))
	}
	return table.String() + left
}

// maxRows is the greatest number of rows of a table, and of names in the headline.
const maxRows = 60

// shown returns the rows of a table that people see, in order, and a line that counts the others.
// Of more than maxRows, ended ones are left out, the oldest first, and then the last of the others.
func shown[Row any](all []Row, ended func(Row) bool) (rows []Row, left string) {
	surplus := len(all) - maxRows
	if surplus <= 0 {
		return all, ""
	}
	left = fmt.Sprintf("\n… and %d more\n", surplus)
	for _, row := range all {
		if surplus > 0 && ended(row) {
			surplus--
			continue
		}
		rows = append(rows, row)
	}
	return rows[:maxRows], left
}

// duration returns how long the stage took; "" while it runs and for an earlier run's.
func (e *StageStatus) duration() string {
	if e.State != Finished {
		return ""
	}
	return report.Duration(e.Seconds)
}

// note returns what people should know about the stage.
func (e *StageStatus) note() string {
	switch {
	case e.Note != "":
		return e.Note
	case e.Progress != nil:
		return strings.TrimSpace(fmt.Sprintf("`%s` %s %s", e.Progress.Bar(), e.Progress.Counts(), e.Progress.Note))
	case e.State == Cached && e.From.Workflow != "" && !e.From.Time.IsZero():
		return "from " + e.From.Workflow + ", " + e.From.Time.UTC().Format(time.DateTime)
	case e.State == Cached && e.From.Workflow != "":
		return "from " + e.From.Workflow
	case !e.Output.IsZero():
		return "`" + e.Output.Digest[:min(12, len(e.Output.Digest))] + "`"
	default:
		return ""
	}
}

// cell returns a text that cannot end the cell of a table.
func cell(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "|", "\\|"), "\n", " ")
}
