package main_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"rdrec/activities"
	"rdrec/internal/spec"
	"rdrec/storage"
	"rdrec/workflows"
)

// again runs a spec with all stages done anew, or not, and returns the run's record.
func (p *plant) again(b *storage.Bucket, id string, in workflows.ExperimentInput) activities.ReportInput {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 4*time.Minute)
	defer cancel()
	run := p.launch(id, workflows.Experiment, in)
	if err := run.Get(ctx, nil); err != nil {
		p.t.Fatal(err)
	}
	data, err := b.GetRun(ctx, run.GetID(), run.GetRunID(), storage.RunRecord)
	if err != nil {
		p.t.Fatal(err)
	}
	var record activities.ReportInput
	if err := json.Unmarshal(data, &record); err != nil {
		p.t.Fatal(err)
	}
	return record
}

// tiny is a spec of seconds: the demo's data, no teacher, the smallest student, eight steps.
func tiny(t *testing.T, name string, settings ...string) spec.Spec {
	t.Helper()
	s, err := spec.Load(filepath.Join(root, "experiments/demo.yaml"), append([]string{
		"name=" + name, "teacher.model=copy", "student.size=t5-tiny", "teacher.reviews=12", "train.epochs=2", "train.epoch_steps=4",
		"train.checkpoint_steps=3", "train.batch=8", "train.valid_rows=8", "evaluate.beams=10", "evaluate.return=10",
	}, settings...))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// records reads all stage records of the bucket by their file names.
func (p *plant) records() map[string]string {
	p.t.Helper()
	paths, err := filepath.Glob(filepath.Join(p.bucket, "stages/*/*.json"))
	if err != nil {
		p.t.Fatal(err)
	}
	found := map[string]string{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			p.t.Fatal(err)
		}
		found[path] = string(data)
	}
	return found
}

// A fresh run does every stage itself, makes the same bytes, and leaves what was done before as it is.
func TestFreshRunMakesTheSameBytes(t *testing.T) {
	t.Parallel()
	s := tiny(t, "fresh", "evaluate.sequential_users=8", "evaluate.topn_users=4", "evaluate.explanations=2",
		"baselines=[popularity, rule, sasrec]", "sasrec.dims=[8]", "sasrec.epochs=2", "sasrec.length=10")
	p := newPlant(t)
	p.start()
	bucket, err := storage.Open(t.Context(), "file://"+p.bucket)
	if err != nil {
		t.Fatal(err)
	}
	defer bucket.Close()
	first := p.again(bucket, "first", workflows.ExperimentInput{Spec: s})
	before := p.records()
	fresh := workflows.Fresh{Nonce: "one", Rationales: true}
	second := p.again(bucket, "second", workflows.ExperimentInput{Spec: s, Fresh: fresh})

	rows, err := activities.CompareRuns(t.Context(), bucket, first, second)
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 11 { // two inputs, five artefacts, the model and its three evaluations
		t.Errorf("%d rows were compared, want 11: %+v", len(rows), rows)
	}
	for _, row := range rows {
		if !row.Same {
			t.Errorf("not the same bytes: %+v", row)
		}
	}
	for _, stage := range second.Stages {
		if stage.Cached {
			t.Errorf("the fresh run took over stage %s", stage.Name)
		}
	}
	after := p.records()
	if len(after) != 2*len(before) {
		t.Errorf("%d stage records before the fresh run, %d after: want as many again", len(before), len(after))
	}
	for path, record := range before {
		if after[path] != record {
			t.Errorf("the fresh run wrote over %s", path)
		}
	}
	if n := p.count("rationales/*"); n != 2 {
		t.Errorf("%d folders of rationales, want the first run's and the fresh one's own", n)
	}
	s.Seed++
	other := p.again(bucket, "other", workflows.ExperimentInput{Spec: s})
	p.seesTheDifference(bucket, first, other)
}

// seesTheDifference checks that another seed's weights are told apart.
func (p *plant) seesTheDifference(b *storage.Bucket, first, other activities.ReportInput) {
	p.t.Helper()
	other.Trials[0].Seed = first.Trials[0].Seed // else the names alone would differ
	rows, err := activities.CompareRuns(p.t.Context(), b, first, other)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, row := range rows {
		if row.What == "model rdrec/1" && (row.Same || len(row.Files) == 0) {
			p.t.Errorf("another seed's weights are said to be the same: %+v", row)
		}
		if row.What == "input: data" && !row.Same {
			p.t.Errorf("the same data is said to differ: %+v", row)
		}
	}
}
