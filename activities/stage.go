package activities

import (
	"context"

	"go.temporal.io/sdk/activity"

	"rdrec/storage"
)

// LookUpInput names a piece of work.
type LookUpInput struct{ Stage, Fingerprint string }

// Found is an earlier result; its zero value means that there is none.
type Found struct {
	Output  storage.Ref `json:"output"`
	Seconds float64     `json:"seconds"`
	// Figures are what else is known of the work, see [storage.Done].
	Figures map[string]float64 `json:"figures,omitempty"`
	// Partial says that people had some of the work left out: it is not recorded, so that the next one does it.
	Partial bool `json:"partial,omitempty"`
}

// Figures of the stage distill.
const (
	FigureAsked   = "asked"
	FigureTokens  = "tokens"
	FigureSeconds = "seconds"
	// FigureHalved is there only where memory ran out.
	FigureHalved = "halved"
)

// LookUp finds what a stage made before from the same inputs, and notes in the run's lineage that it uses it. It runs on the CPU
// queue, before a GPU slot is asked for.
func (a *Activities) LookUp(ctx context.Context, in LookUpInput) (found Found, err error) {
	ctx, p := a.beat(ctx, "look up")
	defer p.stop()
	defer func() { err = fail(ctx, err) }()
	done, there, err := a.Bucket.LookUp(ctx, in.Stage, in.Fingerprint)
	if err != nil || !there {
		return found, err
	}
	return Found{Output: done.Output, Seconds: done.Seconds, Figures: done.Figures}, a.note(ctx, done)
}

// CommitStage records a finished stage, so that no later experiment does it again.
func (a *Activities) CommitStage(ctx context.Context, done storage.Done) (err error) {
	ctx, p := a.beat(ctx, "record")
	defer p.stop()
	defer func() { err = fail(ctx, err) }()
	if err := a.note(ctx, done); err != nil {
		return err
	}
	return a.Bucket.Commit(ctx, done)
}

func (a *Activities) note(ctx context.Context, done storage.Done) error {
	run := activity.GetInfo(ctx).WorkflowExecution
	return a.Bucket.Note(ctx, run.ID, run.RunID, done)
}
