package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"

	"rdrec/storage"
)

// connectTimeout is how long the server may take to answer the first call.
const connectTimeout = 5 * time.Second

// updateTimeout is how long a running workflow may take to answer an update; without a worker it
// does not.
const updateTimeout = 20 * time.Second

// uiPortOffset is how far above the server's port the dev servers put the Web UI's.
const uiPortOffset = 1000

// server is a Temporal server that answers.
type server struct {
	client.Client
	address, namespace, ui string
}

// clientOptions are the environment's and the profile's, with our flags over them.
func (a *app) clientOptions() (client.Options, error) {
	options, err := envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{ConfigFileProfile: a.flags.Profile})
	if err != nil {
		return options, fmt.Errorf("reading Temporal's settings: %w", err)
	}
	options.HostPort = cmp.Or(a.flags.Address, options.HostPort, client.DefaultHostPort)
	options.Namespace = cmp.Or(a.flags.Namespace, options.Namespace, client.DefaultNamespace)
	options.Logger = nopLogger{}
	options.ConnectionOptions.GetSystemInfoTimeout = connectTimeout
	return options, nil
}

// connect dials the server that flags, environment or profile name.
func (a *app) connect(ctx context.Context) (*server, error) {
	options, err := a.clientOptions()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	c, err := client.DialContext(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("%w answers at %s: %w", errNoServer, options.HostPort, err)
	}
	return &server{c, options.HostPort, options.Namespace, cmp.Or(a.flags.UI, uiOf(options.HostPort))}, nil
}

// uiOf guesses the Web UI's address from the server's: the dev servers' own, Temporal Cloud's, or
// none.
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

// page is a workflow's page in the Web UI; empty where none is known.
func (s *server) page(id, run string) string {
	if s.ui == "" {
		return ""
	}
	return strings.TrimSuffix(s.ui, "/") + "/namespaces/" + s.namespace + "/workflows/" + url.PathEscape(id) + "/" + run
}

// bucketURL is the flag's, or the project's own folder.
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

// stateFolder holds what a single machine's runs leave behind: bucket, histories, the worker's log.
const stateFolder = ".rdrec"

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

// nopLogger is the SDK's log: what matters to people comes back as errors.
type nopLogger struct{}

func (nopLogger) Debug(string, ...any) {}
func (nopLogger) Info(string, ...any)  {}
func (nopLogger) Warn(string, ...any)  {}
func (nopLogger) Error(string, ...any) {}
