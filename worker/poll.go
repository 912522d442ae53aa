package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	sdk "go.temporal.io/sdk/worker"

	"rdrec/activities"
	"rdrec/internal/observe"
	"rdrec/storage"
	"rdrec/workflows"
)

// poll runs one SDK worker per queue until ctx is done or one of them fails, then stops all of
// them.
func poll(
	ctx context.Context, temporal client.Client, o options, acts *activities.Activities, before *machineInterceptors,
) error {
	version, err := versionOf(o)
	if err != nil {
		return err
	}
	queues := polled(o.Queues)
	fatal := make(chan error, 2*len(queues))
	var workers []sdk.Worker
	defer func() { drain(workers) }()
	for _, queue := range queues {
		w, err := startWorker(ctx, acts.Log, func() sdk.Worker {
			return newWorker(temporal, queue, o.workerOptions(queue, version, before.of(queue, fatal), fatal), acts)
		})
		if err != nil {
			return fmt.Errorf("poll queue %q: %w", queue, err)
		}
		workers = append(workers, w)
	}
	acts.Log.Info().Stringer("bucket", before.own).Strs("queues", o.Queues).Interface("build", acts.Build).
		Msg("worker polls")
	before.monitor.Ready(true)
	defer before.monitor.Ready(false) // first, so that a draining worker is not ready
	select {
	case <-ctx.Done():
		acts.Log.Info().Msg("worker drains")
		return nil
	case err := <-fatal:
		return fmt.Errorf("worker stopped: %w", err)
	}
}

// polled returns the queues that a worker polls. Bookkeeping goes with the CPU queue, where it
// would wait behind imports.
func polled(queues []string) []string {
	if slices.Contains(queues, workflows.QueueCPU) {
		return append(slices.Clone(queues), workflows.QueueBookkeeping)
	}
	return queues
}

// drain stops all workers at the same time: none of them takes more work while another waits for
// its own.
func drain(workers []sdk.Worker) {
	var done sync.WaitGroup
	for _, w := range workers {
		done.Go(w.Stop)
	}
	done.Wait()
}

// newWorker returns the SDK worker of a queue.
func newWorker(temporal client.Client, queue string, o sdk.Options, acts *activities.Activities) sdk.Worker {
	w := sdk.New(temporal, queue, o)
	w.RegisterActivity(acts)
	if queue == workflows.QueueCPU {
		workflows.Register(w)
	}
	return w
}

// machineInterceptors are what happens before an activity on this machine.
type machineInterceptors struct {
	own     storage.Identity
	cache   *engineCache
	logs    *logInterceptor
	monitor *observe.Monitor
	log     zerolog.Logger
	// gpu is the name of the GPU that computes tensors; empty for a CPU.
	gpu string
}

// of returns the interceptors of a queue.
func (m *machineInterceptors) of(queue string, fatal chan<- error) []interceptor.WorkerInterceptor {
	measure := &activities.MeasureInterceptor{Now: time.Now} //nolint:forbidigo // the program's clock is passed in
	all := []interceptor.WorkerInterceptor{
		&attemptInterceptor{monitor: m.monitor, log: m.log},
		&bucketInterceptor{own: m.own}, m.logs, &deviceInterceptor{fatal: fatal}, measure,
	}
	if queue == workflows.QueueGPU {
		measure.GPU = m.gpu
		all = append(all, &evictInterceptor{cache: m.cache})
	}
	return all
}

func (o options) workerOptions(
	queue string, version sdk.DeploymentOptions, before []interceptor.WorkerInterceptor, fatal chan<- error,
) sdk.Options {
	jobs := o.Jobs
	if queue == workflows.QueueGPU {
		jobs = 1
	}
	return sdk.Options{
		MaxConcurrentActivityExecutionSize: jobs,
		WorkerStopTimeout:                  workflows.DrainTimeout,
		DeploymentOptions:                  version,
		DisableEagerActivities:             true,
		Interceptors:                       before,
		MaxHeartbeatThrottleInterval:       o.HeartbeatThrottle,
		DefaultHeartbeatThrottleInterval:   o.HeartbeatThrottle,
		OnFatalError:                       func(err error) { fatal <- err },
	}
}
