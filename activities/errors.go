package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"

	"rdrec/internal/dataset"
	"rdrec/storage"
)

// Errors that an activity's helpers return; fail turns them into what Temporal acts on.
var (
	// ErrDrained says that the worker is shutting down and what can be saved of the work is: another worker goes on at once.
	ErrDrained = errors.New("worker is draining")
	// ErrInvalid says that the settings can't be carried out, whoever tries.
	ErrInvalid = errors.New("invalid configuration")
	// ErrData says that the input is damaged or does not fit, whoever tries.
	ErrData = errors.New("bad input data")
	// ErrTeacherAuth says that the teacher refused our credentials.
	ErrTeacherAuth = errors.New("the teacher refused the credentials")

	errStalled    = errors.New("no progress")
	errFrozen     = errors.New("this process stood still for longer than a heartbeat may fail to come")
	errNoProgress = errors.New("attempt after attempt gets no further")
)

// LaterError says that a neighbour asked to be left alone for a while.
type LaterError struct {
	After time.Duration
	Err   error
}

func (e *LaterError) Error() string { return e.Err.Error() }

// Unwrap is what went wrong.
func (e *LaterError) Unwrap() error { return e.Err }

// Types of application errors, as the Web UI and the workflows see them.
const (
	TypeInvalidConfig = "InvalidConfig"
	TypeDataCorrupt   = "DataCorrupt"
	TypeTeacherAuth   = "TeacherAuth"
	TypeNoProgress    = "NoProgress"
	TypeStorageFull   = "StorageFull"
	TypeDrained       = "Drained"
	TypeLater         = "Later"
)

// fail says what Temporal should do about err. This is the one place where it is decided what is retried: what would fail again
// whoever tries is final; a drain is retried at once; everything else backs off and retries.
func fail(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	leaveWord(ctx)
	if cause := context.Cause(ctx); errors.Is(cause, errStalled) || errors.Is(cause, errNoProgress) {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	var corrupt *storage.CorruptError
	var fault dataset.Fault
	var later *LaterError
	switch {
	case errors.Is(err, ErrInvalid):
		return final(TypeInvalidConfig, err)
	case errors.Is(err, ErrTeacherAuth):
		return final(TypeTeacherAuth, err)
	case errors.Is(err, errNoProgress):
		return final(TypeNoProgress, err)
	case errors.Is(err, ErrData), errors.Is(err, storage.ErrAllCorrupt), errors.As(err, &corrupt), errors.As(err, &fault):
		return final(TypeDataCorrupt, err)
	case errors.Is(err, ErrDrained):
		return temporal.NewApplicationErrorWithOptions(err.Error(), TypeDrained, temporal.ApplicationErrorOptions{
			NextRetryDelay: time.Second, Cause: err, Category: temporal.ApplicationErrorCategoryBenign,
		})
	case errors.As(err, &later):
		return temporal.NewApplicationErrorWithOptions(err.Error(), TypeLater, temporal.ApplicationErrorOptions{
			NextRetryDelay: later.After, Cause: err,
		})
	case errors.Is(err, storage.ErrFull):
		return temporal.NewApplicationErrorWithCause(err.Error(), TypeStorageFull, err)
	default:
		return err
	}
}

func final(kind string, err error) error {
	return temporal.NewNonRetryableApplicationError(err.Error(), kind, err)
}
