package main

import (
	"context"
	"fmt"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"rdrec/activities"
	"rdrec/registry"
	"rdrec/workflows"
)

// promoteCmd promotes the model of a run.
type promoteCmd struct {
	Name  string `arg:"" help:"The name of the promotions: the nightly spec's."`
	RunID string `arg:"" name:"run" help:"${help_promote_run}"`
}

// Run starts a workflow that promotes the model; only workflows write promotions.
func (c *promoteCmd) Run(ctx context.Context, a *app) error {
	return a.startPromotion(ctx, activities.ChooseModelInput{Name: c.Name, Run: c.RunID})
}

// startPromotion starts a workflow that promotes a model, and waits for it.
func (a *app) startPromotion(ctx context.Context, in activities.ChooseModelInput) error {
	to, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer to.Close()
	if ctx, err = to.inBucket(ctx); err != nil {
		return err
	}
	run, err := to.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: workflows.PromotionID(in.Name), TaskQueue: workflows.QueueCPU,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowIDReusePolicy:    enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		StaticSummary:            "change the model in use as " + in.Name,
	}, workflows.Promotion, in)
	if err != nil {
		return fmt.Errorf("starting workflow %q: %w", workflows.PromotionID(in.Name), err)
	}
	e := &execution{server: to, id: run.GetID(), run: run.GetRunID(), status: enums.WORKFLOW_EXECUTION_STATUS_RUNNING}
	if err := a.await(ctx, e, "the promotion continues; \"starter promotions\" lists it when it is done"); err != nil {
		return err
	}
	if err := e.result(ctx, nil); err != nil {
		return err
	}
	bucket, err := a.openBucket(ctx)
	if err != nil {
		return err
	}
	defer bucket.Close()
	current, err := registry.CurrentPromotion(ctx, bucket, in.Name)
	if err != nil {
		return fmt.Errorf("reading the current promotion of %q: %w", in.Name, err)
	}
	return a.done(current, "promotion %d (%s) of %s is in use", current.Number, current.Kind, in.Name)
}
