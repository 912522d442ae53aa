package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/temporal"

	"rdrec/activities"
	"rdrec/workflows"
)

// missingFile is the error of an import of a file that does not exist, wrapped as the activities
// wrap it: with the class of the error, and with the operation.
func missingFile() error {
	err := fmt.Errorf("%w: no file matches %q", activities.ErrInvalid, "mine/nope.csv.gz")
	err = fmt.Errorf("read the data: %w", err)
	return temporal.NewNonRetryableApplicationError(err.Error(), activities.TypeInvalidConfig, err)
}

const missingFileCause = `read the data: invalid configuration: no file matches "mine/nope.csv.gz"`

func TestFailureOf(t *testing.T) {
	t.Parallel()
	const again = "fix the cause and run it again: finished stages are cached"
	for _, c := range []struct {
		name string
		err  error
		want workflows.Failure
	}{
		{
			"an activity's error", missingFile(), workflows.Failure{
				Type: activities.TypeInvalidConfig, Cause: missingFileCause,
				Hint: "change the spec, or the file that the message names, and run it again: " +
					"finished stages are cached",
			},
		},
		{
			"a plain error", errors.New("the bucket is slow"),
			workflows.Failure{Cause: "the bucket is slow", Hint: again},
		},
		{
			"a repeated part", errors.New("read: no space: no space"),
			workflows.Failure{Cause: "read: no space", Hint: again},
		},
		{
			"joined errors", errors.Join(errors.New("first"), errors.New("second"), errors.New("first")),
			workflows.Failure{Cause: "first; second", Hint: again},
		},
		{
			"credentials", errors.New("reach http://ada:secret@host/v1: refused"),
			workflows.Failure{Cause: "reach http://***@host/v1: refused", Hint: again},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, workflows.FailureOf(c.err)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestFailureConverterStoresTheMessageOnce converts what the activities return to what a history
// stores and back.
func TestFailureConverterStoresTheMessageOnce(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"non-retryable": missingFile(),
		"any other": fmt.Errorf("read the data: %w: %w", activities.ErrInvalid,
			errors.New(`no file matches "mine/nope.csv.gz"`)),
	} {
		stored := workflows.Payloads{}.FailureConverter().ErrorToFailure(err)
		text := stored.String()
		if n := strings.Count(text, "no file matches"); n != 1 || strings.Contains(text, "wrap") {
			t.Errorf("%s: the message is stored %d times: %s", name, n, text)
		}
		read := workflows.Payloads{}.FailureConverter().FailureToError(stored)
		if got := workflows.FailureOf(read).Cause; got != missingFileCause {
			t.Errorf("%s: cause %q", name, got)
		}
	}
}

// TestWorkflowsFailWithTheCause checks the failure that the Web UI shows, and that of a child.
func TestWorkflowsFailWithTheCause(t *testing.T) {
	t.Parallel()
	for stage, want := range map[string]string{
		"Import":   missingFileCause,
		"Pretrain": "rdrec-1: " + missingFileCause,
	} {
		w := newWorkflowEnv(t)
		w.fail[stage] = missingFile()
		w.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: experiment("rdrec")})
		err := w.env.GetWorkflowError()
		var failed *temporal.ApplicationError
		if !errors.As(err, &failed) {
			t.Fatalf("%s: %v", stage, err)
		}
		if failed.Message() != want || failed.Type() != activities.TypeInvalidConfig || failed.Unwrap() != nil {
			t.Errorf("%s: message %q, type %s, cause %v", stage, failed.Message(), failed.Type(), failed.Unwrap())
		}
	}
}

// TestCancellationIsNoFailure checks that a cancelled experiment stays cancelled.
func TestCancellationIsNoFailure(t *testing.T) {
	t.Parallel()
	w := newWorkflowEnv(t)
	w.mock("Import", func(context.Context, activities.ImportInput) error { return temporal.NewCanceledError() })
	w.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: experiment("rdrec")})
	if err := w.env.GetWorkflowError(); !temporal.IsCanceledError(err) {
		t.Errorf("%v", err)
	}
}
