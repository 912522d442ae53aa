package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/encoding/protojson"

	"rdrec/internal/staging"
	"rdrec/workflows"
)

// recordFolder is the environment variable with the folder to which histories for the replay tests
// (workflows/testdata) are written.
const recordFolder = "RDREC_RECORD"

// recordHistory writes a run's history, if the tests record.
func (s *faultEnv) recordHistory(run client.WorkflowRun, name string) {
	s.T.Helper()
	folder := os.Getenv(recordFolder)
	if folder == "" {
		return
	}
	history := &historypb.History{Events: s.Events(run.GetID(), run.GetRunID())}
	text, err := protojson.MarshalOptions{Indent: " "}.Marshal(history)
	if err != nil {
		s.T.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".json"), text, 0o600); err != nil {
		s.T.Fatal(err)
	}
}

// recordAll writes the histories of the finished workflows of a type, oldest first, under the
// names; an empty name skips a workflow.
func (s *faultEnv) recordAll(workflowType string, names ...string) {
	s.T.Helper()
	if os.Getenv(recordFolder) == "" {
		return
	}
	closed, err := s.Client.ListWorkflow(s.T.Context(), &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: s.Namespace, Query: fmt.Sprintf("WorkflowType = %q AND ExecutionStatus != 'Running'", workflowType),
	})
	if err != nil {
		s.T.Fatal(err)
	}
	runs := closed.GetExecutions()
	slices.SortFunc(runs, func(a, b *workflowpb.WorkflowExecutionInfo) int {
		return a.GetStartTime().AsTime().Compare(b.GetStartTime().AsTime())
	})
	if len(runs) < len(names) {
		s.T.Fatalf("%d runs of %s, want %d", len(runs), workflowType, len(names))
	}
	for i, name := range names {
		if name == "" {
			continue
		}
		execution := runs[i].GetExecution()
		s.recordHistory(s.Client.GetWorkflow(s.T.Context(), execution.GetWorkflowId(), execution.GetRunId()), name)
	}
}

// TestRecordHistories runs the workflows whose histories no other test records: an experiment
// without cache and with every stage, an ablation, a cancelled one, and a distillation that
// continues as new.
func TestRecordHistories(t *testing.T) {
	if os.Getenv(recordFolder) == "" {
		t.Skip("set " + recordFolder + " to the folder for the histories")
	}
	s := newFaultEnv(t)
	s.StartWorker()
	teacher := staging.NewChatServer(t, 10*time.Millisecond)
	latest := func(id string) client.WorkflowRun { return s.Client.GetWorkflow(t.Context(), id, "") }
	rows := []string{
		"data.folder=",
		"data={reviews: {path: testdata/reviews/All_Beauty_5.json.gz, user_core: 3, item_core: 1}, negatives: 20}",
		fmt.Sprintf("teacher={model: %q, max_reviews: 12, shard_rows: 5}", "openai:"+teacher.URL+"/v1#counted"),
		"train.epochs=1", "train.epoch_steps=5",
	}
	noCache := s.Launch("nocache", workflows.Experiment, workflows.ExperimentInput{
		Spec: staging.ShortSpec(t, append(rows, "name=nocache", "baselines=[popularity, rule, sasrec]",
			"sasrec={hidden_sizes: [8], epochs: 2, max_length: 10}")...),
		NoCache: workflows.NoCache{Nonce: "one", Rationales: true},
	})
	if err := s.AwaitError(noCache); err != nil {
		t.Fatal(err)
	}
	s.recordHistory(noCache, "experiment-nocache")
	s.recordHistory(latest("nocache/rdrec-1"), "trial-nocache")
	s.recordHistory(latest("nocache/distill"), "distillation-nocache")

	ablatedSpec := staging.ShortSpec(t, "name=ablated", "train.epochs=1", "train.epoch_steps=5", "ablate=[skip_pads]")
	ablated := s.StartExperiment(ablatedSpec)
	var result workflows.ExperimentResult
	if err := ablated.Get(t.Context(), &result); err != nil {
		t.Fatal(err)
	}
	s.recordHistory(ablated, "experiment-ablated")
	s.recordHistory(latest("ablated/rdrec-1-skip_pads"), "trial-ablated")
	inputs := s.Launch(workflows.InputsID("ablated"), workflows.Inputs, workflows.InputsInput{
		Spec: ablatedSpec, Workflow: ablated.GetID(), Run: ablated.GetRunID(), Report: result.Report,
	})
	if err := s.AwaitError(inputs); err != nil {
		t.Fatal(err)
	}
	s.recordHistory(inputs, "inputs")

	trained := s.CountFiles("checkpoints/*/*/*/manifest.json")
	cancelled := s.StartExperiment(staging.ShortSpec(t, "name=cancelled", "seed=2"))
	s.WaitFor("training", time.Minute, func() bool {
		return s.CountFiles("checkpoints/*/*/*/manifest.json") > trained
	})
	if err := s.Client.CancelWorkflow(t.Context(), cancelled.GetID(), cancelled.GetRunID()); err != nil {
		t.Fatal(err)
	}
	if err := s.AwaitError(cancelled); err == nil {
		t.Fatal("the experiment was not cancelled")
	}
	s.recordHistory(cancelled, "experiment-cancelled")
	s.recordHistory(latest("cancelled/rdrec-2"), "trial-cancelled")

	in := distillationInput(t, teacher, 40)
	in.ShardsPerRun, in.Parallel = 1, 1
	continued := s.startDistillation("continued", in)
	first := s.Client.GetWorkflow(t.Context(), continued.GetID(), continued.GetRunID())
	s.awaitDistillation(continued)
	s.recordHistory(first, "distillation-continued")
	s.recordHistory(latest("continued"), "distillation-last-run")
}
