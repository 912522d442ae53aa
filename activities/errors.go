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
	// ErrDrained says that the worker is shutting down and what can be saved of the work is:
	// another worker goes on at once.
	ErrDrained = errors.New("worker is draining")
	// ErrInvalid says that the settings can't be carried out, whoever tries.
	ErrInvalid = errors.New("invalid configuration")
	// ErrData says that the input is damaged or does not fit, whoever tries.
	ErrData = errors.New("bad input data")
	// ErrTeacherAuth says that the teacher refused our credentials.
	ErrTeacherAuth = errors.New("the teacher refused the credentials")

	errStalled    = errors.New("no progress")
	errSuspended  = errors.New("the process was suspended past its heartbeat timeout")
	errNoProgress = errors.New("repeated attempts made no progress")
)

// RetryAfterError says that a neighbour asked to be left alone for a while.
type RetryAfterError struct {
	After time.Duration
	Err   error
}

func (e *RetryAfterError) Error() string { return e.Err.Error() }

// Unwrap is what went wrong.
func (e *RetryAfterError) Unwrap() error { return e.Err }

// Types of application errors, as the Web UI and the workflows see them.
const (
	TypeInvalidConfig = "InvalidConfig"
	TypeDataCorrupt   = "DataCorrupt"
	TypeTeacherAuth   = "TeacherAuth"
	TypeNoProgress    = "NoProgress"
	TypeStorageFull   = "StorageFull"
	TypeDrained       = "Drained"
	TypeRetryAfter    = "RetryAfter"
)

// temporalError says what Temporal should do about err. This is the one place where it is decided
// what is retried: what would fail again whoever tries is final; a drain is retried at once;
// everything else backs off and retries.
func temporalError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	markEnded(ctx)
	if cause := context.Cause(ctx); errors.Is(cause, errStalled) || errors.Is(cause, errNoProgress) {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	var corrupt *storage.CorruptError
	var appErr dataset.Diagnostic
	var retryAfter *RetryAfterError
	switch {
	case errors.Is(err, ErrInvalid):
		return nonRetryable(TypeInvalidConfig, err)
	case errors.Is(err, ErrTeacherAuth):
		return nonRetryable(TypeTeacherAuth, err)
	case errors.Is(err, errNoProgress):
		return nonRetryable(TypeNoProgress, err)
	case errors.Is(err, ErrData), errors.Is(err, registry.ErrCorrupt), errors.Is(err, storage.ErrAllCorrupt), errors.As(err, &corrupt), errors.As(err, &appErr):
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
