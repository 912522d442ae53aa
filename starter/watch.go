package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/temporal"

	"rdrec/workflows"
)

// pollInterval is how often a watched experiment is looked at.
const pollInterval = time.Second

// idArg names an experiment.
type idArg struct {
	ID string `arg:"" help:"The experiment's id, as run prints it."`
}

// watchCmd follows an experiment.
type watchCmd struct{ idArg }

// Run shows the stages until the experiment ends, then its report.
func (c *watchCmd) Run(ctx context.Context, a *app) error {
	to, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer to.Close()
	e, err := find(ctx, to, c.ID)
	if err != nil {
		return err
	}
	a.printStarted(e)
	return a.watch(ctx, e)
}

// watch follows an experiment that goes on without us.
func (a *app) watch(ctx context.Context, e *execution) error {
	err := a.follow(ctx, e)
	if errors.Is(err, errInterrupted) {
		a.logf("the experiment continues; \"starter watch %s\" shows it again, \"starter cancel %s\" stops it", e.id, e.id)
	}
	return err
}

// follow shows an experiment until it ends, then prints its report. One that is closed needs no
// worker any more.
func (a *app) follow(ctx context.Context, e *execution) error {
	if e.status == enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
		err := a.awaitClosed(ctx, e)
		if interrupted(ctx) {
			return errInterrupted
		}
		if err != nil {
			return err
		}
	}
	return a.printResult(ctx, e)
}

// awaitClosed shows the stages until the experiment is closed.
func (a *app) awaitClosed(ctx context.Context, e *execution) error {
	t, b := newProgressTracker(e, a.now), newStageDisplay(a.stderr)
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	unavailable := false
	for {
		status, lines, err := t.poll(ctx)
		switch {
		case interrupted(ctx):
			return ctx.Err()
		case err != nil && !unavailable:
			a.logf("the server does not answer; retrying: %v", err)
		case err == nil:
			b.show(lines, t.note(ctx), a.now())
		}
		unavailable = err != nil
		if err == nil && status != enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// note says when no worker polls, which otherwise looks like a slow start.
func (t *progressTracker) note(ctx context.Context) string {
	if !t.noWorker {
		return ""
	}
	return t.noWorkerNote(ctx)
}

// noWorkerNote says for people that no worker polls; empty where one does.
func (s *server) noWorkerNote(ctx context.Context) string {
	queue, err := s.DescribeTaskQueue(ctx, workflows.QueueCPU, enums.TASK_QUEUE_TYPE_WORKFLOW)
	if err != nil || len(queue.GetPollers()) > 0 {
		return ""
	}
	return fmt.Sprintf("no worker polls the queue %s: start one with bin/worker", workflows.QueueCPU)
}

// experimentResult waits for a closed experiment's result.
func (e *execution) experimentResult(ctx context.Context) (workflows.ExperimentResult, error) {
	var result workflows.ExperimentResult
	err := e.GetWorkflow(ctx, e.id, e.run).Get(ctx, &result)
	if temporal.IsCanceledError(err) {
		return result, fmt.Errorf("%w: %s", errCancelled, e.id)
	}
	if err != nil {
		return result, fmt.Errorf("%w: %s: %s", errExperiment, e.id, rootCause(err))
	}
	return result, nil
}

// rootCause leaves out the frames that Temporal puts around an activity's error.
func rootCause(err error) string {
	var failed *temporal.ApplicationError
	if errors.As(err, &failed) {
		for inner := error(failed); errors.As(inner, &failed); inner = failed.Unwrap() {
			err = failed
			if failed.Unwrap() == nil {
				break
			}
		}
	}
	return strings.TrimSpace(err.Error())
}

// statusCmd shows a state once.
type statusCmd struct {
	ID string `arg:"" optional:"" help:"The experiment's id; without it, the latest experiments are listed."`
}

// Run prints the stages of one experiment, or the latest experiments.
func (c *statusCmd) Run(ctx context.Context, a *app) error {
	to, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer to.Close()
	if c.ID == "" {
		return a.list(ctx, to)
	}
	e, err := find(ctx, to, c.ID)
	if err != nil {
		return err
	}
	t := newProgressTracker(e, a.now)
	status, lines, err := t.poll(ctx)
	if err != nil {
		return fmt.Errorf("looking at experiment %q: %w", c.ID, err)
	}
	if note := t.note(ctx); note != "" {
		a.logf("%s", note)
	}
	if a.flags.JSON {
		return a.printJSON(map[string]any{"id": e.id, "run": e.run, "status": statusName(status), "stages": lines})
	}
	var page strings.Builder
	fmt.Fprintf(&page, "%s %s\n", e.id, statusName(status))
	for _, l := range lines {
		page.WriteString(strings.TrimRight(format(l, a.now()), " ") + "\n")
	}
	return a.print(page.String())
}

// listedExecution is an experiment in the list.
type listedExecution struct {
	ID      string    `json:"id"`
	Run     string    `json:"run"`
	Status  string    `json:"status"`
	Started time.Time `json:"started"`
}

// maxListed is how many experiments are listed.
const maxListed = 20

// list prints the latest experiments.
func (a *app) list(ctx context.Context, to *server) error {
	found, err := to.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Query: "WorkflowType = 'Experiment'", PageSize: maxListed,
	})
	if err != nil {
		return fmt.Errorf("listing experiments: %w", err)
	}
	experiments := make([]listedExecution, 0, maxListed)
	var page strings.Builder
	for _, info := range found.GetExecutions() {
		l := listedExecution{
			info.GetExecution().GetWorkflowId(), info.GetExecution().GetRunId(), statusName(info.GetStatus()),
			info.GetStartTime().AsTime(),
		}
		experiments = append(experiments, l)
		fmt.Fprintf(&page, "%-40s %-10s %s\n", l.ID, l.Status, l.Started.Local().Format(time.DateTime))
	}
	if a.flags.JSON {
		return a.printJSON(experiments)
	}
	return a.print(page.String())
}

// statusName is Temporal's status in lower case.
func statusName(status enums.WorkflowExecutionStatus) string { return strings.ToLower(status.String()) }

// printJSON writes a value for programs.
func (a *app) printJSON(value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	return a.print(string(text) + "\n")
}

// cancelCmd stops an experiment.
type cancelCmd struct{ idArg }

// Run asks the experiment to stop; its workers save what they have first.
func (c *cancelCmd) Run(ctx context.Context, a *app) error {
	to, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer to.Close()
	e, err := find(ctx, to, c.ID)
	if err != nil {
		return err
	}
	if e.status != enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
		a.logf("experiment %s is already %s", e.id, statusName(e.status))
		return nil
	}
	if err := to.CancelWorkflow(ctx, e.id, e.run); err != nil {
		return fmt.Errorf("cancelling experiment %q: %w", e.id, err)
	}
	a.logf("experiment %s is asked to stop; its workers save their last checkpoint first", e.id)
	return nil
}
