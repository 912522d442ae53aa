package main_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"rdrec/internal/spec"
	"rdrec/internal/staging"
	"rdrec/registry"
	"rdrec/storage"
	"rdrec/workflows"
)

// runRecord runs an experiment and returns the run's record.
func (s *faultEnv) runRecord(b *storage.Bucket, id string, in workflows.ExperimentInput) registry.RunRecord {
	s.T.Helper()
	ctx, cancel := context.WithTimeout(s.T.Context(), 4*time.Minute)
	defer cancel()
	run := s.Launch(id, workflows.Experiment, in)
	if err := run.Get(ctx, nil); err != nil {
		s.T.Fatal(err)
	}
	data, err := b.GetRun(ctx, run.GetID(), run.GetRunID(), storage.RunRecord)
	if err != nil {
		s.T.Fatal(err)
	}
	var record registry.RunRecord
	if err := json.Unmarshal(data, &record); err != nil {
		s.T.Fatal(err)
	}
	return record
}

// tinySpec returns a spec that runs for seconds: the demo's data, no teacher, the smallest student,
// eight steps.
func tinySpec(t *testing.T, name string, settings ...string) spec.Spec {
	t.Helper()
	s, err := spec.Load(filepath.Join(staging.Root(), "experiments/demo.yaml"), append([]string{
		"name=" + name, "teacher.model=copy", "student.size=t5-tiny", "teacher.max_reviews=12",
		"train.epochs=2", "train.epoch_steps=4", "train.checkpoint_steps=3", "train.batch=8", "train.validation_rows=8",
		"evaluate.num_beams=10", "evaluate.num_return_sequences=10",
	}, settings...))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A run without cache runs every stage itself, produces the same bytes, and changes no earlier
// record.
func TestNoCacheRunMakesTheSameBytes(t *testing.T) {
	t.Parallel()
	s := tinySpec(t, "nocache", "evaluate.sequential_users=8", "evaluate.topn_users=4", "evaluate.explanations=2",
		"baselines=[popularity, rule, sasrec]", "sasrec.hidden_sizes=[8]", "sasrec.epochs=2", "sasrec.max_length=10")
	p := newFaultEnv(t)
	w := p.StartWorker("--metrics-addr", "127.0.0.1:0")
	bucket, err := storage.Open(t.Context(), "file://"+p.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	defer bucket.Close()
	first := p.runRecord(bucket, "first", workflows.ExperimentInput{Spec: s})
	checkMetrics(t, w,
		`rdrec_attempts_total{activity="Pretrain",outcome="done"} 1`, `rdrec_progress_units{stage="pretrain`,
		"rdrec_checkpoint_timestamp_seconds 1.", "temporal_request_total{", "process_resident_memory_bytes ",
	)
	checkRequests(t, w, 490) // about 25 of them for each of the reports during the run
	before := p.Records()
	noCache := workflows.NoCache{Nonce: "one", Rationales: true}
	second := p.runRecord(bucket, "second", workflows.ExperimentInput{Spec: s, NoCache: noCache})

	rows, err := registry.CompareRuns(t.Context(), bucket, first, second)
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 12 { // two inputs, five artifacts, the model, its three evaluations and its fusion
		t.Errorf("%d rows compared, want 12: %+v", len(rows), rows)
	}
	for _, row := range rows {
		if !row.Equal {
			t.Errorf("not the same bytes: %+v", row)
		}
	}
	for _, stage := range second.Stages {
		if stage.Cached {
			t.Errorf("the run without cache did not run stage %s", stage.Name)
		}
	}
	after := p.Records()
	if len(after) != 2*len(before) {
		t.Errorf("%d stage records before the run without cache, %d after: want twice as many", len(before), len(after))
	}
	for path, record := range before {
		if after[path] != record {
			t.Errorf("the run without cache overwrote %s", path)
		}
	}
	if n := p.CountFiles("rationales/*"); n != 2 {
		t.Errorf("%d folders of rationales, want one of each run", n)
	}
	s.Seed++
	other := p.runRecord(bucket, "other", workflows.ExperimentInput{Spec: s})
	p.checkDifferenceIsDetected(bucket, first, other)
}

// checkDifferenceIsDetected checks that a run with another seed differs in its weights only.
func (s *faultEnv) checkDifferenceIsDetected(b *storage.Bucket, first, other registry.RunRecord) {
	s.T.Helper()
	other.Trials[0].Seed = first.Trials[0].Seed // otherwise the names would differ
	rows, err := registry.CompareRuns(s.T.Context(), b, first, other)
	if err != nil {
		s.T.Fatal(err)
	}
	for _, row := range rows {
		if row.Name == "model rdrec/1" && (row.Equal || len(row.Files) == 0) {
			s.T.Errorf("another seed's weights compare as equal: %+v", row)
		}
		if row.Name == "input: data" && !row.Equal {
			s.T.Errorf("the same data compares as different: %+v", row)
		}
	}
}
