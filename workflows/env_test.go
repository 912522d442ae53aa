package workflows_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"rdrec/activities"
	"rdrec/internal/spec"
	"rdrec/registry"
	"rdrec/storage"
	"rdrec/workflows"
)

// workflowEnv remembers what the workflows asked for.
type workflowEnv struct {
	env   *testsuite.TestWorkflowEnvironment
	mutex sync.Mutex // activities of the same moment run side by side
	// done are the records of finished stages by fingerprint; calls are the stages that did work,
	// in order.
	done  map[string]storage.Ref
	calls []string
	// lookedUp are the records that were looked up, trained the protocols of trainings, reported
	// what the report was made of.
	lookedUp []string
	trained  []spec.Protocol
	reported registry.RunRecord
	// drafts are the reports that were written while the run went on.
	drafts []activities.DraftReportInput
	// fail makes a stage fail.
	fail map[string]error
}

// newEnvironment returns a test environment whose limits on real time a busy machine does not
// reach.
func newEnvironment() *testsuite.TestWorkflowEnvironment {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute)
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute})
	return env
}

func newWorkflowEnv(t *testing.T) *workflowEnv {
	t.Helper()
	w := &workflowEnv{env: newEnvironment(), done: map[string]storage.Ref{}, fail: map[string]error{}}
	w.env.RegisterWorkflow(workflows.Experiment)
	w.env.RegisterWorkflow(workflows.Trial)
	w.env.RegisterWorkflow(workflows.Distillation)
	w.mock("Identify", func(context.Context, activities.IdentifyInput) (registry.Identity, error) {
		return registry.Identity{Data: "d", Teacher: "t"}, nil
	})
	w.mock("LookUp", func(_ context.Context, in activities.LookUpInput) (activities.StageResult, error) {
		w.mutex.Lock()
		defer w.mutex.Unlock()
		w.lookedUp = append(w.lookedUp, in.Stage+" "+in.Fingerprint)
		return activities.StageResult{Output: w.done[in.Fingerprint]}, nil
	})
	w.mock("CommitStage", func(_ context.Context, done storage.StageRecord) error {
		w.mutex.Lock()
		defer w.mutex.Unlock()
		w.done[done.Fingerprint] = done.Output
		return nil
	})
	w.mock("PlanDistillation", func(context.Context, activities.DistillInput) (activities.DistillPlan, error) {
		return activities.DistillPlan{Wanted: 30, Shards: 3}, nil
	})
	w.mock("DistillShard", func(context.Context, activities.DistillShardInput) (activities.DistillShardResult, error) {
		return activities.DistillShardResult{Rows: 10, Parsed: 10, Tokens: 100, Seconds: 2}, nil
	})
	w.mock("MergeRationales", func(_ context.Context, in activities.DistillInput) (storage.Ref, error) {
		return w.record("Distill", in), w.fail["Distill"]
	})
	for _, name := range []string{
		"Import", "Preprocess", "RankBaselines", "TrainSasrec", "Evaluate", "MergePredictions", "Fuse",
		"CheckEntailment",
	} {
		w.mock(name, func(_ context.Context, in any) (storage.Ref, error) { return w.record(name, in), w.fail[name] })
	}
	w.mock("Pretrain", func(_ context.Context, in activities.PretrainInput) (storage.Ref, error) {
		ref := w.record("Pretrain", in)
		w.mutex.Lock()
		defer w.mutex.Unlock()
		w.trained = append(w.trained, in.Protocol)
		return ref, w.fail["Pretrain"]
	})
	w.mock("DraftReport", func(_ context.Context, in activities.DraftReportInput) (activities.ReportResult, error) {
		w.mutex.Lock()
		defer w.mutex.Unlock()
		w.drafts = append(w.drafts, in)
		return activities.ReportResult{URL: "http://reports/draft"}, w.fail["DraftReport"]
	})
	w.mock("Report", func(_ context.Context, in registry.RunRecord) (activities.ReportResult, error) {
		w.calls, w.reported = append(w.calls, "Report"), in
		return activities.ReportResult{
			Report: storage.Ref{Digest: fmt.Sprint(len(in.Trials), " trials")}, HTML: "html",
		}, nil
	})
	return w
}

// mock puts f in the place of the activity of that name.
func (w *workflowEnv) mock(name string, f any) {
	w.env.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name})
}

// record notes a stage and makes the artifact of its inputs: other inputs, another artifact.
func (w *workflowEnv) record(name string, in any) storage.Ref {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.calls = append(w.calls, name)
	text, err := json.Marshal(in)
	if err != nil {
		panic(err)
	}
	return storage.Ref{Digest: storage.Digest(append([]byte(name), text...)), Size: 1}
}

func experiment(methods ...string) spec.Spec {
	s := spec.Default()
	s.Name, s.Methods = "test", methods
	s.Data.Folder = "folder"
	return s
}
