package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/review"
)

func TestImportsTakeAQuarterOfTheMemory(t *testing.T) {
	for _, c := range []struct {
		flags importResources
		free  int64
		want  int
	}{
		{importResources{}, 64 << 30, 16 << 10},
		{importResources{}, 2 << 30, 1024},
		{importResources{}, 0, 1024}, // unknown
		{importResources{ImportMemory: 300}, 64 << 30, 300},
	} {
		if got := c.flags.importer(c.free).MemoryMB; got != c.want {
			t.Errorf("%+v with %d bytes: %d MB, want %d", c.flags, c.free, got, c.want)
		}
	}
	got := importResources{ImportMemory: 8, ImportThreads: 3}.importer(1).Resources
	if diff := cmp.Diff(review.Resources{MemoryMB: 8, Threads: 3}, got); diff != "" {
		t.Error(diff)
	}
	if got := (importResources{}).importer(1); got.Threads < 1 {
		t.Errorf("%d threads", got.Threads)
	}
	if (importResources{ImportThreads: -1}).Validate() == nil || (importResources{ImportMemory: -1}).Validate() == nil {
		t.Error("a negative number was accepted")
	}
}
