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
	to, tracker, err := a.follow(ctx, c.ID)
	if err != nil {
		return err
	}
	defer to.Close()
	resumed := resumedRun{ID: c.ID}
	for _, id := range tracker.paused() {
		if err := to.update(ctx, id, workflows.UpdateResume); err != nil {
			return err
		}
		resumed.Resumed = append(resumed.Resumed, id)
	}
	if len(resumed.Resumed) == 0 {
		return fmt.Errorf("%w: %s runs", errNotPaused, c.ID)
	}
	return a.done(resumed, "resumed: %s", strings.Join(resumed.Resumed, ", "))
}

// follow connects to the server and polls a running workflow. The caller closes the server.
func (a *app) follow(ctx context.Context, id string) (*server, *progressTracker, error) {
	to, e, err := a.connectTo(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	tracker := newProgressTracker(e, a.now)
	if e.status != enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
		err = fmt.Errorf("%w: %s is %s", errNotPaused, e.id, statusName(e.status))
	} else if _, _, err = tracker.poll(ctx); err != nil {
		err = fmt.Errorf("polling %q: %w", id, err)
	}
	if err != nil {
		to.Close()
		return nil, nil, err
	}
	return to, tracker, nil
}

// update sends an update to a workflow and waits until it has happened.
func (s *server) update(ctx context.Context, id, name string) error {
	ctx, cancel := context.WithTimeout(ctx, updateTimeout)
	defer cancel()
	handle, err := s.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: id, UpdateName: name, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, nil)
	}
	if err != nil {
		return fmt.Errorf("%s %q: %s", name, id, cmp.Or(workflows.FailureOf(err).Cause, err.Error()))
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

// pausedNote returns the message that the experiment is paused.
func (t *progressTracker) pausedNote() string {
	for _, lines := range t.lines {
		for _, l := range lines {
			if l.State == workflows.Paused && l.Note != workflows.PausedByPerson {
				return fmt.Sprintf("paused: fix the cause, then \"starter resume %s\"", t.workflows[0])
			}
		}
	}
	return fmt.Sprintf("paused by a person: \"starter resume %s\" continues", t.workflows[0])
}
