package workflows

import (
	"fmt"

	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// minHistory is the number of events from which a workflow has run at all.
const minHistory = 3

// ReplayStages returns what a workflow would answer to [QueryStages], without a worker: it replays
// the history in this process.
func (p Payloads) ReplayStages(events *history.History, execution workflow.Execution) ([]StageStatus, error) {
	if len(events.GetEvents()) < minHistory {
		return nil, nil
	}
	captured := &queryCapture{}
	replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{
		Interceptors: []interceptor.WorkerInterceptor{captured}, ContextPropagators: p.Propagators(),
		DataConverter: p.Converter(), FailureConverter: p.FailureConverter(), DisableDeadlockDetection: true,
	})
	if err != nil {
		return nil, fmt.Errorf("make a replayer: %w", err)
	}
	Register(replayer)
	options := worker.ReplayWorkflowHistoryOptions{OriginalExecution: execution}
	if err := replayer.ReplayWorkflowHistoryWithOptions(nil, events, options); err != nil {
		return nil, fmt.Errorf("replay workflow %q: %w", execution.ID, err)
	}
	if captured.stages == nil {
		return nil, nil
	}
	return captured.stages()
}

// queryCapture keeps the handler that a workflow registers for [QueryStages].
type queryCapture struct {
	interceptor.WorkerInterceptorBase
	stages func() ([]StageStatus, error)
}

// InterceptWorkflow wraps each workflow.
func (c *queryCapture) InterceptWorkflow(
	_ workflow.Context, next interceptor.WorkflowInboundInterceptor,
) interceptor.WorkflowInboundInterceptor {
	return &captureInbound{interceptor.WorkflowInboundInterceptorBase{Next: next}, c}
}

type captureInbound struct {
	interceptor.WorkflowInboundInterceptorBase
	capture *queryCapture
}

// Init wraps the calls that the workflow makes.
func (c *captureInbound) Init(next interceptor.WorkflowOutboundInterceptor) error {
	outbound := &captureOutbound{interceptor.WorkflowOutboundInterceptorBase{Next: next}, c.capture}
	return c.Next.Init(outbound)
}

type captureOutbound struct {
	interceptor.WorkflowOutboundInterceptorBase
	capture *queryCapture
}

// SetQueryHandlerWithOptions keeps the handler.
func (c *captureOutbound) SetQueryHandlerWithOptions(
	ctx workflow.Context, query string, handler any, options workflow.QueryHandlerOptions,
) error {
	if stages, ok := handler.(func() ([]StageStatus, error)); ok && query == QueryStages {
		c.capture.stages = stages
	}
	return c.Next.SetQueryHandlerWithOptions(ctx, query, handler, options)
}
