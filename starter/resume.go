package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"rdrec/workflows"
)

// resumeCmd resumes a paused run.
type resumeCmd struct {
	ID string `arg:"" help:"The run's id, as run, distill, export and nightly run print it."`
}

// resumedRun is the result for programs: the workflows that go on, the run itself or children.
type resumedRun struct {
	ID      string   `json:"id"`
	Resumed []string `json:"resumed"`
}

// Run resumes every paused workflow of the run.
func (c *resumeCmd) Run(ctx context.Context, a *app) error {
	to, e, err := a.connectTo(ctx, c.ID)
	if err != nil {
		return err
	}
	defer to.Close()
	if e.status != enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return fmt.Errorf("%w: %s is %s", errNotPaused, e.id, statusName(e.status))
	}
	tracker := newProgressTracker(e, a.now)
	if _, _, err := tracker.poll(ctx); err != nil {
		return fmt.Errorf("polling %q: %w", c.ID, err)
	}
	resumed := resumedRun{ID: e.id}
	for _, id := range tracker.paused() {
		if err := to.resume(ctx, id); err != nil {
			return err
		}
		resumed.Resumed = append(resumed.Resumed, id)
	}
	if len(resumed.Resumed) == 0 {
		return fmt.Errorf("%w: %s runs", errNotPaused, e.id)
	}
	if a.flags.JSON {
		return a.printJSON(resumed)
	}
	a.logf("resumed: %s", strings.Join(resumed.Resumed, ", "))
	return nil
}

// resume resumes one workflow.
func (s *server) resume(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, updateTimeout)
	defer cancel()
	handle, err := s.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: id, UpdateName: workflows.UpdateResume, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, nil)
	}
	if err != nil {
		return fmt.Errorf("resuming %q: %s", id, cmp.Or(workflows.FailureOf(err).Cause, err.Error()))
	}
	return nil
}

// paused returns the ids of the workflows with a paused stage.
func (t *progressTracker) paused() []string {
	var ids []string
	for _, id := range t.workflows {
		if slices.ContainsFunc(t.lines[id], func(l stageLine) bool { return l.State == workflows.Paused }) {
			ids = append(ids, id)
		}
	}
	return ids
}
