package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/api/enums/v1"

	"rdrec/internal/spec"
	"rdrec/registry"
	"rdrec/workflows"
)

// nightlyCmd starts and lists nightly runs.
type nightlyCmd struct {
	Run  nightlyRunCmd  `cmd:"" help:"Start a nightly run now."`
	List nightlyListCmd `cmd:"" help:"List the last nightly runs: metrics, volumes, costs, promotions and drift."`
}

// nightlyRunCmd starts a nightly run.
type nightlyRunCmd struct {
	nightlySpec
	Wait     bool     `help:"${help_nightly_wait}"`
	RetryAll bool     `help:"Also ingest files that earlier runs skipped or rejected."`
	Retake   []string `help:"${help_retake}" placeholder:"FILE" sep:"none"`
}

// nightlySpec is a spec with a nightly block.
type nightlySpec struct {
	Spec string   `arg:"" help:"The spec, a YAML file with a nightly block."`
	Set  []string `help:"Override a value of the spec." placeholder:"KEY=VALUE" sep:"none"`
}

// errRejected is the error of a nightly run whose model was not promoted.
var errRejected = errors.New("the nightly run's model was rejected")

func (c nightlySpec) load() (spec.Spec, error) {
	s, err := readSpec(c.Spec, c.Set)
	if err == nil && s.Nightly == nil {
		err = specError{
			fmt.Errorf("%s has no nightly block", c.Spec), fmt.Sprintf("start it with \"starter run %s\"", c.Spec),
		}
	}
	return s, err
}

// nightlyWorkflowID returns the workflow id of the nightly runs of a name. A schedule appends the
// time to it.
func nightlyWorkflowID(name string) string { return name + "-nightly-run" }

// Run starts the nightly run, or finds the one that is running.
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
	e, err := startOrFind(ctx, to, options, workflows.Nightly, workflows.NightlyInput{
		Spec: s, RetryAll: c.RetryAll, Retake: c.Retake,
	})
	if err != nil {
		return err
	}
	a.printStarted(e)
	if !c.Wait {
		return a.printStartedJSON(e)
	}
	if err := a.await(ctx, e, "the nightly run continues; the same command shows it again"); err != nil {
		return err
	}
	return a.printVerdict(ctx, e)
}

// printVerdict prints the record of a closed nightly run, and returns errRejected if its model was
// rejected.
func (a *app) printVerdict(ctx context.Context, e *execution) error {
	var run registry.NightlyRun
	if err := e.result(ctx, &run); err != nil {
		return err
	}
	if err := a.printNightlyRun(run); err != nil {
		return err
	}
	if run.Verdict == registry.VerdictRejected {
		return fmt.Errorf("%w: %s", errRejected, strings.Join(run.Reasons, "; "))
	}
	return nil
}

// printNightlyRun prints the record of a nightly run.
func (a *app) printNightlyRun(run registry.NightlyRun) error {
	if a.flags.JSON {
		return a.printJSON(run)
	}
	var page strings.Builder
	inUse := "no model is in use"
	if run.Promotion > 0 {
		inUse = fmt.Sprintf("promotion %d is in use", run.Promotion)
	}
	fmt.Fprintf(&page, "nightly run %d of %s: %s; %s\n", run.Number, run.Name, run.Summary, inUse)
	fmt.Fprintf(&page, "ingested %d files: %d rows, %d unreadable; %d rationales requested, %d reused\n",
		len(run.Ingested), run.Counts.NewRows, run.Counts.NewBad,
		run.Counts.Requests,
		run.Counts.Rationales-run.Counts.Requests)
	for _, bad := range run.SetAside {
		fmt.Fprintln(&page, bad)
	}
	if c := run.Comparison; c != nil {
		fmt.Fprintf(&page, "%s of the same %d users: %.4f, before %.4f, p %.3f of a fall by %.4f or more\n",
			c.Metric, c.Users, c.Candidate, c.Current, c.P, c.Margin)
	}
	if c := run.Baseline; c != nil {
		fmt.Fprintf(&page, "%s of %s on these users: %.4f\n", c.Metric, c.Baseline, c.Current)
	}
	if run.Lists != nil {
		fmt.Fprintf(&page, "%s\n", run.Lists)
	}
	if run.HTML != "" {
		fmt.Fprintf(&page, "report %s\n", run.HTML)
	}
	return a.print(page.String())
}
