package workflows_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	sdkpb "go.temporal.io/api/sdk/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"rdrec/activities"
	"rdrec/internal/report"
	"rdrec/registry"
	"rdrec/storage"
	"rdrec/workflows"
)

// details returns what the Web UI shows of the workflow.
func (w *workflowEnv) details(t *testing.T) string {
	t.Helper()
	value, err := w.env.QueryWorkflow("__temporal_workflow_metadata")
	if err != nil {
		t.Fatal(err)
	}
	var found sdkpb.WorkflowMetadata
	if err := value.Get(&found); err != nil {
		t.Fatal(err)
	}
	return found.GetCurrentDetails()
}

// TestDetailsOfAFinishedExperiment has the verdict, the cost, a bar of each trial and the stages.
func TestDetailsOfAFinishedExperiment(t *testing.T) {
	t.Parallel()
	w := newWorkflowEnv(t)
	w.mock("Report", func(context.Context, registry.RunRecord) (activities.ReportResult, error) {
		return activities.ReportResult{
			HTML: "html", URL: "http://reports/html", Decision: report.Serve, Verdict: "It is better.",
			Best: &report.Headline{Method: "rdrec", Task: "sequential", Metric: "NDCG@10", Value: 0.25},
		}, nil
	})
	s := experiment("rdrec", "pod")
	s.Trials = 2
	w.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: s})
	if err := w.env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	got := w.details(t)
	begins(t, got, "**rdrec NDCG@10 0.2500**\n\nIt is better.\n\n[Report](http://reports/html)\n\nCost so far: ")
	contains(t, got, "300 tokens of the teacher in 30 requests; stages: 20 computed, 0 reused",
		"| rdrec/1 | `████████████████████` | 4/4 done |",
		"| pod/2 | `████████████████████` | 4/4 done |", "| import | done | ")
}

// TestDetailsOfAFailureBeginWithItsCause fails the last trial's evaluation.
func TestDetailsOfAFailureBeginWithItsCause(t *testing.T) {
	t.Parallel()
	w := newWorkflowEnv(t)
	w.fail["Evaluate"] = temporal.NewNonRetryableApplicationError("truncated", activities.TypeDataCorrupt, nil)
	w.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: experiment("rdrec")})
	if w.env.GetWorkflowError() == nil {
		t.Fatal("the experiment does not fail")
	}
	got := w.details(t)
	begins(t, got, "**Failed**: rdrec-1: truncated\n\nNext: repair the input")
	contains(t, got, "| rdrec/1 | `█████░░░░░░░░░░░░░░░` | 1/4 failed |")
}

// TestBookkeepingFallsBackToTheQueue lets a part of the bookkeeping fail in the workflow's process.
func TestBookkeepingFallsBackToTheQueue(t *testing.T) {
	t.Parallel()
	w := newWorkflowEnv(t)
	var mutex sync.Mutex
	executed := map[string]int{}
	count := func(ctx context.Context, name string) error {
		mutex.Lock()
		defer mutex.Unlock()
		if activity.GetInfo(ctx).IsLocalActivity {
			executed[name+" locally"]++
			return errors.New("the bucket is away")
		}
		executed[name]++
		return nil
	}
	w.mock("LookUp", func(ctx context.Context, _ activities.LookUpInput) (activities.StageResult, error) {
		return activities.StageResult{}, count(ctx, "look up")
	})
	w.mock("CommitStage", func(ctx context.Context, _ storage.StageRecord) error { return count(ctx, "record") })
	s := experiment("pod")
	s.Evaluate.TopNUsers, s.Evaluate.Explanations = -1, -1
	w.env.ExecuteWorkflow(workflows.Experiment, workflows.ExperimentInput{Spec: s})
	if err := w.env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	// import, preprocess, baseline, pretrain, evaluate
	want := map[string]int{"look up locally": 5, "look up": 5, "record locally": 5, "record": 5}
	if diff := cmp.Diff(want, executed); diff != "" {
		t.Error(diff)
	}
}

func begins(t *testing.T, got, want string) {
	t.Helper()
	if !strings.HasPrefix(got, want) {
		t.Errorf("it begins with\n%.200s\nwant\n%s", got, want)
	}
}

func contains(t *testing.T, got string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(got, part) {
			t.Errorf("%q is not in\n%s", part, got)
		}
	}
}

// TestDetailsOfManyStagesAreBounded evaluates in 256 shards: the Web UI shows the last ones.
func TestDetailsOfManyStagesAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorkflowEnv(t)
	s := experiment("rdrec")
	s.Evaluate.Shards, s.Evaluate.TopNUsers, s.Evaluate.Explanations = 256, -1, -1
	w.env.ExecuteWorkflow(workflows.Trial, workflows.TrialInput{Spec: s, Method: "rdrec", Seed: 1})
	if err := w.env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	got := w.details(t)
	contains(t, got, "shard 256 of 256", "… and 198 more") // of 258 stages
	if rows := strings.Count(got, "| done |"); rows != 60 {
		t.Errorf("%d rows, want 60", rows)
	}
}
