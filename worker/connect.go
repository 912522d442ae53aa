package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/rs/zerolog"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/log"

	"rdrec/registry"
	"rdrec/storage"
	"rdrec/workflows"
)

// connect returns a client of the server, for which it waits.
func connect(
	ctx context.Context, o options, own storage.Identity, observed signals, logger zerolog.Logger,
) (temporal client.Client, err error) {
	err = retryUntilAvailable(ctx, logger, func() (err error) {
		temporal, err = dial(ctx, o, own, observed, logger)
		return err
	})
	return temporal, err
}

// pagesAddress returns the address at which "starter dev" would serve the reports.
func pagesAddress(o options) string {
	opts, err := envconfig.LoadDefaultClientOptions()
	if err != nil {
		return "" // dial has reported it
	}
	return registry.PagesAddress(cmp.Or(o.Address, opts.HostPort, client.DefaultHostPort))
}

// dial returns a client of the server that the flags, the environment or the profile name.
func dial(
	ctx context.Context, o options, own storage.Identity, observed signals, logger zerolog.Logger,
) (client.Client, error) {
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
	payloads, err := workflows.NewPayloads(os.Getenv(workflows.PayloadKeys))
	if err != nil {
		return nil, err
	}
	payloads.Configure(&opts)
	opts.Identity = workflows.WorkerIdentity(processName(), own)
	opts.MetricsHandler = observed.metrics
	if err := workflows.Trace(&opts, observed.traces.Tracer()); err != nil {
		return nil, err
	}
	opts.Logger = log.NewStructuredLogger(slog.New(zerolog.NewSlogHandler(logger)))
	return client.DialContext(ctx, opts)
}
