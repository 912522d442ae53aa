package storage_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/storage"
)

// parts are the keys of a teacher's parts inside its folder, sorted, with the content of each.
func parts(t *testing.T, root string) (keys []string, texts []string) {
	t.Helper()
	found := contents(t, filepath.Join(root, "rationales/teacher"))
	for key := range found {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		texts = append(texts, found[key])
	}
	return keys, texts
}

// TestPartsAreNamedByShardAndContent appends rows inside of a shard and outside of any, and none.
func TestPartsAreNamedByShardAndContent(t *testing.T) {
	b, s := syncedBucket(t, "")
	all := storage.OpenRationales[int](b, "teacher")
	for _, rows := range []storage.Rationales[int]{all, all.Shard(strings.Repeat("f", 20))} {
		for _, part := range [][]int{{1}, {2, 3}, nil, {1}} {
			if err := rows.Append(t.Context(), part); err != nil {
				t.Fatal(err)
			}
		}
	}
	keys, texts := parts(t, s.root)
	one, two := storage.Digest([]byte("1\n"))+".jsonl", storage.Digest([]byte("2\n3\n"))+".jsonl"
	want := []string{one, two, "ffffffffffffffff-" + one, "ffffffffffffffff-" + two}
	slices.Sort(want)
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Errorf("%s of %q", diff, texts)
	}
}

// TestCompactMergesParts leaves one part as it is.
func TestCompactMergesParts(t *testing.T) {
	for _, c := range []struct {
		name   string
		append [][]int
		want   []string
	}{
		{"one, which stays", [][]int{{1, 2}}, []string{"1\n2\n"}},
		{"two", [][]int{{1}, {2}}, []string{"7\n8\n9\n"}},
		{"two, of which one is the merged one already", [][]int{{7, 8, 9}, {7}}, []string{"7\n8\n9\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, s := syncedBucket(t, "")
			rows := storage.OpenRationales[int](b, "teacher").Shard(strings.Repeat("e", 64))
			for _, part := range c.append {
				if err := rows.Append(t.Context(), part); err != nil {
					t.Fatal(err)
				}
			}
			if err := rows.Compact(t.Context(), []int{7, 8, 9}); err != nil {
				t.Fatal(err)
			}
			_, texts := parts(t, s.root)
			if diff := cmp.Diff(c.want, texts); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestTruncatedPartIsQuarantined spoils one part of two.
func TestTruncatedPartIsQuarantined(t *testing.T) {
	b, s := syncedBucket(t, "")
	rows := storage.OpenRationales[int](b, "teacher")
	for _, part := range [][]int{{1}, {2}} {
		if err := rows.Append(t.Context(), part); err != nil {
			t.Fatal(err)
		}
	}
	torn := "rationales/teacher/" + storage.Digest([]byte("1\n")) + ".jsonl"
	corruptObject(t, s.root, torn)
	got, err := rows.Load(t.Context())
	if err != nil || !slices.Equal(got, []int{2}) {
		t.Errorf("loaded %v, %v; want the other part's row", got, err)
	}
	if intact := contents(t, filepath.Join(s.root, "quarantine"))[torn]; intact != "spoilt" {
		t.Errorf("quarantined %q", intact)
	}
	if err := rows.Append(t.Context(), []int{1}); err != nil {
		t.Fatal(err)
	}
	if got, err = rows.Load(t.Context()); err != nil || len(got) != 2 {
		t.Errorf("asked again: %v, %v", got, err)
	}
}

// TestLoadReturnsRowsInPartOrder sorts the parts by their names.
func TestLoadReturnsRowsInPartOrder(t *testing.T) {
	b := open(t, "mem://")
	rows := storage.OpenRationales[int](b, "teacher")
	type part struct {
		key string
		row int
	}
	var want []part
	for row := range 20 {
		if err := rows.Append(t.Context(), []int{row}); err != nil {
			t.Fatal(err)
		}
		want = append(want, part{storage.Digest(fmt.Appendln(nil, row)), row})
	}
	slices.SortFunc(want, func(x, y part) int { return strings.Compare(x.key, y.key) })
	got, err := rows.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range want {
		if got[i] != p.row {
			t.Fatalf("row %d is %d, want %d: %v", i, got[i], p.row, got)
		}
	}
}
