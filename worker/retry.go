package main

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"
	"go.temporal.io/api/serviceerror"
	sdk "go.temporal.io/sdk/worker"
)

// maxBackoff is how long a worker waits at most before it tries again to reach the server.
const maxBackoff = 15 * time.Second

// retryUntilAvailable tries until the server is there, or ctx ends. A worker that begins while the
// server is away, as after a power cut of both, must not be gone when the server is back. What
// another try can't mend is returned at once.
func retryUntilAvailable(ctx context.Context, logger zerolog.Logger, connect func() error) error {
	for backoff := time.Second; ; backoff = min(2*backoff, maxBackoff) {
		err := connect()
		if err == nil || !unavailable(err) {
			return err
		}
		logger.Warn().Err(err).Str("hint", hintFor(errServer)).Msg("no Temporal server: waiting for it")
		timer := time.NewTimer(backoff)
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
	}
}

// unavailable says whether an error is that of a server that does not answer now.
func unavailable(err error) bool {
	var unavailable *serviceerror.Unavailable
	var late *serviceerror.DeadlineExceeded
	return errors.As(err, &unavailable) || errors.As(err, &late) || errors.Is(err, context.DeadlineExceeded)
}

// startWorker makes a worker and starts it. One that could not be started is stopped for good, so
// that nothing of it goes on polling.
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
