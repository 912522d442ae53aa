package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"
	"go.temporal.io/api/serviceerror"
	sdk "go.temporal.io/sdk/worker"
)

// maxBackoff is the maximum time between attempts to reach the server.
const maxBackoff = 15 * time.Second

// retryUntilAvailable retries until the server is available or ctx ends. A worker that starts
// before the server, as after a power cut of both, must wait for it. Non-retryable errors are
// returned immediately.
func retryUntilAvailable(ctx context.Context, logger zerolog.Logger, connect func() error) error {
	for backoff := time.Second; ; backoff = min(2*backoff, maxBackoff) {
		err := connect()
		if err == nil || !unavailable(err) {
			return err
		}
		hint := hintFor(fmt.Errorf("%w: %w", errServer, err))
		logger.Warn().Err(err).Str("hint", hint).Msg("no Temporal server: retrying")
		timer := time.NewTimer(backoff)
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
	}
}

// unavailable reports whether an error means that the server does not answer at present.
func unavailable(err error) bool {
	var unavailable *serviceerror.Unavailable
	var late *serviceerror.DeadlineExceeded
	return errors.As(err, &unavailable) || errors.As(err, &late) || errors.Is(err, context.DeadlineExceeded)
}

// startWorker creates a worker and starts it. A worker that fails to start is stopped, so that it
// does not continue to poll.
func startWorker(ctx context.Context, logger zerolog.Logger, create func() sdk.Worker) (w sdk.Worker, err error) {
	err = retryUntilAvailable(ctx, logger, func() error {
		w = create()
		err := w.Start()
		if err != nil {
			w.Stop()
		}
		return err
	})
	return w, err
}
