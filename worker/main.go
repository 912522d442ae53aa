// Command worker runs the activities of the stages: it polls the task queues of the resources that
// this machine has. It is the only place that connects the parts: the bucket, DuckDB's importer,
// the teachers and the student on libtorch. It can be killed at any time: all finished work is in
// the bucket, and another worker continues from there.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/rs/zerolog"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
	sdk "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"rdrec/activities"
	"rdrec/internal/document"
	"rdrec/storage"
	"rdrec/workflows"
)

// command is the command line: the worker polls by default, or serves.
type command struct {
	Poll  options      `cmd:"" default:"withargs" help:"Poll Temporal's task queues and run the stages' activities."`
	Serve serveOptions `cmd:"" help:"${help_serve}"`
}

// machine holds the flags of both commands.
type machine struct {
	Bucket   string `help:"${help_bucket}" required:"" env:"RDREC_BUCKET"`
	Device   string `help:"${help_device}" enum:"auto,cpu,cuda" default:"auto" env:"RDREC_DEVICE"`
	Threads  int    `help:"Threads for tensor work; 0 means all processors." env:"RDREC_THREADS"`
	Scratch  string `help:"Folder for temporary files." type:"path" default:".rdrec/scratch" env:"RDREC_SCRATCH"`
	LogLevel string `help:"Lowest logged level." enum:"debug,info,warn,error" default:"info" env:"RDREC_LOG_LEVEL"`
	LogJSON  bool   `help:"Log JSON lines instead of text." env:"RDREC_LOG_JSON"`
}

// options holds the flags of a worker that polls.
type options struct {
	machine
	Address    string   `help:"Temporal server as host:port; default: TEMPORAL_ADDRESS or the profile's."`
	Namespace  string   `help:"Temporal namespace; default: TEMPORAL_NAMESPACE or the profile's."`
	Queues     []string `help:"Task queues to poll." enum:"rdrec-cpu,rdrec-gpu" default:"rdrec-cpu,rdrec-gpu"`
	Deployment string   `help:"${help_deployment}" env:"RDREC_DEPLOYMENT"`
	BuildID    string   `name:"build-id" help:"${help_build_id}" env:"RDREC_BUILD_ID"`
}

// longHelp returns the help texts that do not fit beside their flags.
func longHelp() kong.Vars {
	return kong.Vars{
		"help_serve":  "Serve the promoted model's recommendations over HTTP, read-only; needs no Temporal server.",
		"help_bucket": "URL of the bucket that contains everything: file:///path, s3://, gs://, azblob://.",
		"help_device": "Device for tensors: auto uses a GPU if one works.",
		"help_deployment": "Worker Deployment of this worker: experiments stay pinned to the version they started " +
			"on. Empty: no versions.",
		"help_build_id": "This worker's version in its deployment; default: the commit it was built from.",
		"help_name": "The model to serve: a name of promotions (new promotions are followed), " +
			"or a finished experiment as ID or ID/RUN.",
	}
}

// Limits of a worker.
const (
	// maxCPUActivities is the maximum number of concurrent CPU activities; the GPU queue gets one.
	maxCPUActivities = 4
	// stallTimeout is the maximum time without progress.
	stallTimeout = 30 * time.Minute
	// heartbeatThrottle is short, so that displayed progress is current.
	heartbeatThrottle = 2 * time.Second
)

func main() {
	if err := waitPassively(); err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		os.Exit(1)
	}
	var c command
	parsed := kong.Parse(&c, kong.Name("worker"),
		kong.Description("Runs the stages' activities for Temporal, or serves the promoted model."), longHelp())
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	parsed.BindTo(ctx, (*context.Context)(nil))
	parsed.BindTo(os.Stderr, (*io.Writer)(nil))
	if err := parsed.Run(); err != nil {
		fmt.Fprintf(os.Stderr, "error: %s\n", document.Redact(err.Error()))
		if hint := hintFor(err); hint != "" {
			fmt.Fprintf(os.Stderr, "hint: %s\n", hint)
		}
		os.Exit(1)
	}
}

// waitPassively makes OpenMP's threads sleep while they wait for each other. Spinning is slightly
// faster on an idle machine but much slower on a busy one: 17 samples/s instead of 124 beside one
// other process on two cores (docs/log.md). OpenMP reads the variable before main starts, so the
// program executes itself again with it. A variable that is already set is kept.
func waitPassively() error {
	const policy = "OMP_WAIT_POLICY"
	if _, set := os.LookupEnv(policy); set {
		return nil
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	return syscall.Exec(program, os.Args, append(os.Environ(), policy+"=passive"))
}

// errServer and errBucket report that the server or the bucket is not available.
var (
	errServer = errors.New("no Temporal server")
	errBucket = errors.New("no bucket")
)

// hintFor returns the next step for an error, or "".
func hintFor(err error) string {
	switch {
	case errors.Is(err, errServer):
		return `start one with "starter dev", or set --address or TEMPORAL_ADDRESS`
	case errors.Is(err, errBucket):
		return "set --bucket or RDREC_BUCKET, for example to file:///var/lib/rdrec"
	case errors.Is(err, errListen):
		return "stop the process that listens there, or set --addr"
	default:
		return ""
	}
}

// open returns the bucket and the logger, and sets Threads if it is 0.
func (m *machine) open(ctx context.Context, w io.Writer) (*storage.Bucket, zerolog.Logger, error) {
	logger, err := newLogger(*m, w)
	if err != nil {
		return nil, logger, err
	}
	if m.Threads == 0 {
		m.Threads = runtime.NumCPU()
	}
	bucket, err := storage.Open(ctx, m.Bucket)
	if err != nil {
		err = fmt.Errorf("%w: %w", errBucket, err)
	}
	return bucket, logger, err
}

// Run polls until ctx is done, then drains.
func (o options) Run(ctx context.Context, w io.Writer) error {
	bucket, logger, err := o.open(ctx, w)
	if err != nil {
		return err
	}
	defer bucket.Close()
	var temporal client.Client
	if err := retryUntilAvailable(ctx, logger, func() (err error) {
		temporal, err = dial(ctx, o, logger)
		return err
	}); err != nil {
		return fmt.Errorf("%w: %w", errServer, err)
	}
	defer temporal.Close()
	cache := &engineCache{log: logger}
	defer cache.evict()
	acts, err := wire(o, bucket, cache)
	if err != nil {
		return err
	}
	return poll(ctx, temporal, o, acts, cache)
}

// wire connects the activities to the bucket and to this machine's models.
func wire(o options, bucket *storage.Bucket, cache *engineCache) (*activities.Activities, error) {
	scratch, err := filepath.Abs(o.Scratch)
	if err != nil {
		return nil, fmt.Errorf("find scratch folder %q: %w", o.Scratch, err)
	}
	build, err := buildOf(o.Device, o.Threads)
	if err != nil {
		return nil, err
	}
	return &activities.Activities{
		Bucket: bucket, Importer: importer{}, TableWriter: tableWriter{},
		Teachers: teachers{o.Device, o.Threads, cache.log, cache}, Students: students{o.Device, o.Threads, time.Now},
		Rankers: rankers{o.Device, o.Threads}, Recommenders: recommenders{o.Device, o.Threads},
		Scratch: scratch, Build: build, Log: cache.log, Now: time.Now, StallTimeout: stallTimeout,
	}, nil
}

// poll runs one SDK worker per queue until ctx is done or one of them fails, then stops all of
// them.
func poll(
	ctx context.Context, temporal client.Client, o options, acts *activities.Activities, cache *engineCache,
) error {
	version, err := versionOf(o)
	if err != nil {
		return err
	}
	fatal := make(chan error, len(o.Queues))
	for _, queue := range o.Queues {
		w, err := startWorker(ctx, cache.log, func() sdk.Worker {
			return newWorker(temporal, queue, workerOptions(queue, version, cache, fatal), acts)
		})
		if err != nil {
			return fmt.Errorf("poll queue %q: %w", queue, err)
		}
		defer w.Stop()
	}
	cache.log.Info().Strs("queues", o.Queues).Interface("build", acts.Build).Msg("worker polls")
	select {
	case <-ctx.Done():
		cache.log.Info().Msg("worker drains")
		return nil
	case err := <-fatal:
		return fmt.Errorf("worker stopped: %w", err)
	}
}

// newWorker returns the SDK worker of a queue.
func newWorker(temporal client.Client, queue string, o sdk.Options, acts *activities.Activities) sdk.Worker {
	w := sdk.New(temporal, queue, o)
	w.RegisterActivity(acts)
	if queue == workflows.QueueCPU {
		w.RegisterWorkflow(workflows.Experiment)
		w.RegisterWorkflow(workflows.Trial)
		w.RegisterWorkflow(workflows.Distillation)
		w.RegisterWorkflow(workflows.Export)
		w.RegisterWorkflow(workflows.Recommend)
		w.RegisterWorkflow(workflows.Promotion)
		// A schedule outlives many versions of the worker: its runs start and continue on the
		// current version.
		autoUpgrade := workflow.RegisterOptions{VersioningBehavior: workflow.VersioningBehaviorAutoUpgrade}
		w.RegisterWorkflowWithOptions(workflows.Nightly, autoUpgrade)
	}
	return w
}

func workerOptions(queue string, version sdk.DeploymentOptions, cache *engineCache, fatal chan<- error) sdk.Options {
	jobs := maxCPUActivities
	var before []interceptor.WorkerInterceptor
	if queue == workflows.QueueGPU {
		jobs, before = 1, []interceptor.WorkerInterceptor{&evictInterceptor{cache: cache}}
	}
	return sdk.Options{
		MaxConcurrentActivityExecutionSize: jobs,
		WorkerStopTimeout:                  workflows.DrainTimeout,
		DeploymentOptions:                  version,
		DisableEagerActivities:             true,
		Interceptors:                       before,
		MaxHeartbeatThrottleInterval:       heartbeatThrottle,
		DefaultHeartbeatThrottleInterval:   heartbeatThrottle,
		OnFatalError:                       func(err error) { fatal <- err },
	}
}

func dial(ctx context.Context, o options, logger zerolog.Logger) (client.Client, error) {
	opts, err := envconfig.LoadDefaultClientOptions()
	if err != nil {
		return nil, fmt.Errorf("read Temporal settings: %w", err)
	}
	if o.Address != "" {
		opts.HostPort = o.Address
	}
	if o.Namespace != "" {
		opts.Namespace = o.Namespace
	}
	opts.Logger = log.NewStructuredLogger(slog.New(zerolog.NewSlogHandler(logger)))
	return client.DialContext(ctx, opts)
}

func newLogger(o machine, w io.Writer) (zerolog.Logger, error) {
	level, err := zerolog.ParseLevel(o.LogLevel)
	if err != nil {
		return zerolog.Nop(), fmt.Errorf("log level %q: %w", o.LogLevel, err)
	}
	if !o.LogJSON {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: time.DateTime, NoColor: true}
	}
	return zerolog.New(w).Level(level).With().Timestamp().Logger(), nil
}
