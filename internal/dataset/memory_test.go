package dataset_test

import (
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"rdrec/internal/dataset"
)

// synthetic writes a dataset of users with ten items each, all with an explanation and five
// negatives.
func synthetic(t *testing.T, users int) string {
	t.Helper()
	const items, length = 10_000, 10
	ids := func(prefix string, n int) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			for i := range n {
				if !yield(prefix+strconv.Itoa(i), nil) {
					return
				}
			}
		}
	}
	sequences := func(yield func(dataset.User, error) bool) {
		for user := range users {
			u := dataset.User{ID: user + 1}
			for i := range length {
				u.Items, u.Times = append(u.Items, (user*37+i*i)%(items-10)+1), append(u.Times, int64(1_600_000_000+i))
			}
			if !yield(u, nil) {
				return
			}
		}
	}
	explained := func(yield func(dataset.Explanation, error) bool) {
		for user := range users {
			for i := range length {
				if !yield(dataset.Explanation{
					User: user + 1, Item: (user*37+i*i)%items + 1, Feature: "scent", Rating: "5",
					Explanation: "I bought number " + strconv.Itoa(user) + " for its scent, which is lovely.",
				}, nil) {
					return
				}
			}
		}
	}
	none := func(func(dataset.Explanation, error) bool) {}
	dir := filepath.Join(t.TempDir(), "synthetic")
	err := dataset.Stream(dir, dataset.Source{
		UserIDs: ids("U", users), ItemIDs: ids("I", items), Users: sequences, Times: sequences,
		Negatives: func(yield func(dataset.User, error) bool) {
			for user := range users {
				if !yield(dataset.User{ID: user + 1, Items: []int{9996, 9997, 9998, 9999, 10_000}}, nil) {
					return
				}
			}
		},
		Train: explained, Val: none, Test: none,
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestMemoryOfADataset bounds the bytes that each part of a dataset takes. docs/scale.md has them.
func TestMemoryOfADataset(t *testing.T) {
	const users, items = 20_000, 10_000
	dir := synthetic(t, users)
	empty := 0.0
	for _, c := range []struct {
		name  string
		parts dataset.Part
		per   float64 // of what
		limit float64 // bytes of each
	}{
		{"sequences", 0, 10 * users, 24},
		{"times", dataset.Times, 10 * users, 12},
		{"negatives", dataset.Negatives, 5 * users, 24},
		{"explanations", dataset.Explanations, 10 * users, 260},
	} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		data, err := dataset.ReadParts(os.DirFS(dir), "synthetic", c.parts)
		if err != nil {
			t.Fatal(err)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(data)
		took := float64(after.HeapAlloc) - float64(before.HeapAlloc)
		if c.parts == 0 {
			empty = took
		} else {
			took -= empty
		}
		t.Logf("%s: %.1f bytes each", c.name, took/c.per)
		if took/c.per > c.limit {
			t.Errorf("%s take %.1f bytes each, more than %g", c.name, took/c.per, c.limit)
		}
	}
}

// TestStreamedExplanationsTakeNoMemory streams 20 times what the buffer may hold.
func TestStreamedExplanationsTakeNoMemory(t *testing.T) {
	const users = 20_000
	dir := synthetic(t, users)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	stream := dataset.StreamExplanations(os.DirFS(dir))
	defer stream.Close()
	count := 0
	for _, err := range stream.Train() {
		if err != nil {
			t.Fatal(err)
		}
		count++
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); count != 10*users || grown > 2<<20 {
		t.Errorf("%d explanations left %d bytes in memory", count, grown)
	}
}
