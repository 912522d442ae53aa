package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"

	"rdrec/internal/dataset"
	"rdrec/registry"
	"rdrec/storage"
)

// Errors that an activity's helpers return; fail turns them into what Temporal acts on.
var (
	// ErrDrained means that the worker is shutting down and that as much of the work as possible is
	// saved: another worker continues immediately.
	ErrDrained = errors.New("worker is draining")
	// ErrInvalid means that the settings cannot be executed by any worker.
	ErrInvalid = errors.New("invalid configuration")
	// ErrData means that the input is damaged or does not fit; no worker can use it.
	ErrData = errors.New("bad input data")
	// ErrTeacherAuth means that the teacher rejected the credentials.
	ErrTeacherAuth = errors.New("the teacher refused the credentials")

	errStalled    = errors.New("no progress")
	errSuspended  = errors.New("the process was suspended past its heartbeat timeout")
	errNoProgress = errors.New("repeated attempts made no progress")
)

// RetryAfterError is the error of a server that asked for a pause before the next request.
type RetryAfterError struct {
	After time.Duration
	Err   error
}

func (e *RetryAfterError) Error() string { return e.Err.Error() }

// Unwrap returns the underlying error.
func (e *RetryAfterError) Unwrap() error { return e.Err }

// Types of application errors, as the Web UI and the workflows show them.
const (
	TypeInvalidConfig = "InvalidConfig"
	TypeDataCorrupt   = "DataCorrupt"
	TypeTeacherAuth   = "TeacherAuth"
	TypeNoProgress    = "NoProgress"
	TypeStorageFull   = "StorageFull"
	TypeDrained       = "Drained"
	TypeRetryAfter    = "RetryAfter"
)

// temporalError converts err to the error that tells Temporal whether to retry. Retries are decided
// only here: an error that would occur again on any worker is final, a drained activity is retried
// immediately, and everything else is retried with backoff.
func temporalError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	markEnded(ctx)
	if cause := context.Cause(ctx); errors.Is(cause, errStalled) || errors.Is(cause, errNoProgress) {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	var corrupt *storage.CorruptError
	var diagnostic dataset.Diagnostic
	var retryAfter *RetryAfterError
	switch {
	case errors.Is(err, ErrInvalid):
		return nonRetryable(TypeInvalidConfig, err)
	case errors.Is(err, ErrTeacherAuth):
		return nonRetryable(TypeTeacherAuth, err)
	case errors.Is(err, errNoProgress):
		return nonRetryable(TypeNoProgress, err)
	case errors.Is(err, ErrData), errors.Is(err, registry.ErrCorrupt), errors.Is(err, storage.ErrAllCorrupt),
		errors.As(err, &corrupt), errors.As(err, &diagnostic):
		return nonRetryable(TypeDataCorrupt, err)
	case errors.Is(err, ErrDrained):
		return temporal.NewApplicationErrorWithOptions(err.Error(), TypeDrained, temporal.ApplicationErrorOptions{
			NextRetryDelay: time.Second, Cause: err, Category: temporal.ApplicationErrorCategoryBenign,
		})
	case errors.As(err, &retryAfter):
		return temporal.NewApplicationErrorWithOptions(err.Error(), TypeRetryAfter, temporal.ApplicationErrorOptions{
			NextRetryDelay: retryAfter.After, Cause: err,
		})
	case errors.Is(err, storage.ErrFull):
		return temporal.NewApplicationErrorWithCause(err.Error(), TypeStorageFull, err)
	default:
		return err
	}
}

func nonRetryable(errorType string, err error) error {
	return temporal.NewNonRetryableApplicationError(err.Error(), errorType, err)
}
