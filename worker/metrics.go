package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"

	"rdrec/activities"
	"rdrec/internal/observe"
	"rdrec/internal/torch"
	"rdrec/storage"
	"rdrec/storage/remote"
)

// operation holds the flags of a worker for its operator.
type operation struct {
	Jobs              int           `help:"${help_jobs}" default:"4" env:"RDREC_JOBS"`
	CacheSize         int64         `help:"${help_cache}" default:"8" placeholder:"GIB" env:"RDREC_CACHE_SIZE"`
	StallTimeout      time.Duration `help:"${help_stall}" default:"30m" env:"RDREC_STALL_TIMEOUT"`
	HeartbeatThrottle time.Duration `help:"${help_throttle}" default:"15s" env:"RDREC_HEARTBEAT_THROTTLE"`
	MetricsAddr       string        `help:"${help_metrics}" placeholder:"HOST:PORT" env:"RDREC_METRICS_ADDR"`
}

// Validate rejects numbers with which a worker would do nothing, or seem dead; kong calls it.
func (o operation) Validate() error {
	if o.Jobs < 1 {
		return errors.New("--jobs must be at least 1")
	}
	if o.StallTimeout < time.Minute {
		return errors.New("--stall-timeout must be at least 1m")
	}
	if o.CacheSize < 0 || o.CacheSize > 1<<20 {
		return errors.New("--cache-size must be from 0 to 1048576 GiB")
	}
	if o.HeartbeatThrottle <= 0 || o.HeartbeatThrottle > maxThrottle {
		return fmt.Errorf("--heartbeat-throttle must be above 0 and at most %s", maxThrottle)
	}
	return nil
}

// useCache keeps content of the bucket below the scratch folder, as much as the worker may.
func (o options) useCache(bucket *storage.Bucket) error {
	scratch, err := filepath.Abs(o.Scratch)
	if err != nil {
		return fmt.Errorf("find scratch folder %q: %w", o.Scratch, err)
	}
	return bucket.UseCache(filepath.Join(scratch, activities.ContentCache), o.CacheSize<<30)
}

// maxThrottle leaves two heartbeats within the server's timeout for them.
const maxThrottle = 20 * time.Second

// serveMetrics serves the worker's metrics until ctx ends, if it has an address for them. It
// returns the handler that adds those of Temporal's SDK, nil without an address.
func (o options) serveMetrics(
	ctx context.Context, monitor *observe.Monitor, logger zerolog.Logger,
) (client.MetricsHandler, error) {
	if o.MetricsAddr == "" {
		return nil, nil //nolint:nilnil // the SDK's default
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.MetricsAddr)
	if err != nil {
		return nil, fmt.Errorf("%w on %s for metrics: %w", errListen, o.MetricsAddr, err)
	}
	if device, err := torch.ParseDevice(o.Device); err == nil {
		monitor.FreeMemory(device.String(), func() int64 { return torch.Free(device) })
	}
	logger.Info().Stringer("address", listener.Addr()).Msg("serves metrics")
	go func() {
		if err := monitor.Serve(ctx, listener); err != nil {
			logger.Error().Err(err).Msg("metrics are not served any more")
		}
	}()
	return sdkMetrics(monitor.Registry())
}

// signals are what a worker tells its operator about Temporal's SDK.
type signals struct {
	metrics client.MetricsHandler
	traces  *observe.Traces
}

// observe serves the worker's metrics and starts its traces.
func (o options) observe(ctx context.Context, monitor *observe.Monitor, logger zerolog.Logger) (s signals, err error) {
	if s.metrics, err = o.serveMetrics(ctx, monitor, logger); err != nil {
		return s, err
	}
	s.traces, err = observe.NewTraces(ctx, "rdrec-worker", os.Getenv, func(err error) {
		logger.Warn().Err(err).Msg("traces are not sent")
	})
	return s, err
}

// countRequests shows the requests to a bucket as metrics.
func countRequests(monitor *observe.Monitor, bucket *storage.Bucket) {
	for kind, of := range map[string]func(storage.Requests) int64{
		"read":   func(r storage.Requests) int64 { return r.Reads },
		"head":   func(r storage.Requests) int64 { return r.Heads },
		"write":  func(r storage.Requests) int64 { return r.Writes },
		"list":   func(r storage.Requests) int64 { return r.Lists },
		"delete": func(r storage.Requests) int64 { return r.Deletes },
	} {
		monitor.Requests(kind, func() int64 { return of(bucket.Requests()) })
	}
}

// countCaches shows what was on the worker's disk already as metrics.
func countCaches(monitor *observe.Monitor, bucket *storage.Bucket, sources *remote.Cache) {
	monitor.CacheHits("content", bucket.CacheHits)
	monitor.CacheHits("sources", func() int64 { return sources.Stats().Hits })
	monitor.Fetched(func() int64 { return sources.Stats().Bytes })
}

// showProgress returns the function that shows the progress of stages as metrics.
func showProgress(monitor *observe.Monitor) func(activities.Progress) {
	return func(p activities.Progress) {
		monitor.Progress(observe.Progress{
			Stage: p.Stage, Unit: p.Unit, Done: p.Done, Rate: p.Rate, TokenRate: p.TokenRate,
		})
	}
}

// sdkMetrics returns a handler that adds the metrics of Temporal's SDK to a registry.
func sdkMetrics(registry *prometheus.Registry) (client.MetricsHandler, error) {
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(registry), otelprometheus.WithoutScopeInfo(),
		otelprometheus.WithoutTargetInfo())
	if err != nil {
		return nil, fmt.Errorf("export the metrics of Temporal's SDK: %w", err)
	}
	meter := metric.NewMeterProvider(metric.WithReader(exporter)).Meter("temporal-sdk-go")
	return opentelemetry.NewMetricsHandler(opentelemetry.MetricsHandlerOptions{
		Meter: meter, UseMonotonicCounters: true,
		OnError: func(error) {}, // the default panics for a metric with an invalid name
	}), nil
}

// attemptInterceptor counts the attempts at activities, and logs those after the first one.
type attemptInterceptor struct {
	interceptor.WorkerInterceptorBase
	monitor *observe.Monitor
	log     zerolog.Logger
}

// InterceptActivity wraps each activity.
func (i *attemptInterceptor) InterceptActivity(
	_ context.Context, next interceptor.ActivityInboundInterceptor,
) interceptor.ActivityInboundInterceptor {
	return &countedActivity{interceptor.ActivityInboundInterceptorBase{Next: next}, i}
}

type countedActivity struct {
	interceptor.ActivityInboundInterceptorBase
	*attemptInterceptor
}

// ExecuteActivity executes the activity and counts it.
func (c *countedActivity) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	info := activity.GetInfo(ctx)
	name := info.ActivityType.Name
	if info.Attempt > 1 {
		c.log.Warn().Str("activity", name).Int32("attempt", info.Attempt).
			Str("workflow", info.WorkflowExecution.ID).Str("run", info.WorkflowExecution.RunID).
			Dur("queued", info.StartedTime.Sub(info.ScheduledTime)).Msg("activity is tried again")
	}
	end := c.monitor.Begin(name, int(info.Attempt))
	result, err := c.Next.ExecuteActivity(ctx, in)
	end(outcome(ctx, err))
	return result, err
}

// outcome returns the outcome of an attempt.
func outcome(ctx context.Context, err error) observe.Outcome {
	var known *temporal.ApplicationError
	switch {
	case err == nil:
		return observe.Done
	case ctx.Err() != nil, temporal.IsCanceledError(err),
		errors.As(err, &known) && known.Type() == activities.TypeDrained:
		return observe.Stopped
	default:
		return observe.Failed
	}
}
