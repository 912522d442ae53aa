package workflows

import (
	"go.temporal.io/sdk/workflow"

	"rdrec/activities"
	"rdrec/internal/spec"
	"rdrec/storage"
)

// InputsInput names a finished experiment by its spec, its execution and its report.
type InputsInput struct {
	Spec     spec.Spec   `json:"spec"`
	Workflow string      `json:"workflow"`
	Run      string      `json:"run"`
	Report   storage.Ref `json:"report"`
}

// InputsID returns the id of the workflow that compares the inputs of an experiment.
func InputsID(experiment string) string { return experiment + "/inputs" }

// Inputs hashes what a spec reads from outside the bucket, as a worker finds it, and compares it
// with what a finished experiment of the same spec read.
func Inputs(ctx workflow.Context, in InputsInput) (out activities.CompareInputsResult, err error) {
	defer func() { err = workflowError(err) }()
	e := &experiment{spec: in.Spec}
	compare := activities.CompareInputsInput{
		IdentifyInput: e.identifyInput(), Workflow: in.Workflow, Run: in.Run, Report: in.Report,
		StageVersions: experimentVersions(),
	}
	err = workflow.ExecuteActivity(
		stageOptions(ctx, QueueBookkeeping, "hash the inputs"), stub.CompareInputs, compare,
	).Get(ctx, &out)
	return out, err
}
