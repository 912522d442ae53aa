package activities

import (
	"context"

	"go.temporal.io/sdk/activity"

	"rdrec/internal/build"
	"rdrec/registry"
)

// RecordNightlyRun stores the record of a nightly run and writes the page of the name's runs. It
// returns the run's number ([registry.PutNightlyRun]).
func (a *Activities) RecordNightlyRun(ctx context.Context, nightly registry.NightlyRun) (number int, err error) {
	ctx, hb := a.startHeartbeat(ctx, "record the nightly run")
	defer hb.stop()
	defer func() { err = temporalError(ctx, err) }()
	run := activity.GetInfo(ctx).WorkflowExecution
	nightly.Version = build.Version
	nightly.Workflow, nightly.Run, nightly.Time = run.ID, run.RunID, a.Now().UTC()
	index, err := registry.OpenNightlyIndex(ctx, a.Bucket, nightly.Name, a.readIngested)
	if err != nil {
		return 0, err
	}
	if number, err = index.Put(ctx, nightly); err != nil {
		return 0, err
	}
	return number, registry.WriteNightlyPage(ctx, a.Bucket, nightly.Name, a.Now())
}
