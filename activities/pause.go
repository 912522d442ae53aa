package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"

	"rdrec/storage"
)

// tensorError is an error of the tensor library, which this package does not import.
type tensorError interface {
	error
	// OutOfMemory reports whether the host or the device ran out of memory.
	OutOfMemory() bool
	// DeviceLost reports whether this process can no longer use the device.
	DeviceLost() bool
}

// Pauses reports whether an activity's error, of this type, does not go away by itself while its
// work can go on once somebody has acted: bought credit, started a worker with more memory, or
// repaired what failed so often. A workflow waits until a person resumes it.
func Pauses(errorType string) bool {
	return errorType == TypeTeacherQuota || errorType == TypeOutOfMemory || errorType == TypeRepeatedFailures
}

const (
	// maxOutOfMemory is how many attempts in a row may run out of memory without progress. Training
	// and distilling halve their batches first, so another attempt helps only if another process
	// has released memory meanwhile.
	maxOutOfMemory = 3
	// policyFailures is the number of failures in a row up to which the retry policy's own
	// intervals apply: 1 s to 32 s. From there on the delay doubles up to maxRetryDelay.
	policyFailures = 6
	maxRetryDelay  = 10 * time.Minute
)

// retryDelay returns the delay after a number of failures in a row without progress; 0 means the
// retry policy's. Twenty failures take 1 h 47 min, so an hour without the bucket or the teacher's
// server pauses nothing.
func retryDelay(failures int) time.Duration {
	if failures <= policyFailures {
		return 0
	}
	return min(time.Second<<min(failures-1, 20), maxRetryDelay)
}

// retryOrPause returns the error that makes Temporal retry after the delay, or the one that makes
// the workflow pause after too many failures.
func retryOrPause(ctx context.Context, err error) error {
	failures, limit := countFailure(ctx)
	var tensor tensorError
	switch {
	case errors.As(err, &tensor) && tensor.OutOfMemory() && failures >= maxOutOfMemory:
		return nonRetryable(TypeOutOfMemory, fmt.Errorf("%d attempts in a row ran out of memory: %w", failures, err))
	case limit > 0 && failures >= limit:
		return nonRetryable(TypeRepeatedFailures,
			fmt.Errorf("%d attempts in a row failed without progress: %w", failures, err))
	}
	delay := retryDelay(failures)
	var retryAfter *RetryAfterError
	switch {
	case errors.As(err, &retryAfter):
		return retryable(TypeRetryAfter, err, max(retryAfter.After, delay))
	case errors.Is(err, storage.ErrFull), errors.Is(err, errScratchFull):
		return retryable(TypeStorageFull, err, delay)
	case delay > 0:
		return retryable(TypeFailed, err, delay)
	default:
		return err
	}
}

// retryable returns an error after which Temporal retries with a delay; 0 means the policy's.
func retryable(errorType string, err error, delay time.Duration) error {
	return temporal.NewApplicationErrorWithOptions(err.Error(), errorType, temporal.ApplicationErrorOptions{
		NextRetryDelay: delay, Cause: err,
	})
}

// countFailure counts the attempt among the failures in a row without progress, and returns their
// number and the worker's limit.
func countFailure(ctx context.Context) (failures, limit int) {
	p, ok := ctx.Value(heartbeatKey{}).(*heartbeat)
	if !ok {
		return 0, 0
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.latest.History = p.latest.History.fail()
	return p.latest.History.Failed, p.maxFailures
}
