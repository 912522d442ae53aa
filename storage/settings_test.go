package storage_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rdrec/storage"
	"rdrec/storage/storagetest"
)

func TestSettings(t *testing.T) {
	t.Parallel()
	b, root := storagetest.OpenFolder(t)
	if s, err := b.Settings(t.Context()); err != nil || s.Retention.RemovesRuns() {
		t.Errorf("a bucket without settings: %+v, %v", s, err)
	}
	var want storage.Settings
	want.Retention.KeepRuns = 30
	want.Retention.Names = map[string]storage.Policy{"shop": {KeepDays: 90, KeepPromotions: 10}}
	if err := b.PutSettings(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	got, err := b.Settings(t.Context())
	if err != nil || !cmp.Equal(want, got) || !got.Retention.RemovesRuns() {
		t.Errorf("%v, %s", err, cmp.Diff(want, got))
	}
	want.Retention.Names["shop"] = storage.Policy{KeepPromotions: 1}
	if err := b.PutSettings(t.Context(), want); err == nil {
		t.Error("one promotion leaves none to roll back to")
	}
	for _, text := range []string{"{", `{"retention": {"keep_runs": -1}}`} {
		if err := os.WriteFile(filepath.Join(root, "settings.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var corrupt *storage.CorruptError
		if _, err := b.Settings(t.Context()); !errors.As(err, &corrupt) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// A run remains while its number, its age or the policy of its name asks for it.
func TestCollectByPolicies(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name    string
		keep    storage.Retention
		reports string
	}{
		{"by age: four days, less two hours", storage.Retention{Policy: storage.Policy{KeepDays: 4}}, " 00Z 00Z"},
		{"by age or number", storage.Retention{Policy: storage.Policy{KeepDays: 4, KeepRuns: 1}}, " 00d 00a 00Z 00Z"},
		{"a policy of a name", storage.Retention{
			Policy: storage.Policy{KeepRuns: 1}, Names: map[string]storage.Policy{"shop": {KeepRuns: 3}},
		}, " 00b 00c 00d 00a 00Z"},
		{"a name that keeps all", storage.Retention{
			Policy: storage.Policy{KeepRuns: 1}, Names: map[string]storage.Policy{"shop": {}},
		}, " 00a 00b 00c 00d 00a 00Z"},
	} {
		e := newExperiments(t, now)
		collect(t, e.runHistory, storage.CollectOptions{Before: now, Now: now, Retention: c.keep})
		if reports, _ := e.left(t); reports != c.reports {
			t.Errorf("%s: reports of%s remain, want%s", c.name, reports, c.reports)
		}
	}
}

// Checkpoints of a recorded training are deleted, but not what another attempt writes meanwhile,
// which garbage collection finds.
func TestRemoveCheckpoints(t *testing.T) {
	t.Parallel()
	b, root := storagetest.OpenFolder(t)
	const work = "00000000000000000000000000000000000000000000000000000000000000aa"
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "weights"), []byte("w"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := storage.OpenCheckpoints(t.Context(), b, work, "first", 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []int{10, 20} {
		if err := c.Save(t.Context(), step, dir); err != nil {
			t.Fatal(err)
		}
	}
	zombie := filepath.Join(root, "checkpoints", work, "000001-first", "000000030", "weights")
	if err := os.MkdirAll(filepath.Dir(zombie), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(zombie, []byte("w"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := b.RemoveCheckpoints(t.Context(), work); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(root, "checkpoints/*/*/*/*")); err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v, want the file of the writer", left, err)
	}
	done := storage.StageRecord{Stage: "pretrain", Fingerprint: work}
	if done.Output, err = b.PutArtifact(t.Context(), storage.Artifact{Kind: "model"}); err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(t.Context(), done); err != nil {
		t.Fatal(err)
	}
	found, err := b.Collect(t.Context(), storage.CollectOptions{Before: time.Now().Add(time.Hour)})
	if err != nil || found.Checkpoints.Objects != 2 {
		t.Errorf("%+v, %v, want the attempt's record and the writer's file", found.Checkpoints, err)
	}
}
