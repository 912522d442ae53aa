package storage_test

import (
	"errors"
	"os"
	"path"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rdrec/storage"
	"rdrec/storage/storagetest"
)

// TestLogsOfARun finds the logs of a run, of the run that logged last, and of children, in order.
func TestLogsOfARun(t *testing.T) {
	b, root := storagetest.OpenFolder(t)
	written := time.Unix(1_800_000_000, 0)
	for i, log := range [][3]string{
		{"shop", "r1", "b"}, {"shop", "r1", "a"}, {"shop", "r2", "c"}, {"shop/rdrec-1", "r3", "d"},
	} {
		if err := b.PutLog(t.Context(), log[0], log[1], log[2], []byte("{}\n")); err != nil {
			t.Fatal(err)
		}
		found, err := b.Logs(t.Context(), log[0]+"/"+log[1])
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range found {
			at := written.Add(time.Duration(i) * time.Minute)
			if err := os.Chtimes(filepath.Join(root, file.Key), at, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, want := range map[string][]string{
		"shop/r1": {"a.jsonl", "b.jsonl"}, "shop/r2": {"c.jsonl"}, "shop/rdrec-1/r3": {"d.jsonl"},
	} {
		found, err := b.Logs(t.Context(), name)
		var names []string
		for _, file := range found {
			names = append(names, path.Base(file.Key))
		}
		if diff := cmp.Diff(want, names); diff != "" || err != nil {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
	for _, name := range []string{"", "../shop", "none"} {
		if found, err := b.Logs(t.Context(), name); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("%q: %+v, %v", name, found, err)
		}
	}
}

// TestSumOfRequests adds requests of each kind.
func TestSumOfRequests(t *testing.T) {
	all := storage.Requests{Reads: 1, Heads: 20, Writes: 300, Lists: 4000, Deletes: 50000}
	if got := all.Sum(); got != 54321 {
		t.Errorf("%d requests", got)
	}
	if got := all.Sub(storage.Requests{Reads: 1, Writes: 300}).Sum(); got != 54020 {
		t.Errorf("%d requests since", got)
	}
}
