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
	// do does the work where it takes more than one activity.
	do func(ctx workflow.Context, entry *StageStatus) (activities.Found, error)
	// unrecorded leaves looking up and recording to somebody else.
	unrecorded bool
}

// run finds the stage's earlier result or does the work and records it.
func (l *ledger) run(ctx workflow.Context, s stage) (storage.Ref, error) {
	found, err := l.do(ctx, s)
	return found.Output, err
}

// do is [ledger.run] with all that is known of the work. Only this function writes the record, in an activity that the workflow
// schedules: the result of an attempt that was given up never becomes one.
func (l *ledger) do(ctx workflow.Context, s stage) (activities.Found, error) {
	inputs := s.inputs
	if l.fresh != "" {
		inputs = append(slices.Clone(inputs), "fresh "+l.fresh)
	}
	fingerprint, err := storage.Fingerprint(s.name, s.version, s.settings, inputs...)
	if err != nil {
		return activities.Found{}, err
	}
	entry := l.begin(ctx, s, fingerprint)
	var found activities.Found
	if !s.unrecorded {
		if found, err = lookUp(ctx, s.name, fingerprint); err != nil {
			return activities.Found{}, l.end(ctx, entry, Failed, found, err)
		}
	}
	if !found.Output.IsZero() {
		return found, l.end(ctx, entry, Cached, found, nil)
	}
	if found, err = s.work(ctx, entry, fingerprint); err != nil {
		return activities.Found{}, l.end(ctx, entry, Failed, found, err)
	}
	if !s.unrecorded && !found.Partial {
		err = commit(ctx, s, fingerprint, found)
	}
	if err != nil {
		return activities.Found{}, l.end(ctx, entry, Failed, found, err)
	}
	return found, l.end(ctx, entry, Finished, found, nil)
}

// work does the stage's work.
func (s *stage) work(ctx workflow.Context, entry *StageStatus, fingerprint string) (found activities.Found, err error) {
	started := workflow.Now(ctx)
	if s.do != nil {
		found, err = s.do(ctx, entry)
	} else {
		err = workflow.ExecuteActivity(work(ctx, s.queue, s.label), s.activity, s.arg(fingerprint)).Get(ctx, &found.Output)
	}
	if found.Seconds == 0 {
		found.Seconds = workflow.Now(ctx).Sub(started).Seconds()
	}
	return found, err
}

func lookUp(ctx workflow.Context, name, fingerprint string) (found activities.Found, err error) {
	in := activities.LookUpInput{Stage: name, Fingerprint: fingerprint}
	err = workflow.ExecuteActivity(quick(ctx, "look up "+name), acts.LookUp, in).Get(ctx, &found)
	return found, err
}

func commit(ctx workflow.Context, s stage, fingerprint string, found activities.Found) error {
	info := workflow.GetInfo(ctx)
	done := storage.Done{
		Stage: s.name, Fingerprint: fingerprint, Output: found.Output, Inputs: s.inputs, Seconds: found.Seconds, Figures: found.Figures,
		Workflow: info.WorkflowExecution.ID, Run: info.WorkflowExecution.RunID,
	}
	return workflow.ExecuteActivity(quick(ctx, "record "+s.name), acts.CommitStage, done).Get(ctx, nil)
}
