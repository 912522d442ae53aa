package main

import (
	"context"
	"path"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/converter"

	"rdrec/activities"
	"rdrec/workflows"
)

// queryTimeout is the time limit of a workflow query; without a worker, a query always runs into
// it.
const queryTimeout = 3 * time.Second

// stageLine is a stage in the output.
type stageLine struct {
	workflows.StageStatus
	// Progress is the latest heartbeat of the stage's activity; nil before the first.
	Progress *activities.Progress `json:"progress,omitempty"`
	// Problem is the error of the last attempt, or what the stage is waiting for.
	Problem string `json:"problem,omitempty"`
	// Since is the time at which a running stage was first seen.
	Since time.Time `json:"since,omitzero"`
}

// progressTracker polls an experiment and its child workflows.
type progressTracker struct {
	*server
	now func() time.Time
	// workflows are the ids seen so far, the experiment first; lines are their stages.
	workflows []string
	lines     map[string][]stageLine
	closed    map[string]bool
	// noWorker is true if no worker answered the last query.
	noWorker bool
}

func newProgressTracker(e *execution, now func() time.Time) *progressTracker {
	return &progressTracker{
		server:    e.server,
		now:       now,
		workflows: []string{e.id},
		lines:     map[string][]stageLine{},
		closed:    map[string]bool{},
	}
}

// poll returns the experiment's status and all its stages.
func (t *progressTracker) poll(ctx context.Context) (enums.WorkflowExecutionStatus, []stageLine, error) {
	status, err := t.pollWorkflow(ctx, t.workflows[0])
	if err != nil {
		return status, nil, err
	}
	for i := 1; i < len(t.workflows); i++ { // pollWorkflow appends child workflows
		if _, err := t.pollWorkflow(ctx, t.workflows[i]); err != nil {
			return status, nil, err
		}
	}
	return status, t.stages(), nil
}

// note returns a message if no worker polls the workflows' queue, and "" otherwise.
func (t *progressTracker) note(ctx context.Context) string {
	if !t.noWorker {
		return ""
	}
	return t.noWorkerNote(ctx)
}

// stages returns the stages of all workflows. The stages of a child workflow replace the stage that
// it works on while that is running.
func (t *progressTracker) stages() []stageLine {
	var all []stageLine
	for _, id := range t.workflows {
		if parent, stage := path.Split(id); t.hasStage(strings.TrimSuffix(parent, "/"), stage) {
			continue
		}
		for _, l := range t.lines[id] {
			if inner := t.lines[id+"/"+l.Name]; l.State == workflows.Running && len(inner) > 0 {
				all = append(all, inner...)
				continue
			}
			all = append(all, l)
		}
	}
	return all
}

// hasStage reports whether a workflow has a stage of this name.
func (t *progressTracker) hasStage(id, stage string) bool {
	return slices.ContainsFunc(t.lines[id], func(l stageLine) bool { return l.Name == stage })
}

// pollWorkflow polls one workflow, unless it was seen closed.
func (t *progressTracker) pollWorkflow(ctx context.Context, id string) (enums.WorkflowExecutionStatus, error) {
	if t.closed[id] {
		return enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, nil
	}
	found, err := t.DescribeWorkflowExecution(ctx, id, "")
	if err != nil {
		return 0, err
	}
	for _, child := range found.GetPendingChildren() {
		if !slices.Contains(t.workflows, child.GetWorkflowId()) {
			t.workflows = append(t.workflows, child.GetWorkflowId())
		}
	}
	status := found.GetWorkflowExecutionInfo().GetStatus()
	stages, ok := t.queryStages(ctx, id)
	if ok {
		t.lines[id] = t.merge(t.lines[id], stages, found.GetPendingActivities())
		t.closed[id] = status != enums.WORKFLOW_EXECUTION_STATUS_RUNNING
	}
	return status, nil
}

// queryStages queries a workflow's stages; ok is false if no worker answers in time, or if the
// workflow has not started.
func (t *progressTracker) queryStages(ctx context.Context, id string) (stages []workflows.StageStatus, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	response, err := t.QueryWorkflow(ctx, id, "", workflows.QueryStages)
	t.noWorker = err != nil
	if err != nil {
		return nil, false
	}
	return stages, response.Get(&stages) == nil
}

// merge adds the progress of the pending activities to the stages of their workflow.
func (t *progressTracker) merge(
	before []stageLine, stages []workflows.StageStatus, pending []*workflowpb.PendingActivityInfo,
) []stageLine {
	lines := make([]stageLine, len(stages))
	for i, s := range stages {
		lines[i] = stageLine{StageStatus: s}
		if s.State != workflows.Running {
			continue
		}
		lines[i].Since = t.now()
		if i < len(before) {
			lines[i].Since, lines[i].Progress = before[i].Since, before[i].Progress
		}
		if s.Progress != nil {
			lines[i].Progress, lines[i].Problem = combineProgress(*s.Progress, pending, s.Stage)
			continue
		}
		for _, activity := range pending {
			if isStageActivity(activity, s.Stage) {
				lines[i].Problem = problemOf(activity)
				lines[i].Progress = heartbeat(activity.GetHeartbeatDetails(), lines[i].Progress)
			}
		}
	}
	return lines
}

// combineProgress adds the progress of a stage's activities to that of their workflow. If one of
// them is running, those that wait for a worker are no problem.
func combineProgress(
	base activities.Progress, pending []*workflowpb.PendingActivityInfo, stage string,
) (sum *activities.Progress, problem string) {
	running := false
	for _, activity := range pending {
		if !isStageActivity(activity, stage) {
			continue
		}
		if part := heartbeat(activity.GetHeartbeatDetails(), nil); part != nil && part.Unit == base.Unit {
			base = base.Add(*part)
		}
		if t := problemOf(activity); t != "" && (problem == "" || problem == waitingForWorker) {
			problem = t
		}
		running = running || activity.GetState() == enums.PENDING_ACTIVITY_STATE_STARTED
	}
	if running && problem == waitingForWorker {
		problem = ""
	}
	return &base, problem
}

// waitingForWorker is the problem of an activity that no worker has taken yet.
const waitingForWorker = "waiting for a worker"

// isStageActivity reports whether an activity does the work of a stage.
func isStageActivity(activity *workflowpb.PendingActivityInfo, stage string) bool {
	return slices.Contains(activities.StagesOf(activity.GetActivityType().GetName()), stage)
}

// heartbeat decodes the progress in an activity's last heartbeat. It returns before if there is
// none.
func heartbeat(details *common.Payloads, before *activities.Progress) *activities.Progress {
	var p activities.Progress
	if len(details.GetPayloads()) == 0 || converter.GetDefaultDataConverter().FromPayloads(details, &p) != nil {
		return before
	}
	return &p
}

// problemOf returns the reason why an activity is not running, or "".
func problemOf(activity *workflowpb.PendingActivityInfo) string {
	switch {
	case activity.GetPaused():
		return "paused"
	case activity.GetLastFailure() != nil && activity.GetState() != enums.PENDING_ACTIVITY_STATE_STARTED:
		return "retrying: " + activity.GetLastFailure().GetMessage()
	case activity.GetState() == enums.PENDING_ACTIVITY_STATE_SCHEDULED:
		return waitingForWorker
	default:
		return ""
	}
}
