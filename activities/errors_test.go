package activities

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"rdrec/internal/dataset"
	"rdrec/storage"
)

// outcome is what Temporal acts on.
type outcome struct {
	Type  string
	Final bool
	// After is when it is tried again, 0 where the retry policy decides.
	After  time.Duration
	Benign bool
}

func outcomeOf(err error) outcome {
	var failed *temporal.ApplicationError
	if !errors.As(err, &failed) {
		return outcome{}
	}
	return outcome{
		failed.Type(),
		failed.NonRetryable(),
		failed.NextRetryDelay(),
		failed.Category() == temporal.ApplicationErrorCategoryBenign,
	}
}

// TestWhatIsRetried has each class of error, as it is and wrapped.
func TestWhatIsRetried(t *testing.T) {
	corrupt := &storage.CorruptError{Key: "k", Reason: "r"}
	later := &LaterError{After: 17 * time.Second, Err: errors.New("busy")}
	config, data := outcome{Type: TypeInvalidConfig, Final: true}, outcome{Type: TypeDataCorrupt, Final: true}
	for _, c := range []struct {
		name string
		err  error
		want outcome
	}{
		{"invalid settings", ErrInvalid, config},
		{"refused credentials", ErrTeacherAuth, outcome{Type: TypeTeacherAuth, Final: true}},
		{"no progress", errNoProgress, outcome{Type: TypeNoProgress, Final: true}},
		{"bad data", ErrData, data},
		{"every checkpoint corrupt", storage.ErrAllCorrupt, data},
		{"a corrupt object", corrupt, data},
		{"a fault of a dataset", dataset.Fault{File: "f", Line: 1, Reason: "r"}, data},
		{"draining", ErrDrained, outcome{Type: TypeDrained, After: time.Second, Benign: true}},
		{"later", later, outcome{Type: TypeLater, After: 17 * time.Second}},
		{"a full disk", storage.ErrFull, outcome{Type: TypeStorageFull}},
		{"not found", storage.ErrNotFound, outcome{}},
		{"promoted meanwhile", storage.ErrPromotedMeanwhile, outcome{}},
		{"stalled", errStalled, outcome{}},
		{"frozen", errFrozen, outcome{}},
		{"cancelled", context.Canceled, outcome{}},
		{"out of time", context.DeadlineExceeded, outcome{}},
		{"any other", errors.New("other"), outcome{}},
		{"invalid settings in bad data", fmt.Errorf("%w: %w", ErrData, ErrInvalid), config},
		{"a corrupt object while draining", errors.Join(ErrDrained, corrupt), data},
		{
			"later on a full disk", errors.Join(storage.ErrFull, later),
			outcome{Type: TypeLater, After: 17 * time.Second},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, err := range []error{c.err, fmt.Errorf("doing it: %w", c.err)} {
				got := fail(t.Context(), err)
				if outcomeOf(got) != c.want {
					t.Errorf("%v: %+v, want %+v", err, outcomeOf(got), c.want)
				}
				if !errors.Is(got, err) {
					t.Errorf("%v: the cause is lost: %v", err, got)
				}
			}
		})
	}
	if err := fail(t.Context(), nil); err != nil {
		t.Errorf("no error fails: %v", err)
	}
}

// TestTheContextsCauseDecides has an error that comes of a context that ended for a reason of its
// own.
func TestTheContextsCauseDecides(t *testing.T) {
	for _, c := range []struct {
		cause error
		named bool
		want  outcome
	}{
		{errStalled, true, outcome{}},
		{errNoProgress, true, outcome{Type: TypeNoProgress, Final: true}},
		{errFrozen, false, outcome{}},
		{ErrInvalid, false, outcome{}},
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(fmt.Errorf("stopped: %w", c.cause))
		got := fail(ctx, context.Canceled)
		if outcomeOf(got) != c.want || !errors.Is(got, context.Canceled) || errors.Is(got, c.cause) != c.named {
			t.Errorf("%v: %+v, %v; want %+v and the cause named: %t", c.cause, outcomeOf(got), got, c.want, c.named)
		}
	}
}

func TestALaterErrorIsItsCause(t *testing.T) {
	err := &LaterError{After: time.Second, Err: storage.ErrFull}
	if err.Error() != storage.ErrFull.Error() || !errors.Is(err, storage.ErrFull) {
		t.Errorf("%v", err)
	}
}
