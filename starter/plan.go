package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"rdrec/internal/report"
	"rdrec/internal/room"
	"rdrec/internal/spec"
	"rdrec/registry"
	"rdrec/workflows"
)

// planTimeout is how long a worker may take to hash the inputs and look up the stages.
const planTimeout = time.Hour

// planCmd shows what a run would do.
type planCmd struct {
	specArg
	Force  bool `help:"${help_plan_force}"`
	Sample bool `help:"${help_plan_sample}"`
}

// Run prints the plan of a spec.
func (c *planCmd) Run(ctx context.Context, a *app) error {
	s, err := c.loadExperiment(a)
	if err != nil {
		return err
	}
	if err := a.checkBucket(ctx); err != nil {
		return err
	}
	to, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer to.Close()
	if !to.polled(ctx, workflows.QueueCPU, enums.TASK_QUEUE_TYPE_ACTIVITY) {
		a.logf("a worker looks the stages up: %s", noWorkerNote(workflows.QueueCPU))
	}
	plan, err := a.plan(ctx, to, s, c.Force, planTimeout)
	if err == nil && c.Sample && plan.Unknown > 0 {
		plan, err = a.planFromSample(ctx, to, s, c.Force)
	}
	if err != nil {
		return err
	}
	if a.flags.JSON {
		return a.printJSON(plan)
	}
	return a.print(planText(plan))
}

// plan lets a worker look up the stages of a spec, and explains and estimates them from the runs of
// the bucket.
func (a *app) plan(
	ctx context.Context, to *server, s spec.Spec, force bool, timeout time.Duration,
) (registry.Plan, error) {
	in := workflows.PlanInput{Experiment: workflows.ExperimentInput{Spec: s}}
	if force {
		in.Experiment.NoCache.Nonce = "plan" // no run has it, so nothing is found
	}
	id, err := workflowID("plan", s.Name, in)
	if err != nil {
		return registry.Plan{}, err
	}
	started, err := startOrFind(ctx, to, client.StartWorkflowOptions{
		ID:                       id,
		WorkflowIDReusePolicy:    enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowExecutionTimeout: timeout,
		StaticSummary:            "plan of " + s.Name,
	}, workflows.Plan, in)
	if err != nil {
		return registry.Plan{}, err
	}
	var found workflows.PlanResult
	if err := started.result(ctx, &found); err != nil {
		if interrupted(ctx) {
			err = errInterrupted
		}
		return registry.Plan{}, err
	}
	bucket, err := a.openBucket(ctx)
	if err != nil {
		return registry.Plan{}, err
	}
	defer bucket.Close()
	plan, err := registry.NewPlan(ctx, bucket, s, found.Stages, force)
	if err != nil {
		return plan, err
	}
	needs, err := registry.DatasetRoom(ctx, bucket, found.Stages, found.Room)
	plan.AddRoom(append(needs, room.Training(s.Student, s.Train)...))
	return plan, err
}

// planText returns a plan as a table with its total.
func planText(p registry.Plan) string {
	var page strings.Builder
	w := tabwriter.NewWriter(&page, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "stage\t\twork\ttokens\ttime\tresult\twhy")
	for _, row := range p.Stages {
		state := "will run"
		if row.Cached {
			state = "cached"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", row.Label, state, workText(row), countText(row.Tokens),
			estimateText(row.Estimate), sizeText(row.Bytes), whyText(row))
	}
	_ = w.Flush()
	return trimLines(page.String()) + totalText(p) + "\n" + roomText(p.Room)
}

// roomText returns what the work takes as a table; "" if nothing is known.
func roomText(needs []room.Need) string {
	if len(needs) == 0 {
		return ""
	}
	var page strings.Builder
	w := tabwriter.NewWriter(&page, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "takes\t\tat least\texpected\tbasis")
	for _, need := range needs {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", need.Work, need.What, room.Text(need.Least), room.Text(need.Expected),
			need.Basis)
	}
	_ = w.Flush()
	return trimLines(page.String())
}

// totalText returns the total of a plan in a sentence.
func totalText(p registry.Plan) string {
	running := p.Running()
	text := fmt.Sprintf("%d of %d stages are cached, %d will run", len(p.Stages)-running, len(p.Stages), running)
	if p.Total.Runs > 0 {
		text += fmt.Sprintf(": %s of work (%s)", estimateText(p.Total), p.Total.Basis())
		switch {
		case p.OnGPU.High > 0:
			text += fmt.Sprintf(", %s to %s GPU-hours of it", hoursText(p.OnGPU.Low), hoursText(p.OnGPU.High))
		case p.GPU.High > 0:
			text += fmt.Sprintf(", %s of it on the queue %s", estimateText(p.GPU), workflows.QueueGPU)
		}
	}
	if p.Unknown > 0 {
		text += fmt.Sprintf("; no basis for the time of %d", p.Unknown)
	}
	return text
}

// hoursText returns seconds as hours with two significant digits.
func hoursText(seconds float64) string {
	hours := seconds / time.Hour.Seconds()
	if hours >= 10 {
		return fmt.Sprintf("%.0f", hours)
	}
	return fmt.Sprintf("%.2g", hours)
}

func workText(row registry.PlanRow) string {
	return strings.TrimSpace(countText(row.Rows) + " " + row.Unit)
}

// countText returns a number for people; "" for an unknown one.
func countText(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func estimateText(e registry.Estimate) string {
	if e.Runs == 0 {
		return ""
	}
	low, high := report.Duration(e.Low), report.Duration(e.High)
	if low == high {
		return high
	}
	return low + " to " + high
}

// sizeText returns a number of bytes for people; "" for an unknown one.
func sizeText(bytes int64) string {
	const kilo = 1000
	switch {
	case bytes == 0:
		return ""
	case bytes < kilo*kilo:
		return fmt.Sprintf("%.1f kB", float64(bytes)/kilo)
	case bytes < kilo*kilo*kilo:
		return fmt.Sprintf("%.1f MB", float64(bytes)/kilo/kilo)
	default:
		return fmt.Sprintf("%.1f GB", float64(bytes)/kilo/kilo/kilo)
	}
}

// whyText returns why a stage runs, or which run made its result.
func whyText(row registry.PlanRow) string {
	if row.Cached {
		return "from " + row.From + ", " + row.FromTime.Local().Format(time.DateTime)
	}
	return strings.Join(reasonTexts(row.Why), "; ")
}

// reasonTexts returns reasons for people: the details of one change in one text.
func reasonTexts(reasons []registry.Reason) []string {
	var texts []string
	var last registry.Change
	for _, reason := range reasons {
		if n := len(texts); n > 0 && reason.Change == last && reason.Detail != "" {
			texts[n-1] += ", " + reason.Detail
			continue
		}
		texts, last = append(texts, reason.String()), reason.Change
	}
	return texts
}
