package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/log"

	"rdrec/internal/observe"
	"rdrec/storage"
	"rdrec/workflows"
)

// connectTimeout is the time limit of the first call to the server.
const connectTimeout = 5 * time.Second

// updateTimeout is the time limit of an update to a running workflow; without a worker, an update
// always runs into it.
const updateTimeout = 20 * time.Second

// uiPortOffset is the distance between the ports of a dev server and of its Web UI.
const uiPortOffset = 1000

// server is a connection to a Temporal server.
type server struct {
	client.Client
	address, namespace, ui string
	payloads               workflows.Payloads
	traces                 *observe.Traces
	// inBucket returns a context whose workflows belong to the starter's bucket.
	inBucket func(context.Context) (context.Context, error)
}

// clientOptions returns the options of the environment and the profile, overridden by the flags.
func (a *app) clientOptions() (options client.Options, payloads workflows.Payloads, err error) {
	options, err = envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{ConfigFileProfile: a.flags.Profile})
	if err != nil {
		return options, payloads, fmt.Errorf("reading Temporal's settings: %w", err)
	}
	if payloads, err = environmentPayloads(); err != nil {
		return options, payloads, err
	}
	payloads.Configure(&options)
	options.HostPort = cmp.Or(a.flags.Address, options.HostPort, client.DefaultHostPort)
	options.Namespace = cmp.Or(a.flags.Namespace, options.Namespace, client.DefaultNamespace)
	options.Logger = discardLogger()
	options.ConnectionOptions.GetSystemInfoTimeout = connectTimeout
	return options, payloads, nil
}

// environmentPayloads returns the conversion of payloads for the keys of the environment.
func environmentPayloads() (workflows.Payloads, error) {
	return workflows.NewPayloads(os.Getenv(workflows.PayloadKeys))
}

// connect connects to the server named by the flags, the environment or the profile.
func (a *app) connect(ctx context.Context) (*server, error) {
	options, payloads, err := a.clientOptions()
	if err != nil {
		return nil, err
	}
	traces, err := observe.NewTraces(ctx, "rdrec-starter", os.Getenv, func(error) {})
	if err != nil {
		return nil, err
	}
	if err := workflows.Trace(&options, traces.Tracer()); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	c, err := client.DialContext(ctx, options)
	if err != nil {
		traces.Close()
		return nil, fmt.Errorf("%w answers at %s: %w", errNoServer, options.HostPort, err)
	}
	ui := cmp.Or(a.flags.UI, uiOf(options.HostPort))
	return &server{c, options.HostPort, options.Namespace, ui, payloads, traces, a.inBucket}, nil
}

// Close ends the connection and sends the last spans.
func (s *server) Close() {
	s.Client.Close()
	s.traces.Close()
}

// uiOf derives the Web UI's address from the server's, for dev servers and Temporal Cloud; it
// returns "" for any other server.
func uiOf(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	if strings.HasSuffix(host, ".tmprl.cloud") {
		return "https://cloud.temporal.io"
	}
	number, err := strconv.Atoi(port)
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return ""
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(number+uiPortOffset))
}

// page returns the address of an execution in the Web UI, or "" if the UI's address is unknown.
func (s *server) page(id, run string) string {
	if s.ui == "" {
		return ""
	}
	return strings.TrimSuffix(s.ui, "/") + "/namespaces/" + s.namespace + "/workflows/" + url.PathEscape(id) + "/" + run
}

// bucketURL returns the URL of the flag, or that of the default folder.
func (a *app) bucketURL() (string, error) {
	if a.flags.Bucket != "" {
		return a.flags.Bucket, nil
	}
	path, err := filepath.Abs(filepath.Join(stateFolder, "bucket"))
	if err != nil {
		return "", fmt.Errorf("finding the bucket: %w", err)
	}
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(path)}).String(), nil
}

// stateFolder contains the state of a single machine: bucket, histories, logs.
const stateFolder = ".rdrec"

// checkBucket opens the bucket and closes it again, so that a wrong URL is reported before the work
// and not after it.
func (a *app) checkBucket(ctx context.Context) error {
	bucket, err := a.openBucket(ctx)
	if err != nil {
		return err
	}
	return bucket.Close()
}

// hasBucket reports whether a bucket is named, or the default one exists.
func (a *app) hasBucket() bool {
	_, err := os.Stat(filepath.Join(stateFolder, "bucket"))
	return err == nil || a.flags.Bucket != ""
}

// inBucket returns a context whose workflows belong to the bucket of the flags: workers on another
// bucket refuse them. Without a flag and without the default bucket nothing is compared, because
// the starter may run where the bucket cannot be reached.
func (a *app) inBucket(ctx context.Context) (context.Context, error) {
	if !a.hasBucket() {
		return ctx, nil
	}
	bucket, err := a.openBucket(ctx)
	if err != nil {
		return ctx, err
	}
	defer bucket.Close()
	identity, err := bucket.Identity(ctx)
	if err != nil {
		return ctx, fmt.Errorf("reading the bucket's identity: %w", err)
	}
	return workflows.WithBucket(ctx, identity), nil
}

// openBucket opens the workers' bucket.
func (a *app) openBucket(ctx context.Context) (*storage.Bucket, error) {
	address, err := a.bucketURL()
	if err != nil {
		return nil, err
	}
	bucket, err := storage.Open(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoBucket, err)
	}
	return bucket, nil
}

// discardLogger returns a logger for Temporal's client that discards everything: the client's
// errors are returned and printed.
func discardLogger() log.Logger { return log.NewStructuredLogger(slog.New(slog.DiscardHandler)) }

// connectTo connects to the server and finds an execution. The caller closes the server.
func (a *app) connectTo(ctx context.Context, id string) (*server, *execution, error) {
	to, err := a.connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	e, err := find(ctx, to, id)
	if err != nil {
		to.Close()
		return nil, nil, err
	}
	return to, e, nil
}
