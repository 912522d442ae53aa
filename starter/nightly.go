package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"rdrec/activities"
	"rdrec/internal/spec"
	"rdrec/workflows"
)

// nightlyCmd does nights.
type nightlyCmd struct {
	Run nightlyRunCmd `cmd:"" help:"Start a nightly run now."`
}

// nightlyRunCmd starts a night.
type nightlyRunCmd struct {
	nightlySpec
	Wait     bool `help:"Wait for the verdict: exit code 0 if the model was promoted or nothing was new, 12 if it was rejected."`
	RetryAll bool `help:"Also ingest files that earlier runs skipped or rejected."`
}

// nightlySpec is a spec with a nightly block.
type nightlySpec struct {
	Spec string   `arg:"" help:"The spec, a YAML file with a nightly block."`
	Set  []string `help:"Override a value of the spec." placeholder:"KEY=VALUE" sep:"none"`
}

// errRejected says that the night's model is not in use.
var errRejected = errors.New("the nightly run's model was rejected")

func (c nightlySpec) load() (spec.Spec, error) {
	s, err := spec.Load(c.Spec, c.Set)
	if err == nil && s.Nightly == nil {
		err = usageError{fmt.Errorf("%s has no nightly block", c.Spec)}
	}
	return s, err
}

// nightlyWorkflowID is the id of a name's nights; a schedule appends the time to it.
func nightlyWorkflowID(name string) string { return name + "-nightly-run" }

// Run starts the night, or finds the one that somebody started before and that still runs.
func (c *nightlyRunCmd) Run(ctx context.Context, a *app) error {
	s, err := c.load()
	if err != nil {
		return err
	}
	to, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer to.Close()
	options, err := startOptions(s)
	if err != nil {
		return err
	}
	options.ID = nightlyWorkflowID(s.Name)
	options.WorkflowIDReusePolicy = enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
	in := workflows.NightlyInput{Spec: s, RetryAll: c.RetryAll}
	if _, err := to.ExecuteWorkflow(ctx, options, workflows.Nightly, in); err != nil {
		return fmt.Errorf("starting nightly run %q: %w", options.ID, err)
	}
	e, err := find(ctx, to, options.ID)
	if err != nil {
		return err
	}
	a.printStarted(e)
	if !c.Wait {
		return a.printStartedJSON(e)
	}
	if e.status == enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
		if err := a.awaitClosed(ctx, e); err != nil {
			return err
		}
	}
	return a.printVerdict(ctx, e)
}

// printVerdict prints what came of a night and is an error where its model is not in use.
func (a *app) printVerdict(ctx context.Context, e *execution) error {
	var run activities.NightlyRun
	if err := e.result(ctx, &run); err != nil {
		return err
	}
	if err := a.printNightlyRun(run); err != nil {
		return err
	}
	if run.Verdict == activities.VerdictRejected {
		return fmt.Errorf("%w: %s", errRejected, strings.Join(run.Reasons, "; "))
	}
	return nil
}

func (a *app) printNightlyRun(run activities.NightlyRun) error {
	if a.flags.JSON {
		return a.printJSON(run)
	}
	var page strings.Builder
	fmt.Fprintf(&page, "nightly run %d of %s: %s; promotion %d is in use\n", run.Number, run.Name, run.Verdict, run.Promotion)
	fmt.Fprintf(&page, "ingested %d files: %d rows, %d unreadable; %d rationales requested, %d reused\n", len(run.Ingested),
		run.Counts[activities.CountNewRows], run.Counts[activities.CountNewBad], run.Counts[activities.CountRequests],
		run.Counts[activities.CountRationales]-run.Counts[activities.CountRequests])
	if c := run.Comparison; c != nil {
		fmt.Fprintf(&page, "%s over %d users: %.4f, before %.4f, difference %+.4f (95%% %+.4f to %+.4f), p %.3f\n", c.Metric, c.Users, c.Candidate, c.Current,
			c.Difference, c.Low, c.High, c.P)
	}
	if run.HTML != "" {
		fmt.Fprintf(&page, "report %s\n", run.HTML)
	}
	return a.print(page.String())
}

// promoteCmd puts a run's model in use.
type promoteCmd struct {
	Name  string `arg:"" help:"The name that the model is used under: the nightly spec's."`
	RunID string `arg:"" name:"run" help:"The run that trained it: WORKFLOW/RUN, as its report says; a workflow alone means its latest run."`
}

// Run has a workflow put the model in use: workflows are the only writers.
func (c *promoteCmd) Run(ctx context.Context, a *app) error {
	return a.startPromotion(ctx, activities.ChooseModelInput{Name: c.Name, Run: c.RunID})
}

// rollbackCmd puts an earlier model in use again.
type rollbackCmd struct {
	Name string `arg:"" help:"The name that the models are used under."`
	To   int    `help:"The number of a promotion; without it, the model that was in use before the present one." placeholder:"N"`
}

// Run has a workflow put the model in use. The reviews that only the present model has seen are set
// aside.
func (c *rollbackCmd) Run(ctx context.Context, a *app) error {
	return a.startPromotion(ctx, activities.ChooseModelInput{Name: c.Name, To: c.To})
}

// startPromotion has a workflow put a model in use.
func (a *app) startPromotion(ctx context.Context, in activities.ChooseModelInput) error {
	to, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer to.Close()
	run, err := to.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: workflows.PromotionID(in.Name), TaskQueue: workflows.QueueCPU,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowIDReusePolicy:    enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		StaticSummary:            "change the model in use as " + in.Name,
	}, workflows.Promotion, in)
	if err != nil {
		return fmt.Errorf("starting %q: %w", workflows.PromotionID(in.Name), err)
	}
	e := &execution{server: to, id: run.GetID(), run: run.GetRunID(), status: enums.WORKFLOW_EXECUTION_STATUS_RUNNING}
	if err := a.awaitClosed(ctx, e); err != nil {
		return err
	}
	bucket, err := a.openBucket(ctx)
	if err != nil {
		return err
	}
	defer bucket.Close()
	if err := e.result(ctx, nil); err != nil {
		return err
	}
	current, err := bucket.CurrentPromotion(ctx, in.Name)
	if err != nil {
		return fmt.Errorf("reading what is in use as %q: %w", in.Name, err)
	}
	a.logf("promotion %d (%s) of %s is in use", current.Number, current.Kind, in.Name)
	return nil
}

// result waits for a closed workflow's.
func (e *execution) result(ctx context.Context, into any) error {
	err := e.GetWorkflow(ctx, e.id, e.run).Get(ctx, into)
	if temporal.IsCanceledError(err) {
		return fmt.Errorf("%w: %s", errCancelled, e.id)
	}
	if failed := new(temporal.ApplicationError); errors.As(err, &failed) {
		return fmt.Errorf("%w: %s: %s", errExperiment, e.id, failed.Message())
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %s", errExperiment, e.id, rootCause(err))
	}
	return nil
}
