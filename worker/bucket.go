package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"

	"rdrec/internal/build"
	"rdrec/storage"
	"rdrec/workflows"
)

// errOtherBucket is the error of a worker that would join workers on another bucket.
var errOtherBucket = errors.New("the workers of these queues use another bucket")

// Times of the check before a worker joins others.
const (
	// pollTimeout is longer than a worker waits for one task: the server has news of every live
	// worker within it.
	pollTimeout = 70 * time.Second
	// peerInterval is the time between two looks at the workers.
	peerInterval = 2 * time.Second
)

// processName returns this process as pid@host, the form of the SDK's identities.
func processName() string {
	return fmt.Sprintf("%d@%s", os.Getpid(), hostName())
}

func hostName() string {
	host, err := os.Hostname()
	if err != nil {
		return build.Unknown
	}
	return host
}

// peerCheck compares the bucket of a worker that starts with those of the workers that poll
// already.
type peerCheck struct {
	own storage.Identity
	// pollers returns the identities of the workers that polled in the last minutes, each with the
	// time of its last poll.
	pollers func(context.Context) (map[string]time.Time, error)
	// wait pauses before the n-th look, counted from 1; false ends the check.
	wait func(ctx context.Context, n int) bool
	log  zerolog.Logger
}

// run returns an error if another worker uses another bucket. The server also lists workers that
// have ended: run waits until a worker polls again, or for as long as a live one would need.
func (p *peerCheck) run(ctx context.Context) error {
	first, err := p.others(ctx)
	if err != nil || len(first) == 0 {
		return err
	}
	for identity := range first {
		process, bucket, _ := workflows.BucketOfWorker(identity)
		p.log.Warn().Str("worker", process).Stringer("its_bucket", bucket).Stringer("own_bucket", p.own).
			Msg("a worker of these queues uses another bucket: waiting to see whether it still polls")
	}
	for n := 1; p.wait(ctx, n); n++ {
		now, err := p.others(ctx)
		if err != nil {
			return err
		}
		for identity, polled := range now {
			if before, known := first[identity]; !known || polled.After(before) {
				process, bucket, _ := workflows.BucketOfWorker(identity)
				return fmt.Errorf("%w: worker %s uses %s, this one would use %s",
					errOtherBucket, process, bucket, p.own)
			}
		}
	}
	return nil
}

// others returns the pollers with another bucket, without processes of this machine that have
// ended.
func (p *peerCheck) others(ctx context.Context) (map[string]time.Time, error) {
	pollers, err := p.pollers(ctx)
	if err != nil {
		return nil, err
	}
	for identity := range pollers {
		process, bucket, ok := workflows.BucketOfWorker(identity)
		if !ok || bucket.ID == p.own.ID || ended(process) {
			delete(pollers, identity)
		}
	}
	return pollers, nil
}

// ended reports whether a process, named as pid@host, ran on this machine and has ended. One with
// this process's own name, as in a container that was restarted, has ended, too.
func ended(process string) bool {
	if process == processName() {
		return true
	}
	text, host, _ := strings.Cut(process, "@")
	pid, err := strconv.Atoi(text)
	if err != nil || host != hostName() {
		return false
	}
	return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}

// waitForPoll waits for peerInterval, up to pollTimeout in total.
func waitForPoll(ctx context.Context, n int) bool {
	timer := time.NewTimer(peerInterval)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return time.Duration(n)*peerInterval <= pollTimeout
	}
}

// pollersOf returns the workers that poll any of the project's queues.
func pollersOf(temporal client.Client) func(context.Context) (map[string]time.Time, error) {
	return func(ctx context.Context) (map[string]time.Time, error) {
		found := map[string]time.Time{}
		for _, queue := range workflows.Queues() {
			for _, tasks := range []enums.TaskQueueType{
				enums.TASK_QUEUE_TYPE_WORKFLOW, enums.TASK_QUEUE_TYPE_ACTIVITY,
			} {
				described, err := temporal.DescribeTaskQueue(ctx, queue, tasks)
				if err != nil {
					return nil, fmt.Errorf("list the workers of queue %q: %w", queue, err)
				}
				for _, poller := range described.GetPollers() {
					if at := poller.GetLastAccessTime().AsTime(); at.After(found[poller.GetIdentity()]) {
						found[poller.GetIdentity()] = at
					}
				}
			}
		}
		return found, nil
	}
}

// bucketInterceptor refuses activities of runs that were started for another bucket.
type bucketInterceptor struct {
	interceptor.WorkerInterceptorBase
	own storage.Identity
}

// InterceptActivity checks the bucket before each activity.
func (b *bucketInterceptor) InterceptActivity(
	_ context.Context, next interceptor.ActivityInboundInterceptor,
) interceptor.ActivityInboundInterceptor {
	return &bucketActivity{interceptor.ActivityInboundInterceptorBase{Next: next}, b.own}
}

type bucketActivity struct {
	interceptor.ActivityInboundInterceptorBase
	own storage.Identity
}

// ExecuteActivity executes the activity of a run that belongs to the worker's bucket.
func (b *bucketActivity) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	if err := workflows.CheckBucket(ctx, b.own, processName()); err != nil {
		return nil, err
	}
	return b.Next.ExecuteActivity(ctx, in)
}
