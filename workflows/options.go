package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"rdrec/activities"
)

// Task queues: one for each kind of resource. A worker polls those that its machine can serve.
const (
	// QueueCPU is for work that needs a processor and a disk.
	QueueCPU = "rdrec-cpu"
	// QueueGPU is for work that fills an accelerator (or all processors): a worker runs one such
	// activity at a time.
	QueueGPU = "rdrec-gpu"
	// QueueBookkeeping is for short work, which must not wait behind long work. The workers of the
	// CPU queue poll it, with slots of its own.
	QueueBookkeeping = "rdrec-bookkeeping"
)

// Queues returns the task queues among which a worker chooses.
func Queues() []string { return []string{QueueCPU, QueueGPU} }

// Priorities of activities that wait in the same queue; a smaller number goes first, and 0 is
// Temporal's default, 3. What ends a trial goes before what begins another one, so that results
// appear early.
const (
	evaluationPriority = 2
	trainingPriority   = 4
)

// prioritized sets the priority of activities. Those of different runs share the workers evenly:
// the shards of one do not delay the others.
func prioritized(ctx workflow.Context, priority int) workflow.Context {
	return workflow.WithPriority(ctx, temporal.Priority{PriorityKey: priority, FairnessKey: fairnessKey(ctx)})
}

// maxFairnessKey is the server's limit of a fairness key, in bytes.
const maxFairnessKey = 64

// fairnessKey returns the end of the id of the workflow that a person started.
func fairnessKey(ctx workflow.Context) string {
	info := workflow.GetInfo(ctx)
	id := info.WorkflowExecution.ID
	if info.RootWorkflowExecution != nil {
		id = info.RootWorkflowExecution.ID
	}
	return id[max(0, len(id)-maxFairnessKey):]
}

// All timeouts and retries of the project are in this file.
const (
	// heartbeatTimeout is how long a dead worker can remain undetected. Training fills the machine,
	// and the heartbeats of a live worker must arrive in time: 30 seconds were too short on two
	// busy cores (docs/log.md).
	heartbeatTimeout = 45 * time.Second
	// workTimeout bounds one attempt at a stage, stageTimeout all of them.
	workTimeout  = 7 * 24 * time.Hour
	stageTimeout = 30 * 24 * time.Hour
	// bookkeepingTimeout bounds one attempt at bookkeeping. It is long because a worker counts it
	// from the server's clock: to a worker whose clock is an hour ahead, a shorter timeout would
	// have expired before the attempt began. Dead workers are detected by their heartbeat.
	bookkeepingTimeout = 24 * time.Hour
	// DrainTimeout is how long a worker's activity may take to save its state after SIGTERM.
	// Whatever stops a worker must wait longer.
	DrainTimeout = 2 * time.Minute
)

// stageOptions are the options for stages: unlimited attempts, because each attempt resumes where
// the last one stopped. Errors that would occur again are non-retryable (activities/errors.go).
func stageOptions(ctx workflow.Context, queue, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              queue,
		Priority:               temporal.Priority{FairnessKey: fairnessKey(ctx)},
		StartToCloseTimeout:    workTimeout,
		ScheduleToCloseTimeout: stageTimeout,
		HeartbeatTimeout:       heartbeatTimeout,
		WaitForCancellation:    true,
		DisableEagerExecution:  true,
		Summary:                summary,
		RetryPolicy:            retryPolicy(time.Second, time.Minute),
	})
}

// bookkeepingOptions are the options for looking up and recording results, and for other short
// work.
func bookkeepingOptions(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              QueueBookkeeping,
		StartToCloseTimeout:    bookkeepingTimeout,
		ScheduleToCloseTimeout: stageTimeout,
		HeartbeatTimeout:       heartbeatTimeout,
		Summary:                summary,
		RetryPolicy:            retryPolicy(time.Second, 30*time.Second),
	})
}

// localTimeout bounds the only attempt at bookkeeping in the process that runs the workflow. It is
// shorter than a workflow task, so that a slow bucket delays none.
const localTimeout = 5 * time.Second

// localOptions are the options of the attempt at bookkeeping in the workflow's own process.
func localOptions(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
		StartToCloseTimeout: localTimeout,
		RetryPolicy:         &temporal.RetryPolicy{MaximumAttempts: 1},
		Summary:             summary,
	})
}

// maxWebhookAttempts is the number of attempts to notify a webhook, over about two minutes.
const maxWebhookAttempts = 6

// notifyOptions are the options for notifying others, who may be unreachable.
func notifyOptions(ctx workflow.Context, summary string) workflow.Context {
	options := workflow.GetActivityOptions(bookkeepingOptions(ctx, summary))
	options.RetryPolicy = retryPolicy(2*time.Second, time.Minute)
	options.RetryPolicy.MaximumAttempts = maxWebhookAttempts
	return workflow.WithActivityOptions(ctx, options)
}

// draftOptions are the options for writing the report while the run goes on: a draft that fails is
// left to the next one.
func draftOptions(ctx workflow.Context) workflow.Context {
	options := workflow.GetActivityOptions(stageOptions(ctx, QueueBookkeeping, "report so far"))
	options.RetryPolicy = &temporal.RetryPolicy{MaximumAttempts: 1}
	return workflow.WithActivityOptions(ctx, options)
}

func retryPolicy(initialInterval, maximumInterval time.Duration) *temporal.RetryPolicy {
	return &temporal.RetryPolicy{
		InitialInterval: initialInterval, BackoffCoefficient: 2, MaximumInterval: maximumInterval,
		NonRetryableErrorTypes: []string{
			activities.TypeInvalidConfig, activities.TypeDataCorrupt, activities.TypeTeacherAuth,
			activities.TypeNoProgress,
		},
	}
}
