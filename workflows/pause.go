package workflows

import (
	"errors"
	"fmt"
	"slices"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"rdrec/activities"
)

// Paused is the state of a stage that waits for a person to act and to resume the workflow.
const Paused State = "paused"

// signalPaused is the signal by which a workflow tells its parent that it pauses.
const signalPaused = "child-paused"

// childPause is the signal's argument: the child workflow and why it pauses; no reason means that
// it goes on.
type childPause struct {
	Workflow string `json:"workflow"`
	Reason   string `json:"reason,omitempty"`
}

// PausedByPerson is the note of a stage that waits because a person paused the run.
const PausedByPerson = "a person paused the run"

// pauser makes a workflow wait where an activity fails for a reason that does not go away by itself
// ([activities.Pauses]), and where a person pauses it by [UpdatePause], until a person resumes it
// by [UpdateResume].
type pauser struct {
	// paused means that a person paused the workflow. running are its activities that stop then.
	paused  bool
	running []*runningActivity
	waiting []*pausedActivity
	// children are the reasons of paused child workflows, by workflow id.
	children map[string]string
	// publish, if set, shows the state to people; notify, if set, is called when the workflow or
	// one of its children pauses while none was paused before.
	publish func(workflow.Context)
	notify  func(ctx workflow.Context, reason string)
}

// runningActivity is an activity that a person may stop; it saves its state first.
type runningActivity struct {
	cancel  func()
	stopped bool
}

// pausedActivity is an activity that waits to be executed again.
type pausedActivity struct {
	label, reason string
	// entry is the status of its stage; nil for an activity outside of a stage.
	entry   *StageStatus
	resumed bool
}

// pauserKey and entryKey are the context keys of a workflow's pauser and of a stage's status.
type (
	pauserKey struct{}
	entryKey  struct{}
)

// newPauser returns a context whose activities pause the workflow, and its pauser.
func newPauser(ctx workflow.Context) (workflow.Context, *pauser) {
	p := &pauser{children: map[string]string{}}
	workflow.Go(ctx, func(ctx workflow.Context) {
		for signals := workflow.GetSignalChannel(ctx, signalPaused); ; {
			var child childPause
			signals.Receive(ctx, &child)
			p.childPaused(ctx, child)
		}
	})
	return workflow.WithValue(ctx, pauserKey{}, p), p
}

// setHandlers registers the updates by which a person pauses and resumes the workflow.
func (p *pauser) setHandlers(ctx workflow.Context) error {
	err := workflow.SetUpdateHandlerWithOptions(ctx, UpdatePause, func(ctx workflow.Context) ([]string, error) {
		p.pauseAll(ctx)
		return []string{workflow.GetInfo(ctx).WorkflowExecution.ID}, nil
	}, workflow.UpdateHandlerOptions{
		Description: "stop the activities, which save their state, and start no others",
		Validator: func() error {
			if p.paused {
				return errors.New("the workflow is already paused")
			}
			return nil
		},
	})
	if err != nil {
		return err
	}
	return workflow.SetUpdateHandlerWithOptions(ctx, UpdateResume, func(ctx workflow.Context) ([]string, error) {
		paused := p.paused
		labels := p.resume()
		if paused {
			setStageAttribute(ctx, string(Running))
			p.show(ctx)
		}
		return labels, nil
	}, workflow.UpdateHandlerOptions{
		Description: "execute the activities again that made the workflow pause",
		Validator: func() error {
			if len(p.waiting) == 0 && !p.paused {
				return errors.New("the workflow is not paused")
			}
			return nil
		},
	})
}

// pauseAll pauses the workflow: its activities stop, and none starts.
func (p *pauser) pauseAll(ctx workflow.Context) {
	p.paused = true
	for _, r := range p.running {
		r.stopped = true
		r.cancel()
	}
	setStageAttribute(ctx, string(Paused))
	p.show(ctx)
}

// resume executes the paused activities again and returns their labels.
func (p *pauser) resume() []string {
	p.paused = false
	labels := make([]string, 0, len(p.waiting))
	for _, w := range p.waiting {
		w.resumed = true
		labels = append(labels, w.label)
	}
	return labels
}

// execute executes an activity and waits for its result; out may be nil. If it fails for a reason
// that does not go away by itself, or if a person pauses the workflow, execute waits until a person
// resumes it, and executes the activity again.
func execute(ctx workflow.Context, activity, in, out any) error {
	input := workflow.GetActivityOptions(ctx).Summary + ": its input"
	if err := activities.CheckPayload(input, in, ": run fewer trials, shards or files at once"); err != nil {
		return err
	}
	p, found := ctx.Value(pauserKey{}).(*pauser)
	if !found {
		return workflow.ExecuteActivity(ctx, activity, in).Get(ctx, out)
	}
	for {
		if p.paused {
			if err := p.wait(ctx, PausedByPerson); err != nil {
				return err
			}
		}
		stopped, err := p.attempt(ctx, activity, in, out)
		if err == nil {
			return nil
		}
		var failed *temporal.ApplicationError
		if errors.As(err, &failed) && activities.Pauses(failed.Type()) {
			if err := p.wait(ctx, FailureOf(err).Cause); err != nil {
				return err
			}
		} else if !executesAgain(ctx, failed, stopped) {
			return err
		}
	}
}

// executesAgain reports whether an activity that a person stopped is executed again although it
// failed: if its worker was lost meanwhile, the server starts no other attempt. failed may be nil.
func executesAgain(ctx workflow.Context, failed *temporal.ApplicationError, stopped bool) bool {
	final := failed != nil && failed.NonRetryable()
	return stopped && !final && ctx.Err() == nil
}

// attempt executes an activity, which a person may stop if the workflow waits for stopped ones.
func (p *pauser) attempt(ctx workflow.Context, activity, in, out any) (stopped bool, err error) {
	if !workflow.GetActivityOptions(ctx).WaitForCancellation {
		return false, workflow.ExecuteActivity(ctx, activity, in).Get(ctx, out)
	}
	inner, cancel := workflow.WithCancel(ctx)
	defer cancel()
	running := &runningActivity{cancel: cancel}
	p.running = append(p.running, running)
	err = workflow.ExecuteActivity(inner, activity, in).Get(ctx, out)
	p.running = slices.DeleteFunc(p.running, func(r *runningActivity) bool { return r == running })
	return running.stopped, err
}

// keepBooks looks up or records a stage: in the workflow's own process, which leaves one event in
// its history. If that fails, for example because the bucket is away, an activity of the CPU queue
// does it, with all retries and pauses.
func keepBooks(ctx workflow.Context, summary string, activity, in, out any) error {
	err := workflow.ExecuteLocalActivity(localOptions(ctx, summary), activity, in).Get(ctx, out)
	var failed *temporal.ApplicationError
	final := errors.As(err, &failed) && failed.NonRetryable() && !activities.Pauses(failed.Type())
	if err == nil || final || temporal.IsCanceledError(err) {
		return err
	}
	return execute(bookkeepingOptions(ctx, summary), activity, in, out)
}

// wait waits until a person resumes the workflow.
func (p *pauser) wait(ctx workflow.Context, reason string) error {
	entry, _ := ctx.Value(entryKey{}).(*StageStatus) //nolint:errcheck // nil outside of a stage
	w := &pausedActivity{label: workflow.GetActivityOptions(ctx).Summary, reason: reason, entry: entry}
	p.waiting = append(p.waiting, w)
	if entry != nil {
		entry.State, entry.Note = Paused, w.reason
	}
	if len(p.waiting) == 1 {
		setStageAttribute(ctx, string(Paused))
		p.announce(ctx, w.label+": "+w.reason)
	}
	p.show(ctx)
	err := workflow.Await(ctx, func() bool { return w.resumed })
	p.waiting = slices.DeleteFunc(p.waiting, func(other *pausedActivity) bool { return other == w })
	sameStage := func(other *pausedActivity) bool { return other.entry == entry }
	if entry != nil && !slices.ContainsFunc(p.waiting, sameStage) {
		entry.State, entry.Note = Running, ""
	}
	if len(p.waiting) == 0 {
		if entry != nil {
			setStageAttribute(ctx, entry.Stage)
		}
		p.signalParent(ctx, "")
	}
	p.show(ctx)
	return err
}

// announce notifies the parent workflow and people that the workflow pauses.
func (p *pauser) announce(ctx workflow.Context, reason string) {
	p.signalParent(ctx, reason)
	if p.notify != nil && len(p.children) == 0 && !p.paused {
		workflow.Go(ctx, func(ctx workflow.Context) { p.notify(ctx, reason) })
	}
}

// signalParent sends the signal to the parent workflow, if there is one. A lost signal costs a
// message to people, no work.
func (p *pauser) signalParent(ctx workflow.Context, reason string) {
	info := workflow.GetInfo(ctx)
	if parent := info.ParentWorkflowExecution; parent != nil {
		workflow.SignalExternalWorkflow(
			ctx, parent.ID, parent.RunID, signalPaused, childPause{info.WorkflowExecution.ID, reason},
		)
	}
}

// childPaused records that a child workflow pauses or goes on.
func (p *pauser) childPaused(ctx workflow.Context, child childPause) {
	if child.Reason == "" {
		delete(p.children, child.Workflow)
		p.show(ctx)
		return
	}
	first := len(p.children) == 0 && len(p.waiting) == 0
	p.children[child.Workflow] = child.Reason
	p.show(ctx)
	if first && p.notify != nil {
		p.notify(ctx, child.Reason)
	}
}

func (p *pauser) show(ctx workflow.Context) {
	if p.publish != nil {
		p.publish(ctx)
	}
}

// reason returns why the first paused activity waits, or "".
func (p *pauser) reason() string {
	if len(p.waiting) == 0 {
		return ""
	}
	return p.waiting[0].label + ": " + p.waiting[0].reason
}

// outside returns the paused activities outside of stages, as stages.
func (p *pauser) outside() (all []StageStatus) {
	for _, w := range p.waiting {
		if w.entry == nil {
			all = append(all, StageStatus{Name: w.label, Stage: w.label, State: Paused, Note: w.reason})
		}
	}
	if p.paused && len(p.waiting) == 0 {
		all = append(all, StageStatus{Name: "run", Stage: "run", State: Paused, Note: PausedByPerson})
	}
	return all
}

// headline returns what people must know first, in Markdown; "" if nothing is paused.
func (p *pauser) headline(ctx workflow.Context) string {
	reason := p.reason()
	for _, id := range workflow.DeterministicKeys(p.children) {
		if reason == "" {
			reason = id + ": " + p.children[id]
		}
	}
	id := workflow.GetInfo(ctx).WorkflowExecution.ID
	switch {
	case p.paused:
		return fmt.Sprintf("**Paused** by a person. `starter resume %s` continues.", id)
	case reason == "":
		return ""
	}
	return fmt.Sprintf("**Paused**: %s. Fix the cause, then `starter resume %s`.", reason, id)
}
