package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"rdrec/internal/document"
	"rdrec/internal/spec"
	"rdrec/workflows"
)

// runCmd starts an experiment.
type runCmd struct {
	specArg
	Watch bool `help:"Watch the experiment until it ends." default:"true" negatable:""`
	Force bool `help:"${help_force}"`
	Yes   bool `help:"${help_yes}" short:"y"`
}

// Run starts the experiment, or finds the one that was started from the same spec, and watches it.
func (c *runCmd) Run(ctx context.Context, a *app) error {
	s, err := c.loadExperiment(a)
	if err != nil {
		return err
	}
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
	e, err := a.startExperiment(ctx, to, s, c.Force, func() error { return a.showPlan(ctx, to, s, c.Force, c.Yes) })
	if err != nil {
		return err
	}
	a.printStarted(e)
	if !c.Watch {
		return a.printStartedJSON(e)
	}
	return a.watch(ctx, e)
}

// startOptions returns the id, the texts for the Web UI and the search attributes of an experiment.
func startOptions(s spec.Spec) (client.StartWorkflowOptions, error) {
	id, err := s.WorkflowID()
	if err != nil {
		return client.StartWorkflowOptions{}, err
	}
	data := dataName(s)
	return client.StartWorkflowOptions{
		ID: id, TaskQueue: workflows.QueueCPU,
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
		StaticSummary:         fmt.Sprintf("%s on %s, protocol %s", strings.Join(s.Methods, ", "), data, s.Protocol),
		StaticDetails:         staticDetails(s),
		TypedSearchAttributes: temporal.NewSearchAttributes(
			temporal.NewSearchAttributeKeyKeyword(attributeDataset).ValueSet(data),
			temporal.NewSearchAttributeKeyKeywordList(attributeMethod).ValueSet(s.Methods),
			temporal.NewSearchAttributeKeyKeyword("RdrecProtocol").ValueSet(s.Protocol),
			temporal.NewSearchAttributeKeyKeyword("RdrecTeacher").ValueSet(s.Teacher.Model),
			workflows.StageAttribute().ValueSet("queued"),
		),
		Memo: map[string]any{"spec": s.Name},
	}, nil
}

// staticDetails returns what an experiment trains on what, in Markdown. The Web UI shows it above
// the current details, and the whole spec as the workflow's input, so it is short.
func staticDetails(s spec.Spec) string {
	return fmt.Sprintf("* data: `%s`\n* teacher: `%s`\n* student: %s, %s, %s of each method",
		document.Redact(dataPath(s)), document.Redact(s.Teacher.Model), s.Student.Name(),
		plural(s.Train.Epochs, "epoch"), plural(s.Trials, "trial"))
}

// dataPath returns the path or the URL of the spec's data.
func dataPath(s spec.Spec) string {
	if s.Data.Reviews != nil {
		return s.Data.Reviews.Path
	}
	return s.Data.Folder
}

// dataName returns a short name of the spec's data, for people: the base name of the folder, or
// that of the review file without its extensions.
func dataName(s spec.Spec) string {
	place := dataPath(s)
	if u, err := spec.ParseURL(place); err == nil {
		place = u.String()
	}
	if s.Data.Reviews == nil {
		return filepath.Base(place)
	}
	name, _, _ := strings.Cut(filepath.Base(place), ".")
	return name
}
