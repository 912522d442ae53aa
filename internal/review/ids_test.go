package review_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/indexing"
	"rdrec/internal/review"
	"rdrec/internal/spec"
)

func TestAppearanceMatchesTheReference(t *testing.T) {
	dir := t.TempDir()
	importer := review.Importer{Options: options(beauty), Appearance: true, Seed: 1, Dir: dir}
	if _, err := importer.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	highest := 0
	for i, u := range read(t, dir).Users {
		if u.ID != i+1 {
			t.Fatalf("user id %d at index %d", u.ID, i)
		}
		for _, item := range u.Items {
			if item > highest+1 {
				t.Fatalf("item %d comes before item %d", item, highest+1)
			}
			highest = max(highest, item)
		}
	}
}

// TestRandomMatchesPackageIndexing: DuckDB's random order is the one from which package indexing
// starts.
func TestRandomMatchesPackageIndexing(t *testing.T) {
	dir, _ := importInto(t, options(beauty))
	want := read(t, dir)
	got := read(t, dir)
	if _, err := indexing.Apply(got, spec.Random, nil, 1); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("indexed again (-import +indexing):\n%s", diff)
	}
}
