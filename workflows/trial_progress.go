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
	result      workflow.Future
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

// follow adds a trial that started.
func (t *stageTracker) follow(trial *trialStatus, result workflow.Future) {
	trial.result = result
	t.trials = append(t.trials, trial)
}

// followTrials shows the trials whose students are trained, and those that ended. It is one
// coroutine for all trials, because the SDK resumes every coroutine of a workflow at every event.
func (t *stageTracker) followTrials(ctx workflow.Context) {
	selector := workflow.NewSelector(ctx)
	selector.AddReceive(workflow.GetSignalChannel(ctx, signalTrained), func(signals workflow.ReceiveChannel, _ bool) {
		var id string
		signals.Receive(ctx, &id)
		for _, trial := range t.trials {
			if trial.workflow == id && trial.state == Running {
				trial.done = 1
			}
		}
	})
	for _, trial := range t.trials {
		selector.AddFuture(trial.result, func(result workflow.Future) {
			var found registry.TrialResult
			if err := result.Get(ctx, &found); err != nil {
				trial.state = Failed
				return
			}
			trial.state, trial.done = Finished, trial.total
			t.trialCost = t.trialCost.Add(found.Cost)
		})
	}
	workflow.Go(ctx, func(ctx workflow.Context) {
		for {
			selector.Select(ctx)
			t.publish(ctx)
		}
	})
}

// statusOf returns the status of a trial that starts.
func statusOf(id string, in TrialInput) *trialStatus {
	t := &trial{TrialInput: in}
	_, _, t.variant, _ = in.resolve() //nolint:errcheck // the trial itself fails
	return &trialStatus{workflow: id, name: t.name(), state: Running, total: 1 + len(t.tasks())}
}
