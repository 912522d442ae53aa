package main_test

import (
	"testing"

	"rdrec/registry"
	"rdrec/storage"
	"rdrec/workflows"
)

// One worker that evaluates everything and four workers that evaluate a shard each produce the same
// bytes.
func TestShardedEvaluationKeepsBytes(t *testing.T) {
	t.Parallel()
	s := tinySpec(t, "parts", "evaluate.sequential_users=24", "evaluate.topn_users=10", "evaluate.explanations=6",
		"evaluate.batch=3")
	p := newFaultEnv(t)
	p.StartWorker()
	bucket, err := storage.Open(t.Context(), "file://"+p.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	defer bucket.Close()
	one := p.runRecord(bucket, "one", workflows.ExperimentInput{Spec: s})
	for range 3 {
		p.StartWorker()
	}
	s.Evaluate.Shards = 4
	found := p.runRecord(bucket, "found", workflows.ExperimentInput{Spec: s})
	four := p.runRecord(bucket, "four", workflows.ExperimentInput{Spec: s, NoCache: workflows.NoCache{Nonce: "four"}})
	for name, other := range map[string]registry.RunRecord{"cached": found, "without cache": four} {
		rows, err := registry.CompareRuns(t.Context(), bucket, one, other)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			if !row.Equal {
				t.Errorf("%s: not the same bytes: %+v", name, row)
			}
		}
	}
	p.recordHistory(p.Client.GetWorkflow(t.Context(), "four/rdrec-1", ""), "trial-sharded")
	parts := 0
	for _, stage := range four.Trials[0].Stages {
		if !stage.Cached {
			parts++
		}
	}
	if want := 1 + 3*(1+4); parts != want {
		t.Errorf("%d stages of the trial were run, want %d: training, and three evaluations with four shards each",
			parts, want)
	}
	for _, stage := range found.Trials[0].Stages {
		if !stage.Cached {
			t.Errorf("stage %s was run again", stage.Name)
		}
	}
}
