package workflows

import (
	"context"
	"fmt"
	"slices"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"
)

// Job is what an activity works for, for logs. It travels in the activity's header.
type Job struct {
	// Workflow and Run are the run that a person started: an activity's own or the parent of it.
	Workflow string `json:"workflow"`
	Run      string `json:"run"`
	// Label is the activity's name for people, such as "pretrain rdrec/1".
	Label string `json:"label"`
}

// jobHeader is the header's name.
const jobHeader = "rdrec-job"

type jobKey struct{}

// JobOf returns what an activity works for; ok is false for one of an older version.
func JobOf(ctx context.Context) (job Job, ok bool) {
	job, ok = ctx.Value(jobKey{}).(Job)
	return job, ok
}

// jobPropagator writes the job of each activity that a workflow schedules.
type jobPropagator struct{ values converter.DataConverter }

// Inject writes nothing: a starter's workflow has no parent.
func (jobPropagator) Inject(context.Context, workflow.HeaderWriter) error { return nil }

// InjectFromWorkflow writes the job of an activity.
func (p jobPropagator) InjectFromWorkflow(ctx workflow.Context, w workflow.HeaderWriter) error {
	label, info := workflow.GetActivityOptions(ctx).Summary, workflow.GetInfo(ctx)
	if label == "" || slices.Contains([]string{"Plan", "Inputs"}, info.WorkflowType.Name) {
		return nil // a signal, a child workflow, or a workflow that leaves nothing in the bucket
	}
	root := info.WorkflowExecution
	if info.RootWorkflowExecution != nil {
		root = *info.RootWorkflowExecution
	}
	job := Job{Workflow: root.ID, Run: root.RunID, Label: label}
	payload, err := p.values.ToPayload(job)
	if err != nil {
		return fmt.Errorf("encode the job of an activity: %w", err)
	}
	w.Set(jobHeader, payload)
	return nil
}

// Extract returns an activity's context with its job.
func (p jobPropagator) Extract(ctx context.Context, r workflow.HeaderReader) (context.Context, error) {
	payload, ok := r.Get(jobHeader)
	if !ok {
		return ctx, nil
	}
	var job Job
	if err := p.values.FromPayload(payload, &job); err != nil {
		return ctx, fmt.Errorf("decode the job of an activity: %w", err)
	}
	return context.WithValue(ctx, jobKey{}, job), nil
}

// ExtractToWorkflow returns a workflow's context as it is.
func (jobPropagator) ExtractToWorkflow(ctx workflow.Context, _ workflow.HeaderReader) (workflow.Context, error) {
	return ctx, nil
}
