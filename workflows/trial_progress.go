package workflows

import (
	"go.temporal.io/sdk/workflow"

	"rdrec/registry"
)

// signalTrained is the signal by which a trial tells its parent that its student is trained: one
// signal for each trial, because each is several events.
const signalTrained = "trial-trained"

// trialStatus is how far a trial is, as its experiment knows it.
type trialStatus struct {
	workflow, name string
	state          State
	// done and total count its stages.
	done, total int
}

// notifyTrained tells the parent that the training ended, unless it was reused.
func (t *trial) notifyTrained(ctx workflow.Context) {
	parent := workflow.GetInfo(ctx).ParentWorkflowExecution
	if t.stages.planner != nil || parent == nil || t.stages.last().State != Finished {
		return
	}
	own := workflow.GetInfo(ctx).WorkflowExecution.ID
	workflow.SignalExternalWorkflow(ctx, parent.ID, parent.RunID, signalTrained, own)
}

// followTrials shows the trials whose students are trained.
func (t *stageTracker) followTrials(ctx workflow.Context) {
	workflow.Go(ctx, func(ctx workflow.Context) {
		for signals := workflow.GetSignalChannel(ctx, signalTrained); ; {
			var id string
			signals.Receive(ctx, &id)
			for _, trial := range t.trials {
				if trial.workflow == id && trial.state == Running {
					trial.done = 1
				}
			}
			t.publish(ctx)
		}
	})
}

// follow shows a trial that started, until it ends.
func (t *stageTracker) follow(ctx workflow.Context, trial *trialStatus, result workflow.Future) {
	t.trials = append(t.trials, trial)
	workflow.Go(ctx, func(ctx workflow.Context) {
		var found registry.TrialResult
		if err := result.Get(ctx, &found); err != nil {
			trial.state = Failed
		} else {
			trial.state, trial.done = Finished, trial.total
			t.trialCost = t.trialCost.Add(found.Cost)
		}
		t.publish(ctx)
	})
}

// statusOf returns the status of a trial that starts.
func statusOf(id string, in TrialInput) *trialStatus {
	t := &trial{TrialInput: in}
	_, _, t.variant, _ = in.resolve() //nolint:errcheck // the trial itself fails
	return &trialStatus{workflow: id, name: t.name(), state: Running, total: 1 + len(t.tasks())}
}
