package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/converter"

	"rdrec/activities"
	"rdrec/internal/progress"
	"rdrec/workflows"
)

func rows(done int) *activities.Progress {
	return &activities.Progress{Progress: progress.Progress{Done: done, Total: 100, Unit: "rows"}}
}

// pending returns a pending activity; done below 0 means that it has sent no heartbeat.
func pending(
	t *testing.T, activityType string, state enums.PendingActivityState, done int,
) *workflowpb.PendingActivityInfo {
	t.Helper()
	info := &workflowpb.PendingActivityInfo{ActivityType: &common.ActivityType{Name: activityType}, State: state}
	if done < 0 {
		return info
	}
	details, err := converter.GetDefaultDataConverter().ToPayloads(rows(done))
	if err != nil {
		t.Fatal(err)
	}
	info.HeartbeatDetails = details
	return info
}

// TestProgressOfStages checks which pending activity a running stage takes its progress and its
// problem from.
func TestProgressOfStages(t *testing.T) {
	t.Parallel()
	const scheduled, started = enums.PENDING_ACTIVITY_STATE_SCHEDULED, enums.PENDING_ACTIVITY_STATE_STARTED
	type want struct {
		Done    int
		Problem string
	}
	tests := []struct {
		name, stage string
		base        *activities.Progress
		pending     []*workflowpb.PendingActivityInfo
		want        want
	}{
		{"a name unlike its stage", "baseline", nil, []*workflowpb.PendingActivityInfo{
			pending(t, "LookUp", started, 1), pending(t, "RankBaselines", started, 7),
		}, want{7, ""}},
		{"another stage's activity", "pretrain", nil, []*workflowpb.PendingActivityInfo{
			pending(t, "PlanExport", scheduled, -1),
		}, want{-1, ""}},
		{"no worker", "sasrec", nil, []*workflowpb.PendingActivityInfo{
			pending(t, "TrainSasrec", scheduled, -1),
		}, want{-1, waitingForWorker}},
		{"shards are added up", "distill", rows(20), []*workflowpb.PendingActivityInfo{
			pending(t, "DistillShard", started, 3), pending(t, "DistillShard", scheduled, -1),
			pending(t, "DistillShard", started, 4),
		}, want{27, ""}},
		{"every shard waits", "distill", rows(20), []*workflowpb.PendingActivityInfo{
			pending(t, "DistillShard", scheduled, -1),
		}, want{20, waitingForWorker}},
	}
	for _, test := range tests {
		tracker := &progressTracker{server: &server{}, now: func() time.Time { return secondsAfterStart(0) }}
		status := workflows.StageStatus{
			Name: test.stage + " x/1", Stage: test.stage, State: workflows.Running, Progress: test.base,
		}
		got := tracker.merge(nil, []workflows.StageStatus{status}, test.pending)[0]
		found := want{-1, got.Problem}
		if got.Progress != nil {
			found.Done = got.Progress.Done
		}
		if diff := cmp.Diff(test.want, found); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}
