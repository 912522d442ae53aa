package activities_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"rdrec/activities"
	"rdrec/internal/spec"
	"rdrec/registry"
	"rdrec/storage"
)

// jobs is an importer that keeps its jobs.
type jobs struct {
	toolbox
	seen   []string
	broken error
}

func (j *jobs) Import(ctx context.Context, job activities.ImportJob) error {
	parts := job.Reviews.Path
	if i := strings.Index(parts, "/reviews/parts/"); i >= 0 {
		parts = parts[i:]
	}
	j.seen = append(j.seen, fmt.Sprintf("%s appearance %t seed %d", parts, job.Appearance, job.Seed))
	return errors.Join(j.broken, j.toolbox.Import(ctx, job))
}

// TestReviewsAreIndexedByTheImportOrAfterIt has an indexing of each kind.
func TestReviewsAreIndexedByTheImportOrAfterIt(t *testing.T) {
	s := newStages(t)
	const byAppearance, atRandom = "reviews.json appearance true seed 7", "reviews.json appearance false seed 7"
	for indexing, want := range map[string][2]string{
		spec.Random:     {atRandom, "{\n \"indexing\": \"random\",\n \"seed\": 7\n}\n"},
		spec.Appearance: {byAppearance, "{\n \"indexing\": \"appearance\",\n \"seed\": 7\n}\n"},
		spec.AsIs:       {atRandom, "{\n \"indexing\": \"as-is\"\n}\n"},
		spec.Sequential: {atRandom, `"indexing": "sequential"`},
	} {
		importer := &jobs{toolbox: toolbox{&answering{}}}
		s.Importer = importer
		data := spec.Data{Reviews: &spec.Reviews{Path: "reviews.json"}, Indexing: indexing}
		in := activities.ImportInput{Data: data, Seed: 7}
		ref := must[storage.Ref](s, s.Import, in)
		equal(t, indexing, []string{want[0]}, importer.seen)
		record, err := s.Bucket.ReadArtifactFile(t.Context(), ref, "indexing.json")
		s.must(err)
		if !strings.Contains(string(record), want[1]) {
			t.Errorf("%s: %s", indexing, record)
		}
		importer.broken = errors.New("out of order")
		if _, err := run[any](s, s.Import, in); err == nil || !strings.Contains(err.Error(), "out of order") {
			t.Errorf("%s: %v", indexing, err)
		}
	}
}

// TestAccumulatedReviewsAreImportedFromTheirParts has the reviews of the bucket, not the spec's.
func TestAccumulatedReviewsAreImportedFromTheirParts(t *testing.T) {
	s := newStages(t)
	importer := &jobs{toolbox: toolbox{&answering{}}}
	s.Importer = importer
	s.putFile("a", "one")
	reviews := &spec.Reviews{Path: "reviews.json"}
	data := spec.Data{Reviews: reviews, Indexing: spec.Random}
	data.Accumulated = &spec.Accumulated{Reviews: s.ingest(nil).Reviews}
	first := must[storage.Ref](s, s.Import, activities.ImportInput{Data: data, Seed: 7})
	data.Accumulated.PreviousDataset = first
	must[storage.Ref](s, s.Import, activities.ImportInput{Data: data, Seed: 7})
	want := "/reviews/parts/* appearance false seed 7"
	equal(t, "jobs", []string{want, want}, importer.seen)
}

// TestARefusedExportIsInvalid has users outside the dataset, named from 1, and another method.
func TestARefusedExportIsInvalid(t *testing.T) {
	s := newStages(t)
	in := s.record()
	export := activities.ExportInput{Top: 2, Model: registry.Model{
		Method: "rdrec", Preprocessed: in.Preprocessed, Student: in.Trials[0].Model,
	}}
	_, err := run[any](s, s.ExportShard, activities.ExportShardInput{ExportInput: export, From: 2, To: 4})
	s.isInvalid("users 3 to 4", err)
	if err == nil || !strings.Contains(err.Error(), "users 3 to 4 of 3") {
		t.Error(err)
	}
	export.Model.Method = "nosuch"
	_, err = s.recommend(export, "ann")
	s.isInvalid("another method", err)
}
