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

// queryTimeout is how long a worker may take to answer for a workflow; without a worker nothing
// does.
const queryTimeout = 3 * time.Second

// stageLine is one stage as people see it.
type stageLine struct {
	workflows.StageStatus
	// Progress is the latest heartbeat of the stage's activity; nil before the first.
	Progress *activities.Progress `json:"progress,omitempty"`
	// Problem is why the last attempt ended, or what the stage waits for.
	Problem string `json:"trouble,omitempty"`
	// Since is when a running stage was first seen.
	Since time.Time `json:"since,omitzero"`
}

// progressTracker follows an experiment and the trials that it starts.
type progressTracker struct {
	*server
	now func() time.Time
	// workflows are those seen so far, the experiment first; lines are their stages.
	workflows []string
	lines     map[string][]stageLine
	closed    map[string]bool
	// noWorker says that no worker answers for the workflow.
	noWorker bool
}

func newProgressTracker(e *execution, now func() time.Time) *progressTracker {
	return &progressTracker{
		server: e.server, now: now, workflows: []string{e.id}, lines: map[string][]stageLine{}, closed: map[string]bool{},
	}
}

// poll asks the server for the experiment's state and all its stages.
func (t *progressTracker) poll(ctx context.Context) (enums.WorkflowExecutionStatus, []stageLine, error) {
	status, err := t.pollWorkflow(ctx, t.workflows[0])
	if err != nil {
		return status, nil, err
	}
	for i := 1; i < len(t.workflows); i++ { // pollWorkflow may find more on the way
		if _, err := t.pollWorkflow(ctx, t.workflows[i]); err != nil {
			return status, nil, err
		}
	}
	return status, t.stages(), nil
}

// stages are the stages of all workflows, the experiment's closing ones last.
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

// hasStage says whether a workflow has a stage of this name, which a child of that name works at.
func (t *progressTracker) hasStage(id, stage string) bool {
	return slices.ContainsFunc(t.lines[id], func(l stageLine) bool { return l.Name == stage })
}

// pollWorkflow asks for one workflow, unless its end has been seen.
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

// queryStages queries a workflow's stages; ok is false where no worker answers in time, or none has
// begun with the workflow.
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

// merge joins what the workflow says about its stages with what its activities last reported.
func (t *progressTracker) merge(before []stageLine, stages []workflows.StageStatus, pending []*workflowpb.PendingActivityInfo) []stageLine {
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
			lines[i].Progress, lines[i].Problem = combineProgress(*s.Progress, pending, s.Name)
			continue
		}
		for _, activity := range pending {
			if isStageActivity(activity, s.Name) {
				lines[i].Problem = problemOf(activity)
				lines[i].Progress = heartbeat(activity.GetHeartbeatDetails(), lines[i].Progress)
			}
		}
	}
	return lines
}

// combineProgress adds what the activities of a stage report to what their workflow knows. One of
// them that works is enough to say nothing of those that wait.
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

// waiters is the trouble of an activity that no worker has taken yet.
const waitingForWorker = "waiting for a worker"

// isStageActivity says whether an activity does a stage's work: a stage's name begins with its
// activity's type, or with the first word of it.
func isStageActivity(activity *workflowpb.PendingActivityInfo, stage string) bool {
	word, _, _ := strings.Cut(stage, " ")
	return strings.HasPrefix(strings.ToLower(activity.GetActivityType().GetName()), word)
}

// heartbeat reads an activity's progress; what cannot be read changes nothing.
func heartbeat(details *common.Payloads, before *activities.Progress) *activities.Progress {
	var p activities.Progress
	if len(details.GetPayloads()) == 0 || converter.GetDefaultDataConverter().FromPayloads(details, &p) != nil {
		return before
	}
	return &p
}

// problemOf says what keeps an activity from going on.
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
