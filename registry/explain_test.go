package registry_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/spec"
	"rdrec/registry"
	"rdrec/storage"
)

// recordRun stores a run with its stages, and the records of those that it computed.
func recordRun(t *testing.T, b *storage.Bucket, run string, stages ...registry.StageTime) {
	t.Helper()
	s := spec.Default()
	s.Name = "shop"
	data, err := json.Marshal(registry.RunRecord{Spec: s, Stages: stages})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.PutRun(t.Context(), "shop-1", run, storage.RunRecord, data); err != nil {
		t.Fatal(err)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	b, err := storage.Open(t.Context(), "mem://")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	imported, pretrained := strings.Repeat("a", 64), strings.Repeat("b", 64)
	retrained := strings.Repeat("c", 64)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, record := range []storage.StageRecord{
		{
			Stage: "import", Fingerprint: imported, Inputs: []string{"d"}, Settings: "{}", Version: 1,
			Workflow: "shop-1", Run: "first", Time: at,
		},
		{
			Stage: "pretrain", Fingerprint: pretrained, Inputs: []string{"p", ""}, Settings: `{"train":{"epochs":2}}`,
			Version: 1, Workflow: "shop-1/rdrec-1", Run: "one", Time: at,
		},
		{
			Stage: "pretrain", Fingerprint: retrained, Inputs: []string{"p", ""}, Settings: `{"train":{"epochs":3}}`,
			Version: 1, Workflow: "shop-1/rdrec-1", Run: "two", Time: at,
		},
	} {
		if err := b.Commit(t.Context(), record); err != nil {
			t.Fatal(err)
		}
	}
	recordRun(t, b, "first",
		registry.StageTime{Name: "import", Stage: "import", Seconds: 1, Fingerprint: imported},
		registry.StageTime{Name: "pretrain rdrec/1", Seconds: 2, Fingerprint: pretrained})
	recordRun(t, b, "second",
		registry.StageTime{Name: "import", Stage: "import", Cached: true, Seconds: 1, Fingerprint: imported},
		registry.StageTime{Name: "pretrain rdrec/1", Seconds: 3, Fingerprint: retrained})

	dataset := []registry.StageInput{{Name: "data", Digest: "d"}}
	preprocessed := []registry.StageInput{{Name: "preprocessed", Digest: "p"}}
	for _, c := range []struct {
		run, stage string
		want       registry.Explanation
	}{
		{"shop-1/first", "import", registry.Explanation{
			Label: "import", Stage: "import", Seconds: 1, From: "shop-1/first", FromTime: at,
			Why: []registry.Reason{{Change: registry.NeverDone}}, Inputs: dataset,
		}},
		{"shop-1", "import", registry.Explanation{
			Label: "import", Stage: "import", Cached: true, Seconds: 1, From: "shop-1/first", FromTime: at,
			Inputs: dataset,
		}},
		{"shop-1/second", "pretrain rdrec", registry.Explanation{
			Label: "pretrain rdrec/1", Stage: "pretrain", Seconds: 3, From: "shop-1/rdrec-1/two", FromTime: at,
			Since:  "shop-1/first",
			Why:    []registry.Reason{{Change: registry.SpecChanged, Detail: "train.epochs 2 → 3"}},
			Inputs: preprocessed,
		}},
	} {
		_, got, err := registry.Explain(t.Context(), b, c.run, c.stage)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]registry.Explanation{c.want}, got); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", c.run, c.stage, diff)
		}
	}
	if _, _, err := registry.Explain(t.Context(), b, "shop-1", "fuse"); !errors.Is(err, registry.ErrNoStage) {
		t.Errorf("a stage that the run has not: %v", err)
	}
}

// TestExplainAFailedRun has the stages that the run finished, and compares them with the latest
// finished run of the spec's name.
func TestExplainAFailedRun(t *testing.T) {
	t.Parallel()
	b, err := storage.Open(t.Context(), "mem://")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	put := func(workflow, run string, s storage.StageRecord) {
		t.Helper()
		if err := errors.Join(b.Commit(t.Context(), s), b.AddLineage(t.Context(), workflow, run, s)); err != nil {
			t.Fatal(err)
		}
	}
	const id, other = "shop-0123456789ab", "shop-ba9876543210"
	put(id, "r", storage.StageRecord{
		Stage: "import", Label: "import", Fingerprint: strings.Repeat("a", 64), Workflow: other, Run: "o", Seconds: 1,
		Time: at,
	})
	put(id+"/rdrec-1", "c", storage.StageRecord{
		Stage: "pretrain", Label: "pretrain rdrec/1", Fingerprint: strings.Repeat("b", 64), Inputs: []string{"p"},
		Workflow: id + "/rdrec-1", Run: "c", Seconds: 2, Time: at.Add(time.Minute),
	})
	want := []registry.Explanation{
		{Label: "import", Stage: "import", Cached: true, Seconds: 1, From: other + "/o", FromTime: at},
		{
			Label: "pretrain rdrec/1", Stage: "pretrain", Seconds: 2, From: id + "/rdrec-1/c",
			FromTime: at.Add(time.Minute), Why: []registry.Reason{{Change: registry.NeverDone}},
			Inputs: []registry.StageInput{{Name: "preprocessed", Digest: "p"}},
		},
	}
	for _, run := range []string{id, id + "/r"} {
		name, got, err := registry.Explain(t.Context(), b, run, "")
		if err != nil || name != id+"/r" {
			t.Fatalf("%s: %q, %v", run, name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", run, diff)
		}
	}
}
