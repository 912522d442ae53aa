package workflows

import (
	"slices"

	"go.temporal.io/sdk/workflow"

	"rdrec/activities"
	"rdrec/storage"
)

// acts only lends its methods' names: activities are called by name, on whichever worker polls the queue.
var acts *activities.Activities //nolint:gochecknoglobals // a nil pointer that is never followed

// stage is one step of an experiment: what it is called, what it is made from, and the activity that does it.
type stage struct {
	// name identifies the stage in the bucket; label adds the trial for people.
	name, label string
	// version is raised when the stage's code changes what it makes from the same inputs.
	version int
	// settings and inputs are all that decides the output; they make up the fingerprint.
	settings any
	inputs   []string
	queue    string
	// activity does the work; arg is its input.
	activity any
	arg      func(fingerprint string) any
}

// run finds the stage's earlier result or does the work and records it. Only this function writes the record, in an activity that
// the workflow schedules: the result of an attempt that was given up never becomes one.
func (l *ledger) run(ctx workflow.Context, s stage) (storage.Ref, error) {
	inputs := s.inputs
	if l.fresh != "" {
		inputs = append(slices.Clone(inputs), "fresh "+l.fresh)
	}
	fingerprint, err := storage.Fingerprint(s.name, s.version, s.settings, inputs...)
	if err != nil {
		return storage.Ref{}, err
	}
	entry := l.begin(ctx, s, fingerprint)
	found, err := lookUp(ctx, s.name, fingerprint)
	if err != nil {
		return storage.Ref{}, l.end(ctx, entry, Failed, found, err)
	}
	if !found.Output.IsZero() {
		return found.Output, l.end(ctx, entry, Cached, found, nil)
	}
	started := workflow.Now(ctx)
	err = workflow.ExecuteActivity(work(ctx, s.queue, s.label), s.activity, s.arg(fingerprint)).Get(ctx, &found.Output)
	if err != nil {
		return storage.Ref{}, l.end(ctx, entry, Failed, found, err)
	}
	found.Seconds = workflow.Now(ctx).Sub(started).Seconds()
	if err := commit(ctx, s, fingerprint, found); err != nil {
		return storage.Ref{}, l.end(ctx, entry, Failed, found, err)
	}
	return found.Output, l.end(ctx, entry, Finished, found, nil)
}

func lookUp(ctx workflow.Context, name, fingerprint string) (found activities.Found, err error) {
	in := activities.LookUpInput{Stage: name, Fingerprint: fingerprint}
	err = workflow.ExecuteActivity(quick(ctx, "look up "+name), acts.LookUp, in).Get(ctx, &found)
	return found, err
}

func commit(ctx workflow.Context, s stage, fingerprint string, found activities.Found) error {
	info := workflow.GetInfo(ctx)
	done := storage.Done{
		Stage: s.name, Fingerprint: fingerprint, Output: found.Output, Inputs: s.inputs, Seconds: found.Seconds,
		Workflow: info.WorkflowExecution.ID, Run: info.WorkflowExecution.RunID,
	}
	return workflow.ExecuteActivity(quick(ctx, "record "+s.name), acts.CommitStage, done).Get(ctx, nil)
}
