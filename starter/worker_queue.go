package main

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/taskqueue/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"rdrec/workflows"
)

// livePoller is how recently a live worker has asked for a task. The server lists workers that have
// ended for some minutes more.
const livePoller = 90 * time.Second

// pollers returns the workers that poll a queue.
func (s *server) pollers(
	ctx context.Context, queue string, tasks enums.TaskQueueType,
) ([]*taskqueue.PollerInfo, error) {
	described, err := s.DescribeTaskQueue(ctx, queue, tasks)
	if err != nil {
		return nil, fmt.Errorf("listing the workers of %s: %w", queue, err)
	}
	var live []*taskqueue.PollerInfo
	for _, p := range described.GetPollers() {
		if time.Since(p.GetLastAccessTime().AsTime()) < livePoller {
			live = append(live, p)
		}
	}
	return live, nil
}

// polled reports whether a worker polls a queue. It reports true where the server does not say.
func (s *server) polled(ctx context.Context, queue string, tasks enums.TaskQueueType) bool {
	live, err := s.pollers(ctx, queue, tasks)
	return err != nil || len(live) > 0
}

// hasWorker reports whether a worker executes the activities of a queue. busy is the id of a
// workflow with which one is busy, if none polls.
func (s *server) hasWorker(ctx context.Context, queue string) (found bool, busy string) {
	if s.polled(ctx, queue, enums.TASK_QUEUE_TYPE_ACTIVITY) {
		return true, ""
	}
	busy = s.busyWith(ctx, queue)
	return busy != "", busy
}

// Limits of [server.busyWith].
const (
	maxDescribed = 200
	busyTimeout  = 5 * time.Second
)

// busyWith returns the id of a running workflow of which a worker executes an activity of the
// queue; "" if there is none. A worker does not poll while all that it may execute at a time is
// running, which is one activity on the GPU queue. The server ends an activity whose worker no
// longer sends heartbeats, so a started one proves that a worker lives.
func (s *server) busyWith(ctx context.Context, queue string) string {
	ctx, cancel := context.WithTimeout(ctx, busyTimeout)
	defer cancel()
	listed, err := s.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Query: "ExecutionStatus = 'Running'", PageSize: maxDescribed,
	})
	if err != nil {
		return ""
	}
	for _, info := range listed.GetExecutions() {
		id := info.GetExecution().GetWorkflowId()
		described, err := s.DescribeWorkflowExecution(ctx, id, info.GetExecution().GetRunId())
		if err == nil && executes(described.GetPendingActivities(), queue) {
			return id
		}
	}
	return ""
}

// executes reports whether a worker executes one of the activities on a queue.
func executes(pending []*workflowpb.PendingActivityInfo, queue string) bool {
	for _, activity := range pending {
		if activity.GetState() == enums.PENDING_ACTIVITY_STATE_STARTED &&
			activity.GetActivityOptions().GetTaskQueue().GetName() == queue {
			return true
		}
	}
	return false
}

// noWorkerNote returns the message that no worker polls a queue.
func noWorkerNote(queue string) string {
	return fmt.Sprintf("no worker polls %s; start one with %s", queue, workerCommand(queue))
}

// workerCommand returns the command that starts a worker of a queue.
func workerCommand(queue string) string {
	flag := ""
	if queue != workflows.QueueCPU {
		flag = " --queues " + queue
	}
	return "bin/worker" + flag + " --bucket URL"
}
