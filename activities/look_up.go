package activities

import (
	"context"

	"go.temporal.io/sdk/activity"

	"rdrec/storage"
)

// LookUpInput names a piece of work.
type LookUpInput struct {
	Stage       string `json:"stage"`
	Fingerprint string `json:"fingerprint"`
}

// StageResult is an earlier result; its zero value means that there is none.
type StageResult struct {
	Output  storage.Ref `json:"output"`
	Seconds float64     `json:"seconds"`
	// Stats are what else is known of the work, see [storage.Done].
	Stats storage.Stats `json:"stats,omitzero"`
	// Partial says that people had some of the work left out: it is not recorded, so that the next
	// one does it.
	Partial bool `json:"partial,omitempty"`
}

// LookUp finds what a stage made before from the same inputs, and notes in the run's lineage that
// it uses it. It runs on the CPU queue, before a GPU slot is asked for.
func (a *Activities) LookUp(ctx context.Context, in LookUpInput) (found StageResult, err error) {
	ctx, p := a.startHeartbeat(ctx, "look up")
	defer p.stop()
	defer func() { err = temporalError(ctx, err) }()
	done, ok, err := a.Bucket.LookUp(ctx, in.Stage, in.Fingerprint)
	if err != nil || !ok {
		return found, err
	}
	return StageResult{Output: done.Output, Seconds: done.Seconds, Stats: done.Stats}, a.addLineage(ctx, done)
}

func (a *Activities) addLineage(ctx context.Context, done storage.StageRecord) error {
	run := activity.GetInfo(ctx).WorkflowExecution
	return a.Bucket.AddLineage(ctx, run.ID, run.RunID, done)
}
