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
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/rs/zerolog"

	"rdrec/activities"
	"rdrec/internal/build"
	"rdrec/internal/exitcode"
	"rdrec/internal/observe"
	"rdrec/internal/pseudonym"
	"rdrec/internal/torch"
	"rdrec/registry"
	"rdrec/storage"
	"rdrec/workflows"
)

// command is the command line: the worker polls by default, or serves, or imports reviews.
type command struct {
	Poll  options      `cmd:"" default:"withargs" help:"Poll Temporal's task queues and run the stages' activities."`
	Serve serveOptions `cmd:"" help:"${help_serve}"`
	// Import is for "starter import", which links no DuckDB.
	Import  importOptions  `cmd:"" help:"${help_import}"`
	Version versionOptions `cmd:"" help:"Print what this program was built from, and the device that it finds."`
	// Train is for the worker itself.
	Train trainOptions `cmd:"" name:"train-process" hidden:"" help:"Train as one of several processes."`

	ShowVersion kong.VersionFlag `name:"version" help:"Print the version and exit."`
}

// machine holds the flags of both commands.
type machine struct {
	Bucket   string `help:"${help_bucket}" required:"" env:"RDREC_BUCKET"`
	Device   string `help:"${help_device}" default:"auto" env:"RDREC_DEVICE"`
	Threads  int    `help:"Threads for tensor work; 0 means all processors." env:"RDREC_THREADS"`
	Scratch  string `help:"Folder for temporary files." type:"path" default:".rdrec/scratch" env:"RDREC_SCRATCH"`
	LogLevel string `help:"Lowest logged level." enum:"debug,info,warn,error" default:"info" env:"RDREC_LOG_LEVEL"`
	LogJSON  bool   `help:"Log JSON lines, errors too, instead of text." env:"RDREC_LOG_JSON"`
}

// Validate rejects a device that no machine has; kong calls it.
func (m machine) Validate() error { return torch.CheckDevice(m.Device) }

// options holds the flags of a worker that polls.
type options struct {
	machine
	importResources
	operation
	Address    string   `help:"Temporal server as host:port; default: TEMPORAL_ADDRESS or the profile's."`
	Namespace  string   `help:"Temporal namespace; default: TEMPORAL_NAMESPACE or the profile's."`
	Queues     []string `help:"Task queues to poll." enum:"rdrec-cpu,rdrec-gpu" default:"rdrec-cpu,rdrec-gpu"`
	Deployment string   `help:"${help_deployment}" env:"RDREC_DEPLOYMENT"`
	BuildID    string   `name:"build-id" help:"${help_build_id}" env:"RDREC_BUILD_ID"`
	ReportURL  string   `name:"report-url" help:"${help_report_url}" env:"RDREC_REPORT_URL"`
	// MaxFailures is [activities.Activities.MaxFailures].
	MaxFailures int `name:"max-failures" help:"${help_max_failures}" default:"20" env:"RDREC_MAX_FAILURES"`
	// MaxLost is [activities.Activities.MaxLost].
	MaxLost int `name:"max-lost" help:"${help_max_lost}" default:"2" env:"RDREC_MAX_LOST"`
	// MaxScratch is [activities.Activities.MaxScratch] in GiB.
	MaxScratch float64 `name:"max-scratch" help:"${help_max_scratch}" default:"0" env:"RDREC_MAX_SCRATCH"`
	// SourceCache is in GiB.
	SourceCache int64 `help:"${help_sources}" default:"0" placeholder:"GIB" env:"RDREC_SOURCE_CACHE"`
}

// longHelp returns the help texts that do not fit beside their flags.
func longHelp() kong.Vars {
	return kong.Vars{
		"version": build.Line("worker"),
		"help_import": "Import the raw reviews of a spec as a dataset folder, and print counts and the first rows " +
			"as JSON; " +
			"needs no Temporal server and no bucket.",
		"help_serve":  "Serve the promoted model's recommendations over HTTP, read-only; needs no Temporal server.",
		"help_bucket": "URL of the bucket that contains everything: file:///path, s3://, gs://, azblob://.",
		"help_device": "Device for tensors: auto (a GPU if one works), cpu, cuda, or cuda:N (GPU N, from 0).",
		"help_deployment": "Worker Deployment of this worker: experiments stay pinned to the version they started " +
			"on. Empty: no versions.",
		"help_build_id": "This worker's version in its deployment; default: the commit it was built from.",
		"help_import_memory": "Megabytes that an import takes before it spills to disk; 0 means a quarter of the " +
			"free memory, at least 1024.",
		"help_report_url": "Where browsers find the bucket, for links to reports in the Web UI, for example " +
			"https://storage.example/bucket; default: where \"starter dev\" serves it.",
		"help_jobs": "Jobs of the CPU queue at a time; the GPU queue has one.",
		"help_stall": "Time without progress after which a job is stopped and tried again. Jobs with long steps, " +
			"such as an import, may take a multiple of it.",
		"help_cache": "Disk for content of the bucket that stages share, in GiB; 0 keeps none. It is below the " +
			"scratch folder; a bucket of files needs none.",
		"help_sources": "Disk for files that specs name by the URL of a bucket (s3://, gs://, azblob://), in GiB; " +
			"0 means half of the disk of the scratch folder.",
		"help_throttle": "Time between the heartbeats that are sent: shorter ones show progress and cancel jobs " +
			"sooner, and cost more actions of Temporal Cloud.",
		"help_metrics": "Address of /metrics (Prometheus), /healthz and /readyz; empty serves none. Keep it inside " +
			"the cluster: it has no authentication.",
		"help_max_failures": "Attempts of a job that may fail in a row without progress before its run pauses; " +
			"0 means no limit.",
		"help_max_lost": "Attempts of a job that may lose their worker in a row without progress before its run fails.",
		"help_max_scratch": "GiB that the scratch folder may hold when a job begins; with more, the job waits. " +
			"0 means no limit.",
		"help_name": "The model to serve: a name of promotions (new promotions are followed), " +
			"or a finished experiment as ID or ID/RUN.",
	}
}

func main() {
	syscall.Umask(0o077) // what the program writes may contain data of users
	if err := waitPassively(); err != nil {
		os.Exit(fail(os.Stderr, err))
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run executes a command line and returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	var c command
	exited, report := -1, fail
	if wantsJSON(args, os.Getenv) {
		report = failInJSON
	}
	parser, err := kong.New(&c, kong.Name("worker"),
		kong.Description("Runs the stages' activities for Temporal, or serves the promoted model.\n\n"+exitHelp()),
		kong.Writers(stdout, stderr), kong.Exit(func(code int) { exited = code }), longHelp())
	if err != nil {
		return fail(stderr, err)
	}
	parsed, err := parser.Parse(args)
	if exited >= 0 { // --help was printed
		return exited
	}
	if err != nil {
		return report(stderr, usageError{err})
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	parsed.BindTo(ctx, (*context.Context)(nil))
	parsed.BindTo(stderr, (*io.Writer)(nil))
	parsed.Bind(results{stdout})
	if err := parsed.Run(); err != nil {
		return report(stderr, err)
	}
	return exitcode.OK
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

// open returns the bucket and the logger, and sets Threads if it is 0.
func (m *machine) open(ctx context.Context, w io.Writer) (*storage.Bucket, zerolog.Logger, error) {
	logger, err := newLogger(*m, w)
	if err != nil {
		return nil, logger, err
	}
	if m.Threads == 0 {
		m.Threads = runtime.NumCPU()
	}
	if _, err := torch.ParseDevice(m.Device); err != nil { // before it waits for a server
		return nil, logger, err
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
	own, err := enter(ctx, bucket)
	if err != nil {
		return err
	}
	monitor := observe.New(time.Now)
	countRequests(monitor, bucket)
	if err := o.useCache(bucket); err != nil {
		return err
	}
	observed, err := o.observe(ctx, monitor, logger)
	if err != nil {
		return err
	}
	defer observed.traces.Close()
	temporal, err := connect(ctx, o, own, observed, logger)
	if ctx.Err() != nil {
		return nil // stopped while it waited for the server
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errServer, err)
	}
	defer temporal.Close()
	peers := peerCheck{own, pollersOf(temporal), waitForPoll, logger}
	if err := peers.run(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	cache := &engineCache{log: logger}
	acts, err := wire(o, bucket, cache, monitor)
	if err != nil {
		return err
	}
	acts.ReportURL = func(ctx context.Context, key string) string {
		return registry.PageURL(ctx, o.ReportURL, pagesAddress(o), own.ID, key)
	}
	logs := &logInterceptor{
		bucket: bucket, out: logOutput(o.machine, w), level: logger.GetLevel(), secrets: environmentSecrets(),
		now: time.Now,
	}
	err = poll(ctx, temporal, o, acts, &machineInterceptors{own, cache, logs, monitor, logger, acts.GPU})
	if !errors.Is(err, errDeviceLost) { // libtorch cannot free memory of a lost device
		cache.evict()
	}
	return err
}

// enter checks the rights of a worker in its bucket and returns the bucket's identity.
func enter(ctx context.Context, bucket *storage.Bucket) (own storage.Identity, err error) {
	if err := bucket.CheckAccess(ctx); err != nil {
		return own, fmt.Errorf("%w: %w", errBucketAccess, err)
	}
	if own, err = bucket.Identity(ctx); err != nil {
		return own, fmt.Errorf("%w: %w", errBucketAccess, err)
	}
	return own, nil
}

// wire connects the activities to the bucket and to this machine's models.
func wire(
	o options, bucket *storage.Bucket, cache *engineCache, monitor *observe.Monitor,
) (*activities.Activities, error) {
	scratch, err := filepath.Abs(o.Scratch)
	if err != nil {
		return nil, fmt.Errorf("find scratch folder %q: %w", o.Scratch, err)
	}
	built, err := buildOf(o.Device, o.Threads)
	if err != nil {
		return nil, err
	}
	memory, err := o.memory()
	if err != nil {
		return nil, err
	}
	key, err := pseudonym.ReadKey(os.Getenv(pseudonym.KeyVariable))
	if err != nil {
		return nil, err
	}
	gpu := built["device"]
	if gpu == torch.CPU.String() {
		gpu = ""
	}
	imports := o.importer(torch.FreeHost(os.DirFS("/")))
	imports.quarantined = monitor.Quarantined
	sources := openSources(filepath.Join(scratch, activities.SourceCache), o.SourceCache<<30)
	countCaches(monitor, bucket, sources)
	return &activities.Activities{
		Bucket: bucket, Importer: imports, TableWriter: tableWriter{},
		Teachers: teachers{o.Device, o.Threads, cache.log, cache, memory, sources}, Sources: sources,
		Students: newStudents(o.Device, o.Threads, time.Now), Rankers: rankers{o.Device, o.Threads},
		Recommenders: recommenders{device: o.Device, threads: o.Threads},
		Scratch:      scratch, UserKey: key, Build: built, Log: cache.log, Now: time.Now, StallTimeout: o.StallTimeout,
		OnCheckpoint: monitor.Checkpointed, OnProgress: showProgress(monitor),
		MaxFailures: o.MaxFailures, MaxLost: o.MaxLost, Memory: memory, GPU: gpu,
		HostMemory: torch.Total(torch.CPU), ImportMemory: int64(imports.MemoryMB) << 20,
		MaxScratch: int64(o.MaxScratch * (1 << 30)),
	}, nil
}

// memory returns the bytes of the device that computes tensors; 0 for a worker that computes none.
func (o options) memory() (int64, error) {
	if !slices.Contains(o.Queues, workflows.QueueGPU) {
		return 0, nil
	}
	device, err := torch.ParseDevice(o.Device)
	if err != nil {
		return 0, err
	}
	return torch.Total(device), nil
}

func newLogger(o machine, w io.Writer) (zerolog.Logger, error) {
	level, err := zerolog.ParseLevel(o.LogLevel)
	if err != nil {
		return zerolog.Nop(), fmt.Errorf("log level %q: %w", o.LogLevel, err)
	}
	return zerolog.New(logOutput(o, w)).Level(level).With().Timestamp().Logger(), nil
}

// logOutput returns the writer of log lines: JSON, or text.
func logOutput(o machine, w io.Writer) io.Writer {
	if o.LogJSON {
		return w
	}
	return zerolog.ConsoleWriter{Out: w, TimeFormat: time.DateTime, NoColor: true}
}
