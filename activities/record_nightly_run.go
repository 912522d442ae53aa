package activities

import (
	"context"
	"encoding/json"
	"fmt"

	"go.temporal.io/sdk/activity"
)

// RecordNightlyRun keeps what came of a night. A number that another run took meanwhile is left to
// it; the same run keeps the number of the record that it has.
func (a *Activities) RecordNightlyRun(ctx context.Context, nightly NightlyRun) (number int, err error) {
	ctx, hb := a.startHeartbeat(ctx, "record the nightly run")
	defer hb.stop()
	defer func() { err = temporalError(ctx, err) }()
	run := activity.GetInfo(ctx).WorkflowExecution
	nightly.Workflow, nightly.Run, nightly.Time = run.ID, run.RunID, a.Now().UTC()
	runs, err := ReadNightlyRuns(ctx, a.Bucket, nightly.Name, allRuns)
	if err != nil {
		return 0, err
	}
	nightly.Number = numberAmong(runs, nightly)
	record, err := json.MarshalIndent(nightly, "", " ")
	if err != nil {
		return 0, fmt.Errorf("encode nightly run %d of %q: %w", nightly.Number, nightly.Name, err)
	}
	if err := a.Bucket.PutNightlyRun(ctx, nightly.Name, nightly.Number, record); err != nil {
		return 0, err
	}
	return nightly.Number, a.writeNightlyPage(ctx, nightly.Name)
}

// numberAmong is the number of a night beside those that are recorded.
func numberAmong(recorded []NightlyRun, night NightlyRun) int {
	number := night.Number
	for _, other := range recorded {
		switch {
		case other.Run == night.Run:
			return other.Number
		case other.Number >= number:
			number = other.Number + 1
		}
	}
	return number
}
