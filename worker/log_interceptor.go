package main

import (
	"context"
	"fmt"
	"io"
	"path"
	"time"

	"github.com/rs/zerolog"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"

	"rdrec/storage"
	"rdrec/workflows"
)

// Limits of the logs in the bucket.
const (
	// logFlushInterval is the time between two writes of a running attempt's log.
	logFlushInterval = 5 * time.Second
	// logWriteTimeout bounds a write. A log that cannot be written fails no activity.
	logWriteTimeout = 10 * time.Second
	// maxAttemptLogs is how many attempts of an activity keep their logs, the newest.
	maxAttemptLogs = 20
)

// logInterceptor gives each activity a logger whose lines go to the worker's log and, with the run
// for which it works, to the bucket.
type logInterceptor struct {
	interceptor.WorkerInterceptorBase
	bucket *storage.Bucket
	// out receives the lines of the worker's own log.
	out   io.Writer
	level zerolog.Level
	// secrets never reach a log.
	secrets []string
	now     func() time.Time
}

// InterceptActivity wraps each activity.
func (l *logInterceptor) InterceptActivity(
	_ context.Context, next interceptor.ActivityInboundInterceptor,
) interceptor.ActivityInboundInterceptor {
	return &loggedActivity{interceptor.ActivityInboundInterceptorBase{Next: next}, l}
}

type loggedActivity struct {
	interceptor.ActivityInboundInterceptorBase
	*logInterceptor
}

// ExecuteActivity executes the activity with its logger. Bookkeeping in a workflow's own process
// logs nothing.
func (l *loggedActivity) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	info := activity.GetInfo(ctx)
	job, ok := workflows.JobOf(ctx)
	if info.IsLocalActivity || !ok {
		return l.Next.ExecuteActivity(ctx, in)
	}
	buffer := &logBuffer{secrets: l.secrets}
	log := zerolog.New(zerolog.MultiLevelWriter(l.out, buffer)).Level(l.level).Hook(exactTime(l.now)).With().
		Str("run", job.Workflow).Str("stage", job.Label).Int32("attempt", info.Attempt).Str("worker", processName()).
		Logger()
	log.Info().Msg("activity starts")
	stop := make(chan struct{})
	flushed := make(chan struct{})
	go func() {
		defer close(flushed)
		l.flush(ctx, stop, job, info, buffer)
	}()
	started := l.now()
	result, err := l.Next.ExecuteActivity(log.WithContext(ctx), in)
	took := l.now().Sub(started).Round(time.Millisecond).String()
	switch {
	case temporal.IsCanceledError(err):
		log.Info().Str("took", took).Msg("activity is cancelled")
	case err != nil:
		log.Warn().Str("took", took).Str("error", workflows.FailureOf(err).Cause).Msg("activity fails")
	default:
		log.Info().Str("took", took).Msg("activity ends")
	}
	close(stop)
	<-flushed
	return result, err
}

// exactTime adds the time to a line, exact enough to order the lines of several attempts.
type exactTime func() time.Time

// Run adds the time.
func (now exactTime) Run(e *zerolog.Event, _ zerolog.Level, _ string) {
	e.Str(zerolog.TimestampFieldName, now().UTC().Format(time.RFC3339Nano))
}

// flush writes the buffer to the bucket whenever it has changed, until the attempt ends, and a last
// time then.
func (l *logInterceptor) flush(
	ctx context.Context, stop <-chan struct{}, job workflows.Job, info activity.Info, buffer *logBuffer,
) {
	ticker := time.NewTicker(logFlushInterval)
	defer ticker.Stop()
	for running := true; running; {
		select {
		case <-stop:
			running = false
		case <-ticker.C:
		}
		if lines, changed := buffer.read(); changed {
			l.put(context.WithoutCancel(ctx), job, logName(info, info.Attempt), lines)
		}
	}
	if old := info.Attempt - maxAttemptLogs; old > 0 {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), logWriteTimeout)
		defer cancel()
		_ = l.bucket.RemoveLog(ctx, job.Workflow, job.Run, logName(info, old)) //nolint:errcheck // it is small
	}
}

func (l *logInterceptor) put(ctx context.Context, job workflows.Job, name string, lines []byte) {
	ctx, cancel := context.WithTimeout(ctx, logWriteTimeout)
	defer cancel()
	// A bucket that is away does not delay the work, which reports the same problem itself.
	_ = l.bucket.PutLog(ctx, job.Workflow, job.Run, name, lines) //nolint:errcheck // see above
}

// logName returns the name of an attempt's log: unique in its run, of which child workflows count
// their activities by themselves.
func logName(info activity.Info, attempt int32) string {
	return fmt.Sprintf("%s-%.8s-%03s-%d",
		path.Base(info.WorkflowExecution.ID), info.WorkflowExecution.RunID, info.ActivityID, attempt)
}
