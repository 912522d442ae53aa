package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/testsuite"

	"rdrec/internal/progress"
	"rdrec/storage"
)

// fakeTensorError is an error of the tensor library.
type fakeTensorError struct{ outOfMemory, deviceLost bool }

func (e *fakeTensorError) Error() string     { return "libtorch: mm: bad luck" }
func (e *fakeTensorError) OutOfMemory() bool { return e.outOfMemory }
func (e *fakeTensorError) DeviceLost() bool  { return e.deviceLost }

// TestFailuresInARow has an attempt after a number of failures without progress.
func TestFailuresInARow(t *testing.T) {
	other, memory := errors.New("other"), &fakeTensorError{outOfMemory: true}
	lost := &fakeTensorError{deviceLost: true}
	later := &RetryAfterError{After: 20 * time.Second, Err: errors.New("busy")}
	for _, c := range []struct {
		name         string
		before, most int
		progressed   bool
		err          error
		want         outcome
	}{
		{"the first", 0, 20, false, other, outcome{}},
		{"the sixth", 5, 20, false, other, outcome{}},
		{"the seventh", 6, 20, false, other, outcome{Type: TypeFailed, After: 64 * time.Second}},
		{"the tenth", 9, 20, false, other, outcome{Type: TypeFailed, After: 512 * time.Second}},
		{"the nineteenth", 18, 20, false, other, outcome{Type: TypeFailed, After: 10 * time.Minute}},
		{"the twentieth", 19, 20, false, other, outcome{Type: TypeRepeatedFailures, Final: true}},
		{"the twentieth, with progress", 19, 20, true, other, outcome{}},
		{"no limit", 999, 0, false, other, outcome{Type: TypeFailed, After: 10 * time.Minute}},
		{"a full disk", 6, 20, false, storage.ErrFull, outcome{Type: TypeStorageFull, After: 64 * time.Second}},
		{"the server asks for less", 6, 20, false, later, outcome{Type: TypeRetryAfter, After: 64 * time.Second}},
		{"the server asks for more", 2, 20, false, later, outcome{Type: TypeRetryAfter, After: 20 * time.Second}},
		{"out of memory twice", 1, 20, false, memory, outcome{}},
		{"out of memory again", 2, 20, false, memory, outcome{Type: TypeOutOfMemory, Final: true}},
		{"draining", 19, 20, false, ErrDrained, outcome{Type: TypeDrained, After: time.Second, Benign: true}},
		{"a dead device", 19, 20, false, lost, outcome{Type: TypeDeviceLost, After: time.Second}},
		{"an exhausted quota", 0, 20, false, ErrQuota, outcome{Type: TypeTeacherQuota, Final: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := &Activities{Now: time.Now, MaxFailures: c.most}
			fail := func(ctx context.Context) (err error) {
				ctx, p := a.startHeartbeat(ctx, "stage")
				defer p.stop()
				defer func() { err = temporalError(ctx, err) }()
				if c.progressed {
					p.report(Progress{Progress: progress.Progress{Done: 1}})
				}
				return fmt.Errorf("doing it: %w", c.err)
			}
			var suite testsuite.WorkflowTestSuite
			env := suite.NewTestActivityEnvironment()
			env.RegisterActivityWithOptions(fail, activity.RegisterOptions{Name: "Fail"})
			env.SetHeartbeatDetails(Progress{History: attemptHistory{Failed: c.before, Ended: true}})
			_, err := env.ExecuteActivity("Fail")
			got := outcomeOf(err)
			if c.want.Type == "" { // the test environment names an error without a type after its Go type
				got.Type = ""
			}
			if got != c.want {
				t.Errorf("%+v, want %+v: %v", got, c.want, err)
			}
			if err != nil && !strings.Contains(err.Error(), c.err.Error()) {
				t.Errorf("the cause is lost: %v", err)
			}
		})
	}
}

// TestALostDeviceCountsAsALostWorker has its attempt followed by another one.
func TestALostDeviceCountsAsALostWorker(t *testing.T) {
	for err, want := range map[error]bool{&fakeTensorError{deviceLost: true}: false, errors.New("other"): true} {
		p := &heartbeat{now: time.Now}
		var suite testsuite.WorkflowTestSuite
		env := suite.NewTestActivityEnvironment()
		env.RegisterActivityWithOptions(func(ctx context.Context) error {
			return temporalError(context.WithValue(ctx, heartbeatKey{}, p), err)
		}, activity.RegisterOptions{Name: "Fail"})
		if _, err := env.ExecuteActivity("Fail"); err == nil {
			t.Error("no error")
		}
		if p.latest.History.Ended != want {
			t.Errorf("%v: ended %t, want %t", err, p.latest.History.Ended, want)
		}
	}
}

func TestPauses(t *testing.T) {
	for errorType, want := range map[string]bool{
		TypeTeacherQuota: true, TypeOutOfMemory: true, TypeRepeatedFailures: true, TypeDeviceLost: false,
		TypeDataCorrupt: false, TypeTeacherAuth: false, TypeNoProgress: false, "": false,
	} {
		if Pauses(errorType) != want {
			t.Errorf("%q: %t", errorType, Pauses(errorType))
		}
	}
}
