package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"

	"rdrec/internal/dataset"
	"rdrec/internal/pseudonym"
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
	// ErrQuota means that the teacher's server answers no more requests until somebody pays.
	ErrQuota = errors.New("the teacher's quota is exhausted")

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
	TypeUserKey       = "UserKey"
	TypeNoProgress    = "NoProgress"
	TypeStorageFull   = "StorageFull"
	TypeDrained       = "Drained"
	TypeRetryAfter    = "RetryAfter"
	// TypeTeacherQuota and the next two make the workflow pause until a person resumes it, see
	// [Pauses].
	TypeTeacherQuota     = "TeacherQuota"
	TypeOutOfMemory      = "OutOfMemory"
	TypeRepeatedFailures = "RepeatedFailures"
	// TypeFailed is any other error after several failures in a row.
	TypeFailed = "Failed"
	// TypeDeviceLost makes the worker exit: its process can do no more work.
	TypeDeviceLost = "DeviceLost"
)

// temporalError converts err to the error that tells Temporal whether to retry. Retries are decided
// only here: an error that would occur again on any worker is final, a drained activity is retried
// immediately, and everything else is retried with backoff, until it has failed so often without
// progress that the workflow pauses ([Pauses]).
func temporalError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	var tensor tensorError
	if errors.As(err, &tensor) && tensor.DeviceLost() {
		// The attempt counts as one that lost its worker.
		return retryable(TypeDeviceLost, err, time.Second)
	}
	defer markEnded(ctx)
	if cause := context.Cause(ctx); errors.Is(cause, errStalled) || errors.Is(cause, errNoProgress) ||
		errors.Is(cause, errScratchFull) {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	err = fullScratch(err)
	if final := finalType(err); final != "" && !errors.Is(err, errScratchFull) {
		return nonRetryable(final, err)
	}
	switch {
	case errors.Is(err, ErrDrained):
		return temporal.NewApplicationErrorWithOptions(err.Error(), TypeDrained, temporal.ApplicationErrorOptions{
			NextRetryDelay: time.Second, Cause: err, Category: temporal.ApplicationErrorCategoryBenign,
		})
	case temporal.IsCanceledError(err), activityCancelled(ctx), errors.Is(err, errSuspended):
		return err
	default:
		return retryOrPause(ctx, err)
	}
}

// finalType returns the type of an error that would occur again on any worker, and "" for others.
func finalType(err error) string {
	var corrupt *storage.CorruptError
	var diagnostic dataset.Diagnostic
	switch {
	case errors.Is(err, pseudonym.ErrKey):
		return TypeUserKey
	case errors.Is(err, ErrInvalid):
		return TypeInvalidConfig
	case errors.Is(err, ErrTeacherAuth):
		return TypeTeacherAuth
	case errors.Is(err, ErrQuota):
		return TypeTeacherQuota
	case errors.Is(err, errNoProgress):
		return TypeNoProgress
	case errors.Is(err, ErrData), errors.Is(err, registry.ErrCorrupt), errors.Is(err, storage.ErrAllCorrupt),
		errors.As(err, &corrupt), errors.As(err, &diagnostic):
		return TypeDataCorrupt
	default:
		return ""
	}
}

func nonRetryable(errorType string, err error) error {
	return temporal.NewNonRetryableApplicationError(err.Error(), errorType, err)
}
