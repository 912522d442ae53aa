package workflows

import (
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"rdrec/activities"
	"rdrec/registry"
	"rdrec/storage"
)

// State is the state of a stage.
type State string

// States of a stage.
const (
	Running  State = "running"
	Finished State = "done"
	Cached   State = "cached"
	Failed   State = "failed"
)

// StageStatus is one stage in the answer to [QueryStages].
type StageStatus struct {
	// Name is the stage's label, which names the trial or the shard, too; Stage is the stage alone.
	Name        string      `json:"name"`
	Stage       string      `json:"stage"`
	State       State       `json:"state"`
	Seconds     float64     `json:"seconds"`
	Fingerprint string      `json:"fingerprint"`
	Output      storage.Ref `json:"output"`
	Note        string      `json:"note,omitempty"`
	// From is the run that did the work of a cached stage.
	From activities.StageOrigin `json:"from,omitzero"`
	// Progress is what the workflow itself knows of a running stage. The heartbeats of its
	// activities add to it.
	Progress *activities.Progress `json:"progress,omitempty"`
	// Stats are the stage's, see [storage.StageRecord].
	Stats storage.Stats `json:"stats,omitzero"`
}

// QueryStages is the query that every workflow of this package answers with its []StageStatus.
const QueryStages = "stages"

// stageTracker keeps the states of a workflow's stages for people: for the query, and for the
// details in the Web UI.
type stageTracker struct {
	entries []*StageStatus
	// nonce is the run's [NoCache] nonce.
	nonce  string
	pauser *pauser
	// trials are those of an experiment, trialCost is what the finished ones cost.
	trials    []*trialStatus
	trialCost registry.Cost
	// ended, if set, is why the workflow ended without a conclusion, in Markdown.
	ended      string
	conclusion *conclusion
	// draft is the address of the report so far, "" before there is one.
	draft string
	// warning is a message below the headline.
	warning string
	// planner, if set, looks stages up instead of running them.
	planner *planner
}

// trackStages is [newStageTracker] for a workflow without updates of its own to pause and resume
// it.
func trackStages(ctx workflow.Context, nonce string) (workflow.Context, *stageTracker, error) {
	ctx, t, err := newStageTracker(ctx, nonce)
	if err == nil {
		err = t.pauser.setHandlers(ctx)
	}
	return ctx, t, err
}

// newStageTracker returns a tracker that answers the query of a workflow, and a context whose
// activities pause the workflow.
func newStageTracker(ctx workflow.Context, nonce string) (workflow.Context, *stageTracker, error) {
	ctx, p := newPauser(ctx)
	l := &stageTracker{nonce: nonce, pauser: p}
	p.publish = l.publish
	err := workflow.SetQueryHandlerWithOptions(ctx, QueryStages, l.list, workflow.QueryHandlerOptions{
		Description: "stages with their states and results",
	})
	return ctx, l, err
}

func (t *stageTracker) list() ([]StageStatus, error) {
	stages := make([]StageStatus, 0, len(t.entries))
	for _, e := range t.entries {
		stages = append(stages, *e)
	}
	return append(stages, t.pauser.outside()...), nil
}

func (t *stageTracker) start(ctx workflow.Context, s stage, fingerprint string) *StageStatus {
	entry := &StageStatus{Name: s.label, Stage: s.name, State: Running, Fingerprint: fingerprint}
	t.entries = append(t.entries, entry)
	t.publish(ctx)
	setStageAttribute(ctx, s.name)
	return entry
}

// StageAttribute is the search attribute with the current stage of a workflow.
func StageAttribute() temporal.SearchAttributeKeyKeyword {
	return temporal.NewSearchAttributeKeyKeyword("RdrecStage")
}

// setStageAttribute sets the search attribute.
func setStageAttribute(ctx workflow.Context, name string) {
	if err := workflow.UpsertTypedSearchAttributes(ctx, StageAttribute().ValueSet(name)); err != nil {
		workflow.GetLogger(ctx).Warn("the stage's search attribute was not set", "error", err)
	}
}

// finish closes an entry and returns err unchanged: Temporal would replace a wrapped error by one
// of its own, and hide the type.
func (t *stageTracker) finish(
	ctx workflow.Context, entry *StageStatus, state State, found activities.StageResult, err error,
) error {
	entry.State, entry.Progress = state, nil
	entry.Seconds, entry.Output, entry.Stats, entry.From = found.Seconds, found.Output, found.Stats, found.From
	if err != nil {
		entry.Note = FailureOf(err).Cause
	}
	t.publish(ctx)
	return err
}

// times returns the times of the stages for the report.
func (t *stageTracker) times() []registry.StageTime {
	times := make([]registry.StageTime, 0, len(t.entries))
	for _, e := range t.entries {
		times = append(times, e.time())
	}
	return times
}

func (e *StageStatus) time() registry.StageTime {
	return registry.StageTime{
		Name: e.Name, Stage: e.Stage, Cached: e.State == Cached, Seconds: e.Seconds, Fingerprint: e.Fingerprint,
		Output: e.Output, Stats: e.Stats,
	}
}

// last returns the stage that started last.
func (t *stageTracker) last() *StageStatus { return t.entries[len(t.entries)-1] }
