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
	// QueueGPU is for work that fills an accelerator (or all processors): a worker takes one such
	// job at a time.
	QueueGPU = "rdrec-gpu"
)

// Queues lists the task queues.
func Queues() []string { return []string{QueueCPU, QueueGPU} }

// All timeouts and retries of the project are in this file.
const (
	// heartbeatTimeout is how long a dead worker goes unnoticed. Training fills the machine, and
	// heartbeats of a living worker must get through: 30 seconds were too few on two busy cores
	// (docs/log.md).
	heartbeatTimeout = 45 * time.Second
	// workTimeout bounds one attempt at a stage, stageTimeout all of them.
	workTimeout  = 7 * 24 * time.Hour
	stageTimeout = 30 * 24 * time.Hour
	// bookkeepingTimeout bounds one attempt at bookkeeping. It is long because a worker counts it
	// from the server's clock: one whose own clock is an hour ahead would see a shorter limit as
	// past before it began. Dead workers are noticed by their heartbeat.
	bookkeepingTimeout = 24 * time.Hour
	// DrainTimeout is how long a worker's job may take to save its state after SIGTERM; whoever
	// stops a worker waits longer.
	DrainTimeout = 2 * time.Minute
)

// execute is for the stages: unlimited attempts, because each goes on where the last one stopped.
// What would fail for ever says so itself (activities/errors.go).
func stageOptions(ctx workflow.Context, queue, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              queue,
		StartToCloseTimeout:    workTimeout,
		ScheduleToCloseTimeout: stageTimeout,
		HeartbeatTimeout:       heartbeatTimeout,
		WaitForCancellation:    true,
		DisableEagerExecution:  true,
		Summary:                summary,
		RetryPolicy:            retryPolicy(time.Second, time.Minute),
	})
}

// bookkeepingOptions is for looking up and recording results.
func bookkeepingOptions(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              QueueCPU,
		StartToCloseTimeout:    bookkeepingTimeout,
		ScheduleToCloseTimeout: stageTimeout,
		HeartbeatTimeout:       heartbeatTimeout,
		Summary:                summary,
		RetryPolicy:            retryPolicy(time.Second, 30*time.Second),
	})
}

// maxWebhookAttempts is how often a webhook is told, over about two minutes.
const maxWebhookAttempts = 6

// notifyOptions is for telling others, who may not listen.
func notifyOptions(ctx workflow.Context, summary string) workflow.Context {
	options := workflow.GetActivityOptions(bookkeepingOptions(ctx, summary))
	options.RetryPolicy = retryPolicy(2*time.Second, time.Minute)
	options.RetryPolicy.MaximumAttempts = maxWebhookAttempts
	return workflow.WithActivityOptions(ctx, options)
}

func retryPolicy(initialInterval, maximumInterval time.Duration) *temporal.RetryPolicy {
	return &temporal.RetryPolicy{
		InitialInterval: initialInterval, BackoffCoefficient: 2, MaximumInterval: maximumInterval,
		NonRetryableErrorTypes: []string{
			activities.TypeInvalidConfig, activities.TypeDataCorrupt, activities.TypeTeacherAuth, activities.TypeNoProgress,
		},
	}
}
