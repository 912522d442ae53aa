package storage_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"rdrec/storage"
)

func TestLatestRunIsTheNewestOfTheNamed(t *testing.T) {
	dir := t.TempDir()
	b, err := storage.Open(t.Context(), "file://"+dir)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	now := time.Now()
	for i, at := range []struct{ workflow, run, file string }{
		{"exp", "r1", storage.RunRecord},
		{"exp", "r3", storage.RunRecord},
		{"exp", "r2", storage.RunRecord},
		{"exp", "r4", "report.json"},
		{"exp/rdrec-1", "r9", storage.RunRecord},
		{"export", "r5", storage.RunRecord},
	} {
		if err := b.PutRun(t.Context(), at.workflow, at.run, at.file, []byte("{}")); err != nil {
			t.Fatal(err)
		}
		then := now.Add(time.Duration(i) * time.Minute)
		if err := os.Chtimes(filepath.Join(dir, storage.RunKey(at.workflow, at.run, at.file)), then, then); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{"exp": "r2", "exp/r1": "r1", "export": "r5"} {
		workflow, run, err := b.LatestRun(t.Context(), name)
		if err != nil || run != want || (workflow != "exp" && workflow != "export") {
			t.Errorf("%s: %q, %q, %v; want %q", name, workflow, run, err, want)
		}
	}
	for _, name := range []string{"", "ex", "exp/", "exp/r4", "exp/r9", "../runs/exp", "exp//r1"} {
		if workflow, run, err := b.LatestRun(t.Context(), name); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("%q is found: %q, %q, %v", name, workflow, run, err)
		}
	}
}

// TestOfRunsOfOneTimeTheFirstIsTheLatest has two runs whose records were written in the same
// moment.
func TestOfRunsOfOneTimeTheFirstIsTheLatest(t *testing.T) {
	dir := t.TempDir()
	b := open(t, "file://"+dir)
	then := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, run := range []string{"r2", "r1"} {
		if err := b.PutRun(t.Context(), "exp", run, storage.RunRecord, []byte("{}")); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(filepath.Join(dir, storage.RunKey("exp", run, storage.RunRecord)), then,
			then); err != nil {
			t.Fatal(err)
		}
	}
	if _, run, err := b.LatestRun(t.Context(), "exp"); err != nil || run != "r1" {
		t.Errorf("%q, %v; want the first by its name", run, err)
	}
}

func TestATableIsFoundWhileItIsWhole(t *testing.T) {
	b, err := storage.Open(t.Context(), "mem://")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, ok, err := b.Table(t.Context(), "m"); ok || err != nil {
		t.Errorf("a model without a table: %v, %v", ok, err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x.jsonl"), []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	artefact, err := b.PutFolder(t.Context(), "export", dir)
	if err != nil {
		t.Fatal(err)
	}
	want := storage.Table{Artefact: artefact, Top: 3, Explained: true}
	if err := b.PutTable(t.Context(), "m", want); err != nil {
		t.Fatal(err)
	}
	if got, ok, err := b.Table(t.Context(), "m"); !ok || err != nil || got != want {
		t.Errorf("%+v, %v, %v", got, ok, err)
	}
	want.Artefact.Digest = storage.Digest([]byte("gone"))
	if err := b.PutTable(t.Context(), "m", want); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := b.Table(t.Context(), "m"); ok || err != nil {
		t.Errorf("a lost table: %v, %v", ok, err)
	}
}

func TestDeliverIsWholeOrNotAtAll(t *testing.T) {
	source := t.TempDir()
	b, err := storage.Open(t.Context(), "file://"+source)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	ref, err := b.Put(t.Context(), []byte("rows"))
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for _, place := range []string{folder, "file://" + folder} {
		to, err := b.Deliver(t.Context(), ref, place, "table.csv")
		if err != nil || to != filepath.Join(folder, "table.csv") {
			t.Errorf("%s: %q, %v", place, to, err)
		}
		if data, err := os.ReadFile(to); err != nil || string(data) != "rows" {
			t.Errorf("%s: %q, %v", place, data, err)
		}
	}
	inside := filepath.Join(t.TempDir(), "inside")
	to, err := b.Deliver(t.Context(), ref, "file://"+inside, "table.csv")
	if err != nil || to != filepath.Join(inside, "table.csv") {
		t.Errorf("%q, %v", to, err)
	}
	if data, err := os.ReadFile(to); err != nil || string(data) != "rows" {
		t.Errorf("into a folder of its own: %q, %v", data, err)
	}
	writeFile(t, filepath.Join(inside, "blocked", "file"))
	for _, place := range []string{inside, "file://" + inside} {
		if _, err := b.Deliver(t.Context(), ref, place, "blocked"); err == nil {
			t.Errorf("%s: a file takes the place of a folder", place)
		}
	}
	if left := contents(t, inside); len(left) != 2 {
		t.Errorf("left: %v", left)
	}
	// Content that is damaged leaves what was there before.
	if err := os.WriteFile(filepath.Join(source, storage.ContentKey(ref)), []byte("rown"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, place := range []string{folder, "file://" + folder} {
		var corrupt *storage.CorruptError
		if _, err := b.Deliver(t.Context(), ref, place, "table.csv"); !errors.As(err, &corrupt) {
			t.Errorf("%s: %v", place, err)
		}
	}
	found, err := os.ReadDir(folder)
	if err != nil || len(found) != 1 {
		t.Errorf("left: %v, %v", found, err)
	}
	if data, err := os.ReadFile(filepath.Join(folder, "table.csv")); err != nil || string(data) != "rows" {
		t.Errorf("%q, %v", data, err)
	}
}
