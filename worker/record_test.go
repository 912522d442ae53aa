package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/encoding/protojson"

	"rdrec/workflows"
)

// recordFolder in the environment is where histories are written for the replay tests (workflows/testdata).
const recordFolder = "RDREC_RECORD"

// record writes a run's history.
func (p *plant) record(run client.WorkflowRun, name string) {
	p.t.Helper()
	folder := os.Getenv(recordFolder)
	if folder == "" {
		return
	}
	text, err := protojson.MarshalOptions{Indent: " "}.Marshal(&historypb.History{Events: p.events(run.GetID(), run.GetRunID())})
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".json"), text, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// TestRecordHistories runs the kinds of workflow that no other test leaves a history of: done anew with every stage there is, ablated,
// cancelled, and a distillation that begins its history anew.
func TestRecordHistories(t *testing.T) {
	if os.Getenv(recordFolder) == "" {
		t.Skip("writes histories to the folder " + recordFolder)
	}
	s := newSite(t)
	s.hire()
	teacher := newChatServer(t, 10*time.Millisecond)
	latest := func(id string) client.WorkflowRun { return s.client.GetWorkflow(t.Context(), id, "") }
	rows := []string{
		"data.folder=", "data={reviews: {path: testdata/reviews/All_Beauty_5.json.gz, user_core: 3, item_core: 1}, negatives: 20}",
		fmt.Sprintf("teacher={model: %q, reviews: 12, shard: 5}", "openai:"+teacher.URL+"/v1#counted"), "train.epochs=1", "train.epoch_steps=5",
	}
	fresh := s.launch("fresh", workflows.Experiment, workflows.ExperimentInput{
		Spec:  short(t, append(rows, "name=fresh", "baselines=[popularity, rule, sasrec]", "sasrec={dims: [8], epochs: 2, length: 10}")...),
		Fresh: workflows.Fresh{Nonce: "one", Rationales: true},
	})
	if err := s.ended(fresh); err != nil {
		t.Fatal(err)
	}
	s.record(fresh, "experiment-fresh")
	s.record(latest("fresh/rdrec-1"), "trial-fresh")
	s.record(latest("fresh/distill"), "distillation-fresh")

	ablated := s.begin(short(t, "name=ablated", "train.epochs=1", "train.epoch_steps=5", "ablate=[skip_pads]"))
	if err := s.ended(ablated); err != nil {
		t.Fatal(err)
	}
	s.record(ablated, "experiment-ablated")
	s.record(latest("ablated/rdrec-1-skip_pads"), "trial-ablated")

	trained := s.count("checkpoints/*/*/*/manifest.json")
	cancelled := s.begin(short(t, "name=cancelled", "seed=2"))
	s.until("training", time.Minute, func() bool { return s.count("checkpoints/*/*/*/manifest.json") > trained })
	if err := s.client.CancelWorkflow(t.Context(), cancelled.GetID(), cancelled.GetRunID()); err != nil {
		t.Fatal(err)
	}
	if err := s.ended(cancelled); err == nil {
		t.Fatal("it was not cancelled")
	}
	s.record(cancelled, "experiment-cancelled")
	s.record(latest("cancelled/rdrec-2"), "trial-cancelled")

	in := schooling(t, teacher, 40)
	in.Lap, in.Parallel = 1, 1
	lap := s.distil("laps", in)
	first := s.client.GetWorkflow(t.Context(), lap.GetID(), lap.GetRunID())
	s.distilled(lap)
	s.record(first, "distillation-lap")
	s.record(latest("laps"), "distillation-last-lap")
}
