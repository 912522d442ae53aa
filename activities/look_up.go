package activities

import (
	"cmp"
	"context"
	"time"

	"go.temporal.io/sdk/activity"

	"rdrec/storage"
)

// LookUpInput names a stage's work.
type LookUpInput struct {
	Stage       string `json:"stage"`
	Fingerprint string `json:"fingerprint"`
	// Label is the stage's name in this run, for the lineage; empty keeps the one of the run that
	// did the work.
	Label string `json:"label,omitempty"`
	// Plan means that no run uses the result, so there is no lineage to record.
	Plan bool `json:"plan,omitempty"`
}

// StageResult is the result of a stage; its zero value means that there is none.
type StageResult struct {
	Output  storage.Ref `json:"output"`
	Seconds float64     `json:"seconds"`
	// Stats are the stage's, see [storage.StageRecord].
	Stats storage.Stats `json:"stats,omitzero"`
	// Partial means that people skipped some of the work. The result is not recorded, so the next
	// run does the rest.
	Partial bool `json:"partial,omitempty"`
	// From is the run that did the work, if it was an earlier one.
	From StageOrigin `json:"from,omitzero"`
}

// StageOrigin is the run that did a stage's work, and when it was recorded.
type StageOrigin struct {
	Workflow string    `json:"workflow"`
	Run      string    `json:"run"`
	Time     time.Time `json:"time,omitzero"`
}

// LookUp finds the earlier result of a stage with the same inputs, and adds it to the run's
// lineage. It runs on the CPU queue, before a GPU slot is requested.
func (a *Activities) LookUp(ctx context.Context, in LookUpInput) (found StageResult, err error) {
	ctx, p := a.startHeartbeat(ctx, "look up")
	defer p.stop()
	defer func() { err = temporalError(ctx, err) }()
	done, ok, err := a.Bucket.LookUp(ctx, in.Stage, in.Fingerprint)
	if err != nil || !ok {
		return found, err
	}
	found = StageResult{
		Output: done.Output, Seconds: done.Seconds, Stats: done.Stats,
		From: StageOrigin{done.Workflow, done.Run, done.Time},
	}
	if in.Plan {
		return found, nil
	}
	done.Label = cmp.Or(in.Label, done.Label)
	return found, a.addLineage(ctx, done)
}

func (a *Activities) addLineage(ctx context.Context, done storage.StageRecord) error {
	run := activity.GetInfo(ctx).WorkflowExecution
	return a.Bucket.AddLineage(ctx, run.ID, run.RunID, done)
}
