package main

import (
	"runtime"
	"testing"

	"rdrec/internal/dataset"
)

// A dataset is read once while a job has it, unless a job needs more parts of it, and freed after
// its last job.
func TestDatasetCacheFreesUnusedData(t *testing.T) {
	const folder = "../testdata/rdrec/beauty_mini"
	var cache datasetCache
	first, err := cache.read("one", folder, dataset.Explanations)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		digest string
		parts  dataset.Part
		shared bool
	}{
		{"one", dataset.Explanations, true},
		{"one", 0, true},
		{"one", dataset.Explanations | dataset.Titles, false},
		{"", 0, false},
		{"two", 0, false},
	} {
		again, err := cache.read(c.digest, folder, c.parts)
		if err != nil || (again == first) != c.shared {
			t.Errorf("digest %q, parts %b: shared %t, error %v", c.digest, c.parts, again == first, err)
		}
		runtime.KeepAlive(again)
	}
	runtime.KeepAlive(first)
	runtime.GC()
	if cache.last.Value() != nil {
		t.Error("the dataset is in memory without a job")
	}
}
