package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"go.temporal.io/api/serviceerror"
)

func TestRetryUntilAvailable(t *testing.T) {
	final := errors.New("no such namespace")
	unreachable := fmt.Errorf("failed reaching server: %w", serviceerror.NewUnavailable("connection refused"))
	for name, c := range map[string]struct {
		errs  []error
		want  error
		tries int
	}{
		"available":                   {[]error{nil}, nil, 1},
		"unavailable, then available": {[]error{unreachable, nil}, nil, 2},
		"non-retryable":               {[]error{final}, final, 1},
		"unavailable, then error":     {[]error{context.DeadlineExceeded, final}, final, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log strings.Builder
			tries := 0
			err := retryUntilAvailable(t.Context(), zerolog.New(&log), func() error {
				tries++
				return c.errs[tries-1]
			})
			if !errors.Is(err, c.want) || tries != c.tries {
				t.Errorf("%d tries, %v; want %d, %v", tries, err, c.tries, c.want)
			}
			if logged := strings.Count(log.String(), "TEMPORAL_ADDRESS"); logged != tries-1 {
				t.Errorf("%d hints in %d tries: %s", logged, tries, &log)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := retryUntilAvailable(ctx, zerolog.Nop(), func() error { return unreachable })
	if !errors.Is(err, unreachable) {
		t.Errorf("cancelled while waiting: %v", err)
	}
}
