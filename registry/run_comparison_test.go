package registry_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/spec"
	"rdrec/registry"
	"rdrec/storage"
)

// predictions stores the rankings of the next item of three users.
func predictions(t *testing.T, b *storage.Bucket, lines string) storage.Ref {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "sequential.jsonl"), []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	ref, err := b.PutFolder(t.Context(), "predictions", dir)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func TestCompareRunRecords(t *testing.T) {
	t.Parallel()
	b, err := storage.Open(t.Context(), "mem://")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	// One of three users, two of three, all of three; then another user.
	one := predictions(t, b, `{"user":1,"truth":5,"items":[5,6]}
{"user":2,"truth":6,"items":[5,6]}
{"user":3,"truth":7,"items":[5,7]}
`)
	two := predictions(t, b, `{"user":1,"truth":5,"items":[5,6]}
{"user":2,"truth":6,"items":[6,5]}
{"user":3,"truth":7,"items":[5,7]}
`)
	others := predictions(t, b, `{"user":4,"truth":5,"items":[5,6]}
`)
	for run, c := range map[string]struct {
		epochs int
		trials []storage.Ref
	}{
		"a": {2, []storage.Ref{one}}, "b": {3, []storage.Ref{two, one}}, "c": {3, []storage.Ref{others}}, "d": {2, nil},
	} {
		s := spec.Default()
		s.Name, s.Data.Folder, s.Train.Epochs = "shop", "folder", c.epochs
		record := registry.RunRecord{Spec: s, Stages: []registry.StageTime{
			{Name: "import", Cached: run != "a", Seconds: 3, Output: storage.Ref{Digest: "i", Size: 1}},
			{
				Name: "pretrain rdrec/1", Seconds: 5, Output: storage.Ref{Digest: run, Size: 1},
				Stats: storage.Stats{Requests: 2, Tokens: 30},
			},
		}}
		for k, ref := range c.trials {
			trial := registry.TrialResult{Method: "rdrec", Seed: int64(k), Evaluations: []storage.Ref{ref}}
			record.Trials = append(record.Trials, trial)
		}
		data, err := json.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.PutRun(t.Context(), "shop", run, storage.RunRecord, data); err != nil {
			t.Fatal(err)
		}
	}
	got, err := registry.CompareRunRecords(t.Context(), b, []string{"shop/a", "shop/b", "shop/c", "shop/d"})
	if err != nil {
		t.Fatal(err)
	}
	checkComparison(t, got)
}

// checkComparison checks the comparison of the four runs.
func checkComparison(t *testing.T, got registry.RunComparison) {
	t.Helper()
	cost := func(name string, computed int, seconds float64) registry.ComparedRun {
		return registry.ComparedRun{Name: name, Cost: registry.Cost{
			Computed: computed, Reused: 2 - computed, Seconds: seconds, GPUSeconds: 5, Requests: 2, Tokens: 30,
		}}
	}
	want := registry.RunComparison{
		Runs: []registry.ComparedRun{
			cost("shop/a", 2, 8), cost("shop/b", 1, 5), cost("shop/c", 1, 5), cost("shop/d", 1, 5),
		},
		Settings: []registry.ComparedSetting{
			{Key: "train.epochs", Values: []string{"2", "3", "3", "2"}},
		},
		Stages: []registry.ComparedStage{
			{Label: "import", Outputs: []string{"i", "i", "i", "i"}, Shared: true},
			{Label: "pretrain rdrec/1", Outputs: []string{"a", "b", "c", "d"}},
		},
		Metrics: got.Metrics,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, m := range got.Metrics {
		if m.Metric != "HR@1" {
			continue
		}
		a, b, c, d := m.Runs[0], m.Runs[1], m.Runs[2], m.Runs[3]
		// Run b is the mean of a trial with 2/3 and one with 1/3: 1/6 more than run a.
		if !near(*a.Value, 1.0/3) || !near(*b.Value, 0.5) || !near(b.Difference.Mean, 1.0/6) || b.Trials != 2 {
			t.Errorf("HR@1 %+v and %+v", a, b)
		}
		if a.Difference != nil || c.Difference != nil || c.Note != "other users or item ids" || d.Value != nil {
			t.Errorf("tests %+v, %+v, %+v", a, c, d)
		}
		return
	}
	t.Error("HR@1 is not compared")
}

func near(a, b float64) bool { return a-b < 1e-9 && b-a < 1e-9 }
