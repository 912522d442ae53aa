package workflows

import (
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// Register registers all workflows with a worker or a replayer.
func Register(r worker.WorkflowRegistry) {
	r.RegisterWorkflow(Experiment)
	r.RegisterWorkflow(Trial)
	r.RegisterWorkflow(Distillation)
	r.RegisterWorkflow(Export)
	r.RegisterWorkflow(Recommend)
	r.RegisterWorkflow(Promotion)
	r.RegisterWorkflow(Inputs)
	r.RegisterWorkflow(Plan)
	// A schedule outlives many versions of the worker: its runs start and continue on the current
	// version.
	autoUpgrade := workflow.RegisterOptions{VersioningBehavior: workflow.VersioningBehaviorAutoUpgrade}
	r.RegisterWorkflowWithOptions(Nightly, autoUpgrade)
}
