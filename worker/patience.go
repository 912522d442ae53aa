package main

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"
	"go.temporal.io/api/serviceerror"
	sdk "go.temporal.io/sdk/worker"
)

// longestPatience is how long a worker waits at most before it tries again to reach the server.
const longestPatience = 15 * time.Second

// endure tries until the server is there, or ctx ends. A worker that begins while the server is away, as after a power cut of both, must
// not be gone when the server is back. What another try can't mend is returned at once.
func endure(ctx context.Context, logger zerolog.Logger, try func() error) error {
	for wait := time.Second; ; wait = min(2*wait, longestPatience) {
		err := try()
		if err == nil || !away(err) {
			return err
		}
		logger.Warn().Err(err).Str("hint", hintFor(errServer)).Msg("no Temporal server: waiting for it")
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
	}
}

// away says whether an error is that of a server that does not answer now.
func away(err error) bool {
	var unavailable *serviceerror.Unavailable
	var late *serviceerror.DeadlineExceeded
	return errors.As(err, &unavailable) || errors.As(err, &late) || errors.Is(err, context.DeadlineExceeded)
}

// started makes a worker and starts it. One that could not be started is stopped for good, so that nothing of it goes on polling.
func started(ctx context.Context, logger zerolog.Logger, fresh func() sdk.Worker) (w sdk.Worker, err error) {
	err = endure(ctx, logger, func() error {
		w = fresh()
		err := w.Start()
		if err != nil {
			w.Stop()
		}
		return err
	})
	return w, err
}
