package main

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/api/activity/v1"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/taskqueue/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/timestamppb"

	"rdrec/workflows"
)

// queueServer is a server with one running workflow and one worker that polled some time ago.
type queueServer struct {
	client.Client
	polled  time.Time
	running string
	pending *workflowpb.PendingActivityInfo
}

func (q queueServer) DescribeTaskQueue(
	context.Context, string, enums.TaskQueueType,
) (*workflowservice.DescribeTaskQueueResponse, error) {
	return &workflowservice.DescribeTaskQueueResponse{
		Pollers: []*taskqueue.PollerInfo{{LastAccessTime: timestamppb.New(q.polled)}},
	}, nil
}

func (q queueServer) ListWorkflow(
	context.Context, *workflowservice.ListWorkflowExecutionsRequest,
) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	info := &workflowpb.WorkflowExecutionInfo{Execution: &common.WorkflowExecution{WorkflowId: q.running}}
	return &workflowservice.ListWorkflowExecutionsResponse{
		Executions: []*workflowpb.WorkflowExecutionInfo{info},
	}, nil
}

func (q queueServer) DescribeWorkflowExecution(
	context.Context, string, string,
) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	return &workflowservice.DescribeWorkflowExecutionResponse{
		PendingActivities: []*workflowpb.PendingActivityInfo{q.pending},
	}, nil
}

// TestBusyWorkerIsNotMissing shows an experiment that waits for the GPU queue, whose only worker
// executes an activity and therefore does not poll.
func TestBusyWorkerIsNotMissing(t *testing.T) {
	t.Parallel()
	const scheduled, started = enums.PENDING_ACTIVITY_STATE_SCHEDULED, enums.PENDING_ACTIVITY_STATE_STARTED
	const none = "no worker polls rdrec-gpu; start one with bin/worker --queues rdrec-gpu --bucket URL"
	on := func(queue string, state enums.PendingActivityState) *workflowpb.PendingActivityInfo {
		return &workflowpb.PendingActivityInfo{State: state, ActivityOptions: &activity.ActivityOptions{
			TaskQueue: &taskqueue.TaskQueue{Name: queue},
		}}
	}
	for _, test := range []struct {
		name, running string
		age           time.Duration
		pending       *workflowpb.PendingActivityInfo
		want          []string
	}{
		{"it polls", "other", 10 * time.Second, on(workflows.QueueGPU, scheduled), nil},
		{"busy with another run", "other", 2 * time.Minute, on(workflows.QueueGPU, started), []string{
			"waiting for a free worker: those of rdrec-gpu are busy, for example with other",
		}},
		{"busy with this run", "own/rdrec-1", 2 * time.Minute, on(workflows.QueueGPU, started), nil},
		{"it has ended", "other", 2 * time.Minute, on(workflows.QueueGPU, scheduled), []string{none}},
		{"busy on another queue", "other", 2 * time.Minute, on(workflows.QueueCPU, started), []string{none}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fake := queueServer{polled: time.Now().Add(-test.age), running: test.running, pending: test.pending}
			tracker := newProgressTracker(&execution{server: &server{Client: fake}, id: "own"}, time.Now)
			tracker.running, tracker.workflows = true, []string{"own", "own/rdrec-1"}
			tracker.waitsFor = map[string]bool{workflows.QueueGPU: true}
			if diff := cmp.Diff(test.want, tracker.notes(t.Context())); diff != "" {
				t.Errorf("notes (-want +got):\n%s", diff)
			}
		})
	}
}
