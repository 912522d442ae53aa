package main

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/workflow"

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
	// histories are the workflows whose stages were found without a worker.
	histories map[string]replayedHistory
	// noWorker is true if no worker polls for workflows, or if none answered the last query, which
	// unanswered reports. waitsFor are the queues of activities that no worker has taken.
	// running is true while the experiment runs.
	running, noWorker, unanswered bool
	waitsFor                      map[string]bool
	// queues are the queues whose workers were searched for.
	queues map[string]queueState
}

func newProgressTracker(e *execution, now func() time.Time) *progressTracker {
	return &progressTracker{
		server:    e.server,
		now:       now,
		workflows: []string{e.id},
		lines:     map[string][]stageLine{},
		closed:    map[string]bool{},
		histories: map[string]replayedHistory{},
		queues:    map[string]queueState{},
	}
}

// poll returns the experiment's status and all its stages.
func (t *progressTracker) poll(ctx context.Context) (enums.WorkflowExecutionStatus, []stageLine, error) {
	t.noWorker = !t.polled(ctx, workflows.QueueCPU, enums.TASK_QUEUE_TYPE_WORKFLOW)
	t.unanswered, t.waitsFor = false, map[string]bool{}
	status, err := t.pollWorkflow(ctx, t.workflows[0])
	if err != nil {
		return status, nil, err
	}
	t.running = status == enums.WORKFLOW_EXECUTION_STATUS_RUNNING
	for i := 1; i < len(t.workflows); i++ { // pollWorkflow appends child workflows
		if _, err := t.pollWorkflow(ctx, t.workflows[i]); err != nil {
			return status, nil, err
		}
	}
	return status, t.stages(), nil
}

// notes returns a message for each queue on which a running experiment waits for a worker, and one
// if it is paused.
func (t *progressTracker) notes(ctx context.Context) []string {
	if !t.running {
		return nil
	}
	var notes []string
	for _, queue := range workflows.Queues() {
		forWorkflows := queue == workflows.QueueCPU && t.noWorker
		switch waits := forWorkflows || t.waitsFor[queue]; {
		case forWorkflows && t.unanswered:
			notes = append(notes, fmt.Sprintf("no worker answers on %s; start one with bin/worker --bucket URL", queue))
		case waits:
			notes = append(notes, t.queueNotes(ctx, queue)...)
		}
	}
	if len(t.paused()) > 0 {
		notes = append(notes, t.pausedNote())
	}
	return notes
}

// busyInterval is the time between two searches for the workers of a queue.
const busyInterval = 10 * time.Second

// queueState is the last result of [server.hasWorker].
type queueState struct {
	checked time.Time
	found   bool
	busy    string
}

// queueNotes returns the message for a queue on which the experiment waits for a worker: none, if a
// worker polls it or is busy with the experiment itself.
func (t *progressTracker) queueNotes(ctx context.Context, queue string) []string {
	state := t.queues[queue]
	if t.now().Sub(state.checked) >= busyInterval {
		state.checked = t.now()
		state.found, state.busy = t.hasWorker(ctx, queue)
		t.queues[queue] = state
	}
	switch {
	case !state.found:
		return []string{noWorkerNote(queue)}
	case state.busy != "" && !slices.Contains(t.workflows, state.busy):
		const format = "%s: those of %s are busy, for example with %s"
		return []string{fmt.Sprintf(format, waitingForWorker, queue, state.busy)}
	default:
		return nil
	}
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

// trialLine is a trial of the experiment.
type trialLine struct {
	name   string
	closed bool
}

// trials returns the experiment's trials: its child workflows other than stages.
func (t *progressTracker) trials() []trialLine {
	var all []trialLine
	for _, id := range t.workflows[1:] {
		parent, name := path.Split(id)
		if strings.TrimSuffix(parent, "/") == t.workflows[0] && !t.hasStage(t.workflows[0], name) {
			all = append(all, trialLine{name, t.closed[id]})
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
	status := found.GetWorkflowExecutionInfo().GetStatus()
	closed := status != enums.WORKFLOW_EXECUTION_STATUS_RUNNING
	if err := t.addChildren(ctx, id, found.GetPendingChildren(), closed); err != nil {
		return status, err
	}
	t.addQueues(found.GetPendingActivities())
	if stages, ok := t.stagesOf(ctx, found.GetWorkflowExecutionInfo()); ok {
		t.lines[id] = t.merge(t.lines[id], stages, found.GetPendingActivities())
		t.closed[id] = closed
	}
	return status, nil
}

// addChildren adds the workflow's children: from its history when it is first seen and when it is
// closed, because the server lists only running children.
func (t *progressTracker) addChildren(
	ctx context.Context, id string, pending []*workflowpb.PendingChildExecutionInfo, closed bool,
) error {
	var children []string
	if _, seen := t.lines[id]; !seen || closed {
		history, err := t.history(ctx, id)
		if err != nil {
			return err
		}
		for _, event := range history.GetEvents() {
			if started := event.GetChildWorkflowExecutionStartedEventAttributes(); started != nil {
				children = append(children, started.GetWorkflowExecution().GetWorkflowId())
			}
		}
	}
	for _, child := range pending {
		children = append(children, child.GetWorkflowId())
	}
	for _, child := range children {
		if !slices.Contains(t.workflows, child) {
			t.workflows = append(t.workflows, child)
		}
	}
	return nil
}

// addQueues notes the queues of activities that no worker has taken.
func (t *progressTracker) addQueues(pending []*workflowpb.PendingActivityInfo) {
	for _, activity := range pending {
		if activity.GetState() == enums.PENDING_ACTIVITY_STATE_SCHEDULED {
			t.waitsFor[activity.GetActivityOptions().GetTaskQueue().GetName()] = true
		}
	}
}

// stagesOf returns a workflow's stages: a worker's answer, or what the history says if no worker
// answers. ok is false if neither is to be had.
func (t *progressTracker) stagesOf(
	ctx context.Context, info *workflowpb.WorkflowExecutionInfo,
) (stages []workflows.StageStatus, ok bool) {
	if !t.noWorker {
		if stages, ok := t.queryStages(ctx, info.GetExecution().GetWorkflowId()); ok {
			return stages, true
		}
	}
	return t.replayStages(ctx, info)
}

// queryStages queries a workflow's stages; ok is false if no worker answers in time.
func (t *progressTracker) queryStages(ctx context.Context, id string) (stages []workflows.StageStatus, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	response, err := t.QueryWorkflow(ctx, id, "", workflows.QueryStages)
	t.noWorker, t.unanswered = err != nil, err != nil
	if err != nil {
		return nil, false
	}
	return stages, response.Get(&stages) == nil
}

// replayedHistory is a history of which the stages are known.
type replayedHistory struct {
	run    string
	length int64
	stages []workflows.StageStatus
}

// replayStages finds a workflow's stages by replaying its history in this process.
func (t *progressTracker) replayStages(
	ctx context.Context, info *workflowpb.WorkflowExecutionInfo,
) (stages []workflows.StageStatus, ok bool) {
	execution := workflow.Execution{ID: info.GetExecution().GetWorkflowId(), RunID: info.GetExecution().GetRunId()}
	known := t.histories[execution.ID]
	if known.run == execution.RunID && known.length == info.GetHistoryLength() {
		return known.stages, true
	}
	history, err := t.history(ctx, execution.ID)
	if err != nil {
		return nil, false
	}
	stages, err = t.payloads.ReplayStages(history, execution)
	if err != nil {
		return nil, false // the run belongs to another version
	}
	t.histories[execution.ID] = replayedHistory{execution.RunID, info.GetHistoryLength(), stages}
	return stages, true
}

// history fetches the history of a workflow's latest run.
func (t *progressTracker) history(ctx context.Context, id string) (*historypb.History, error) {
	var history historypb.History
	events := t.GetWorkflowHistory(ctx, id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return nil, err
		}
		history.Events = append(history.Events, event)
	}
	return &history, nil
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
			lines[i].Progress, lines[i].Problem = t.combineProgress(*s.Progress, pending, s.Stage)
			continue
		}
		for _, activity := range pending {
			if isStageActivity(activity, s.Stage) {
				lines[i].Problem = t.problemOf(activity)
				if started := activity.GetLastStartedTime(); started != nil && i >= len(before) {
					lines[i].Since = started.AsTime()
				}
				lines[i].Progress = t.heartbeat(activity.GetHeartbeatDetails(), lines[i].Progress)
			}
		}
	}
	return lines
}

// combineProgress adds the progress of a stage's activities to that of their workflow. If one of
// them is running, those that wait for a worker are no problem.
func (s *server) combineProgress(
	base activities.Progress, pending []*workflowpb.PendingActivityInfo, stage string,
) (sum *activities.Progress, problem string) {
	running := false
	for _, activity := range pending {
		if !isStageActivity(activity, stage) {
			continue
		}
		if part := s.heartbeat(activity.GetHeartbeatDetails(), nil); part != nil && part.Unit == base.Unit {
			base = base.Add(*part)
		}
		if t := s.problemOf(activity); t != "" && (problem == "" || problem == waitingForWorker) {
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
const waitingForWorker = "waiting for a free worker"

// isStageActivity reports whether an activity does the work of a stage.
func isStageActivity(activity *workflowpb.PendingActivityInfo, stage string) bool {
	return slices.Contains(activities.StagesOf(activity.GetActivityType().GetName()), stage)
}

// heartbeat decodes the progress in an activity's last heartbeat. It returns before if there is
// none.
func (s *server) heartbeat(details *common.Payloads, before *activities.Progress) *activities.Progress {
	var p activities.Progress
	if len(details.GetPayloads()) == 0 || s.payloads.Converter().FromPayloads(details, &p) != nil {
		return before
	}
	return &p
}

// problemOf returns the reason why an activity is not running, or "".
func (s *server) problemOf(activity *workflowpb.PendingActivityInfo) string {
	switch {
	case activity.GetPaused():
		return "paused"
	case activity.GetLastFailure() != nil && activity.GetState() != enums.PENDING_ACTIVITY_STATE_STARTED:
		last := s.payloads.FailureConverter().FailureToError(activity.GetLastFailure())
		return "retrying: " + workflows.FailureOf(last).Cause
	case activity.GetState() == enums.PENDING_ACTIVITY_STATE_SCHEDULED:
		return waitingForWorker
	default:
		return ""
	}
}
