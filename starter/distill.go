package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"rdrec/internal/spec"
	"rdrec/workflows"
)

// distillCmd starts distillations and controls running ones.
type distillCmd struct {
	Start  distillStartCmd  `cmd:"" default:"withargs" help:"${help_distill_start}"`
	Pause  distillPauseCmd  `cmd:"" help:"Pause requests to the teacher; finished rows are kept."`
	Resume distillResumeCmd `cmd:"" help:"Resume after a pause."`
	Skip   distillSkipCmd   `cmd:"" help:"${help_distill_skip}"`
}

// distillStartCmd starts a distillation.
type distillStartCmd struct {
	Spec     string   `arg:"" optional:"" help:"${help_distill_spec}"`
	Dataset  string   `help:"${help_dataset}" placeholder:"NAME|DIR"`
	Reviews  string   `help:"The data: raw reviews." placeholder:"FILE"`
	Teacher  string   `help:"${help_distill_teacher}" placeholder:"FORM"`
	Sample   int      `help:"${help_distill_sample}" placeholder:"N"`
	Parallel int      `help:"${help_parallel}"`
	Set      []string `help:"${help_set}" placeholder:"KEY=VALUE" sep:"none"`
	Watch    bool     `help:"Watch until it ends." default:"true" negatable:""`
}

// maxSample is the largest --sample: people read all of it.
const maxSample = 1000

// load returns the spec of the data and the teacher.
func (c *distillStartCmd) load() (spec.Spec, error) {
	if c.Sample < 0 || c.Sample > maxSample {
		return spec.Spec{}, usageError{fmt.Errorf("--sample %d: want 1 to %d", c.Sample, maxSample)}
	}
	if c.Dataset != "" && c.Reviews != "" {
		return spec.Spec{}, usageError{errors.New("--dataset and --reviews both name the data: keep one of them")}
	}
	var overrides []string
	if c.Teacher != "" {
		overrides = append(overrides, fmt.Sprintf("teacher.model=%q", c.Teacher))
	}
	if c.Reviews == "" {
		return specArg{Spec: c.Spec, Dataset: c.Dataset, Set: append(overrides, c.Set...)}.load()
	}
	if c.Spec != "" {
		overrides = append([]string{fmt.Sprintf("data.reviews.path=%q", c.Reviews)}, overrides...)
		return readSpec(c.Spec, append(overrides, c.Set...))
	}
	name, _, _ := strings.Cut(filepath.Base(c.Reviews), ".")
	text := fmt.Sprintf("name: %q\ndata: {reviews: {path: %q}}\n%s", slugOf(name), c.Reviews, datasetSpec)
	return spec.Parse("the spec of --reviews", []byte(text), append(overrides, c.Set...))
}

// Run starts the distillation, or finds the running one, and watches it.
func (c *distillStartCmd) Run(ctx context.Context, a *app) error {
	s, err := c.load()
	if err != nil {
		return err
	}
	if err := onlyExperiment(s, c.Spec); err != nil {
		return err
	}
	in, err := workflows.NewDistillation(s)
	if err != nil {
		return err
	}
	in.Sample, in.Parallel = c.Sample, c.Parallel
	if c.Watch {
		if err := a.checkBucket(ctx); err != nil {
			return err
		}
	}
	to, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer to.Close()
	e, err := startDistillation(ctx, to, s, in)
	if err != nil {
		return err
	}
	a.printStarted(e)
	if !c.Watch {
		return a.printStartedJSON(e)
	}
	const message = "the distillation continues; the same command shows it again, " +
		"\"starter distill pause %s\" pauses it"
	if err := a.await(ctx, e, fmt.Sprintf(message, e.id)); err != nil {
		return err
	}
	return a.printDistillation(ctx, e, c.Sample > 0)
}

// startDistillation starts a distillation, or finds the running one with the same input. One that
// has ended is started again: its data may have changed, and its finished rows are reused.
func startDistillation(
	ctx context.Context, to *server, s spec.Spec, in workflows.DistillationInput,
) (*execution, error) {
	id, err := workflowID("distill", s.Name, in)
	if err != nil {
		return nil, err
	}
	return startOrFind(ctx, to, client.StartWorkflowOptions{
		ID:                    id,
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		StaticSummary:         fmt.Sprintf("rationales of %s by %s", dataName(s), s.Teacher.Model),
		TypedSearchAttributes: temporal.NewSearchAttributes(
			temporal.NewSearchAttributeKeyKeyword(attributeDataset).ValueSet(dataName(s)),
			temporal.NewSearchAttributeKeyKeyword("RdrecTeacher").ValueSet(s.Teacher.Model),
		),
	}, workflows.Distillation, in)
}
