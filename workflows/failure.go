package workflows

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"strings"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"rdrec/activities"
	"rdrec/internal/document"
	"rdrec/internal/pseudonym"
)

// Failure describes why a workflow or an activity failed, for people and for programs.
type Failure struct {
	// Type is the type of the error (activities/errors.go); empty for an error without one.
	Type string `json:"type,omitempty"`
	// Cause is the message of the original error, without the frames that Temporal wraps around it.
	Cause string `json:"cause"`
	// Hint is the next step; empty where the cause says enough.
	Hint string `json:"hint,omitempty"`
}

// Types of failures that Temporal itself reports.
const (
	typeTimeout = "Timeout"
	typePanic   = "PanicError"
)

// FailureOf returns the failure that an error of Temporal's client or of a workflow stands for. All
// commands and the workflows present errors by it.
func FailureOf(err error) Failure {
	f := Failure{Cause: plainMessage(err.Error())}
	var application *temporal.ApplicationError
	var timeout *temporal.TimeoutError
	var panicked *temporal.PanicError
	var terminated *temporal.TerminatedError
	switch {
	case errors.As(err, &application):
		f.Type, f.Cause = application.Type(), plainMessage(application.Message())
	case errors.As(err, &panicked):
		f.Type, f.Cause = typePanic, "panic: "+plainMessage(panicked.Error())
	case errors.As(err, &timeout):
		f.Type, f.Cause = typeTimeout, timeoutCause(timeout.TimeoutType())
	case errors.As(err, &terminated):
		f.Cause = "terminated by a user"
	}
	if child := trialOf(err); child != "" && !strings.HasPrefix(f.Cause, child) {
		f.Cause = child + ": " + f.Cause
	}
	f.Hint = failureHint(f.Type)
	return f
}

// trialOf returns the name of the child workflow that failed, such as "rdrec-1", or "".
func trialOf(err error) string {
	var child *temporal.ChildWorkflowExecutionError
	if !errors.As(err, &child) {
		return ""
	}
	return path.Base(child.WorkflowID())
}

func timeoutCause(timeout enums.TimeoutType) string {
	switch timeout {
	case enums.TIMEOUT_TYPE_HEARTBEAT:
		return fmt.Sprintf("the worker was lost: it sent no heartbeat for %s", heartbeatTimeout)
	case enums.TIMEOUT_TYPE_START_TO_CLOSE:
		return "the attempt took longer than its time limit"
	default:
		return "no attempt succeeded within the time limit"
	}
}

// failureHint returns the next step for a type of error.
func failureHint(errorType string) string {
	hints := map[string]string{
		activities.TypeInvalidConfig: "change the spec, or the file that the message names, and run it again: " +
			"finished stages are cached",
		activities.TypeDataCorrupt: "repair the input that the message names and run it again: finished " +
			"stages are cached",
		activities.TypeTeacherAuth: "set the workers' RDREC_TEACHER_KEY or OPENAI_API_KEY and run it again: " +
			"finished rationales are kept",
		activities.TypeUserKey: pseudonym.Hint,
		activities.TypeNoProgress: "the workers' logs show how the attempts ended; run it again after the " +
			"cause is fixed",
		activities.TypeTeacherQuota: "buy credit for the teacher's account, then resume the run: finished " +
			"rationales are kept",
		activities.TypeOutOfMemory: "start a worker with more memory or release memory, then resume the run; " +
			"\"starter plan\" shows what each student.size takes",
		activities.TypeRepeatedFailures: "fix the cause that the message names, then resume the run",
		activities.TypeStorageFull: "free space in the bucket or the scratch folder that the message names; " +
			"attempts continue by themselves",
		TypeWrongBucket: "set --bucket or RDREC_BUCKET of the starter and of all workers to the same bucket",
		typePanic:       "this is a bug: the workers' logs have the stack trace",
	}
	return cmp.Or(hints[errorType], "fix the cause and run it again: finished stages are cached")
}

// plainMessage returns a message on one line, without credentials in URLs, repeated lines and
// repeated parts.
func plainMessage(text string) string {
	var lines []string
	seen := map[string]bool{}
	for line := range strings.Lines(document.Redact(text)) {
		if line = strings.TrimSpace(line); line != "" && !seen[line] {
			lines = append(lines, withoutRepetition(line))
			seen[line] = true
		}
	}
	return strings.Join(lines, "; ")
}

// withoutRepetition drops a part of a wrapped message that is the same as the one before it.
func withoutRepetition(line string) string {
	const separator = ": "
	parts := strings.Split(line, separator)
	unrepeated := parts[:1]
	for _, part := range parts[1:] {
		if part != unrepeated[len(unrepeated)-1] {
			unrepeated = append(unrepeated, part)
		}
	}
	return strings.Join(unrepeated, separator)
}

// workflowError returns the error that a workflow ends with: one whose message is the cause, so
// that the Web UI and a parent workflow show it. Cancellation and continuation stay as they are.
func workflowError(err error) error {
	var continued *workflow.ContinueAsNewError
	if err == nil || temporal.IsCanceledError(err) || errors.As(err, &continued) {
		return err
	}
	f := FailureOf(err)
	return temporal.NewNonRetryableApplicationError(f.Cause, f.Type, nil)
}

// invalidSpec returns the error of a spec that no worker can run.
func invalidSpec(err error) error {
	return temporal.NewNonRetryableApplicationError(err.Error(), activities.TypeInvalidConfig, nil)
}
