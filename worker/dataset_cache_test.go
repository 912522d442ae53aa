package main

import (
	"runtime"
	"testing"
)

// A dataset is read once while a job has it, and freed after its last job.
func TestDatasetCacheFreesUnusedData(t *testing.T) {
	const folder = "../testdata/rdrec/beauty_mini"
	var cache datasetCache
	first, err := cache.read("one", folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		digest string
		shared bool
	}{{"one", true}, {"", false}, {"two", false}} {
		again, err := cache.read(c.digest, folder)
		if err != nil || (again == first) != c.shared {
			t.Errorf("digest %q: shared %t, error %v", c.digest, again == first, err)
		}
		runtime.KeepAlive(again)
	}
	runtime.KeepAlive(first)
	runtime.GC()
	if cache.last.Value() != nil {
		t.Error("the dataset is in memory without a job")
	}
}
