package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"rdrec/storage"
	"rdrec/workflows"
)

// execution is a workflow execution on a server.
type execution struct {
	*server
	id, run string
	// status is the status at the time the execution was found.
	status enums.WorkflowExecutionStatus
	// workflowType is the registered name of the workflow; most executions are experiments.
	workflowType string
	// ended is when it ended; zero if it runs.
	ended time.Time
	// reused is the finished run that a start found, if its inputs did not change.
	reused *reuse
}

// Workflow types that print a result of their own; all others are experiments.
const (
	typeDistillation = "Distillation"
	typeNightly      = "Nightly"
)

// startOrFind starts a workflow, or finds the running one that has the same id. The reuse policy of
// the options decides whether a closed one is found or started again.
func startOrFind(
	ctx context.Context, to *server, options client.StartWorkflowOptions, workflow, in any,
) (*execution, error) {
	options.TaskQueue = workflows.QueueCPU
	options.WorkflowIDConflictPolicy = enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
	ctx, err := to.inBucket(ctx)
	if err != nil {
		return nil, err
	}
	run, err := to.ExecuteWorkflow(ctx, options, workflow, in)
	if err != nil {
		return nil, fmt.Errorf("starting workflow %q: %w", options.ID, attributeError(err))
	}
	return find(ctx, to, run.GetID())
}

// attributeError returns an error of the server; one about unknown search attributes gets a hint.
func attributeError(err error) error {
	invalid := new(serviceerror.InvalidArgument)
	if errors.As(err, &invalid) && strings.Contains(invalid.Message, "earch attribute") {
		return fmt.Errorf("%w: %w", errAttributes, err)
	}
	return err
}

// workflowID returns the id of a workflow that is identified by its input: the same input finds the
// same execution.
func workflowID(prefix, name string, in any) (string, error) {
	text, err := json.Marshal(in)
	if err != nil {
		return "", fmt.Errorf("writing the input of %s %q as JSON: %w", prefix, name, err)
	}
	return fmt.Sprintf("%s-%s-%.12s", prefix, name, storage.Digest(text)), nil
}

// find returns the latest execution of a workflow id.
func find(ctx context.Context, to *server, id string) (*execution, error) {
	found, err := to.DescribeWorkflowExecution(ctx, id, "")
	if missing := new(serviceerror.NotFound); errors.As(err, &missing) {
		return nil, fmt.Errorf("%w: %q in namespace %q of %s", errNoExperiment, id, to.namespace, to.address)
	}
	if err != nil {
		return nil, fmt.Errorf("looking for experiment %q: %w", id, err)
	}
	info := found.GetWorkflowExecutionInfo()
	e := &execution{
		server: to, id: id, run: info.GetExecution().GetRunId(), status: info.GetStatus(),
		workflowType: info.GetType().GetName(),
	}
	if info.GetCloseTime() != nil {
		e.ended = info.GetCloseTime().AsTime()
	}
	return e, nil
}

// result waits for the workflow to close and decodes its result; into may be nil.
func (e *execution) result(ctx context.Context, into any) error {
	err := e.GetWorkflow(ctx, e.id, e.run).Get(ctx, into)
	if temporal.IsCanceledError(err) {
		return fmt.Errorf("%w: %s", errCancelled, e.id)
	}
	if err != nil {
		return failedError{e.id, workflows.FailureOf(err)}
	}
	return nil
}

// failedError is the error of a workflow that failed: its message ends with the cause.
type failedError struct {
	id string
	workflows.Failure
}

func (e failedError) Error() string { return fmt.Sprintf("%s: %s: %s", errExperiment, e.id, e.Cause) }

// Is reports whether the target is [errExperiment].
func (failedError) Is(target error) bool { return target == errExperiment }

// failure returns why the workflow failed, or nil if it did not.
func (e *execution) failure(ctx context.Context) *workflows.Failure {
	const running, completed = enums.WORKFLOW_EXECUTION_STATUS_RUNNING, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED
	if e.status == running || e.status == completed {
		return nil
	}
	var failed failedError
	if errors.As(e.result(ctx, nil), &failed) {
		return &failed.Failure
	}
	return nil
}

// printStarted prints the id, the status and the page of an execution, for people.
func (a *app) printStarted(e *execution) {
	state := "is " + statusName(e.status)
	switch e.status {
	case enums.WORKFLOW_EXECUTION_STATUS_RUNNING:
		state = "runs"
	case enums.WORKFLOW_EXECUTION_STATUS_COMPLETED:
		state = "is finished already"
	default:
	}
	a.logf("%s %s %s", cmp.Or(strings.ToLower(e.workflowType), "experiment"), e.id, state)
	if page := e.page(e.id, e.run); page != "" {
		a.logf("Web UI     %s", page)
	}
}

// printStartedJSON prints the id of an execution, for programs.
func (a *app) printStartedJSON(e *execution) error {
	if !a.flags.JSON {
		return a.print(e.id + "\n")
	}
	text, err := json.Marshal(struct {
		ID     string `json:"id"`
		Run    string `json:"run"`
		UI     string `json:"ui"`
		Reused *reuse `json:"reused,omitempty"`
	}{e.id, e.run, e.page(e.id, e.run), e.reused})
	if err != nil {
		return fmt.Errorf("writing the experiment as JSON: %w", err)
	}
	return a.write(string(text) + "\n")
}

// statusName returns Temporal's status in lower case.
func statusName(status enums.WorkflowExecutionStatus) string { return strings.ToLower(status.String()) }
