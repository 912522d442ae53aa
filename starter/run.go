package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"rdrec/internal/spec"
	"rdrec/workflows"
)

// runCmd starts an experiment.
type runCmd struct {
	specArg
	Watch bool `help:"Watch the experiment until it ends." default:"true" negatable:""`
}

// Run starts the experiment, or finds the one that the same spec started before, and watches it.
func (c *runCmd) Run(ctx context.Context, a *app) error {
	s, err := c.load()
	if err != nil {
		return err
	}
	if err := c.checkBucket(ctx, a); err != nil {
		return err
	}
	to, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer to.Close()
	e, err := startExperiment(ctx, to, s)
	if err != nil {
		return err
	}
	a.printStarted(e)
	if !c.Watch {
		return a.printStartedJSON(e)
	}
	return a.watch(ctx, e)
}

// checkBucket finds out before the work, rather than after it, that the report could not be
// fetched.
func (c *runCmd) checkBucket(ctx context.Context, a *app) error {
	if !c.Watch {
		return nil
	}
	bucket, err := a.openBucket(ctx)
	if err != nil {
		return err
	}
	return bucket.Close()
}

// execution is a workflow on a server.
type execution struct {
	*server
	id, run string
	// status is as of when the experiment was found.
	status enums.WorkflowExecutionStatus
	// workflowType is the workflow's: most are experiments, but distillations are watched and
	// reported too.
	workflowType string
}

// startExperiment starts the experiment of a spec. The id is the spec's, so whoever asks for the
// same experiment finds the running or the finished one; only a failed, cancelled or terminated one
// is started again.
func startExperiment(ctx context.Context, to *server, s spec.Spec) (*execution, error) {
	options, err := startOptions(s)
	if err != nil {
		return nil, err
	}
	run, err := to.ExecuteWorkflow(ctx, options, workflows.Experiment, workflows.ExperimentInput{Spec: s})
	if invalid := new(serviceerror.InvalidArgument); errors.As(err, &invalid) && strings.Contains(invalid.Message, "earch attribute") {
		return nil, fmt.Errorf("%w: %w", errAttributes, err)
	}
	if err != nil {
		return nil, fmt.Errorf("starting experiment %q: %w", options.ID, err)
	}
	return find(ctx, to, run.GetID())
}

func startOptions(s spec.Spec) (client.StartWorkflowOptions, error) {
	id, err := s.WorkflowID()
	if err != nil {
		return client.StartWorkflowOptions{}, err
	}
	text, err := s.YAML()
	if err != nil {
		return client.StartWorkflowOptions{}, err
	}
	return client.StartWorkflowOptions{
		ID: id, TaskQueue: workflows.QueueCPU,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		WorkflowIDReusePolicy:    enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
		StaticSummary:            fmt.Sprintf("%s on %s, protocol %s", strings.Join(s.Methods, ", "), dataName(s), s.Protocol),
		StaticDetails:            "```yaml\n" + string(text) + "```\n",
		TypedSearchAttributes: temporal.NewSearchAttributes(
			temporal.NewSearchAttributeKeyKeyword("RdrecDataset").ValueSet(dataName(s)),
			temporal.NewSearchAttributeKeyKeywordList("RdrecMethod").ValueSet(s.Methods),
			temporal.NewSearchAttributeKeyKeyword("RdrecProtocol").ValueSet(s.Protocol),
			temporal.NewSearchAttributeKeyKeyword("RdrecTeacher").ValueSet(s.Teacher.Model),
			workflows.StageAttribute().ValueSet("queued"),
		),
	}, nil
}

// dataName is a short name of the spec's data, for people: the folder's or the file's without its
// endings.
func dataName(s spec.Spec) string {
	if s.Data.Reviews == nil {
		return filepath.Base(s.Data.Folder)
	}
	name, _, _ := strings.Cut(filepath.Base(s.Data.Reviews.Path), ".")
	return name
}

// find looks an experiment up by its id.
func find(ctx context.Context, to *server, id string) (*execution, error) {
	found, err := to.DescribeWorkflowExecution(ctx, id, "")
	if missing := new(serviceerror.NotFound); errors.As(err, &missing) {
		return nil, fmt.Errorf("%w: %q in namespace %q of %s", errNoExperiment, id, to.namespace, to.address)
	}
	if err != nil {
		return nil, fmt.Errorf("looking for experiment %q: %w", id, err)
	}
	info := found.GetWorkflowExecutionInfo()
	return &execution{to, id, info.GetExecution().GetRunId(), info.GetStatus(), info.GetType().GetName()}, nil
}

// printStarted says what was started or found.
func (a *app) printStarted(e *execution) {
	verb := map[enums.WorkflowExecutionStatus]string{
		enums.WORKFLOW_EXECUTION_STATUS_RUNNING:   "runs",
		enums.WORKFLOW_EXECUTION_STATUS_COMPLETED: "is finished already",
	}[e.status]
	a.logf("%s %s %s", cmp.Or(strings.ToLower(e.workflowType), "experiment"), e.id, verb)
	if page := e.page(e.id, e.run); page != "" {
		a.logf("Web UI     %s", page)
	}
}

// printStartedJSON tells programs what was started.
func (a *app) printStartedJSON(e *execution) error {
	if !a.flags.JSON {
		return a.print(e.id + "\n")
	}
	text, err := json.Marshal(map[string]string{"id": e.id, "run": e.run, "ui": e.page(e.id, e.run)})
	if err != nil {
		return fmt.Errorf("writing the experiment as JSON: %w", err)
	}
	return a.print(string(text) + "\n")
}
