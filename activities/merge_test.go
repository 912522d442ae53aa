package activities_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.temporal.io/sdk/temporal"

	"rdrec/activities"
	"rdrec/internal/metric"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/registry"
	"rdrec/storage"
)

// TestMergedPredictionsAreInOrder shuffles places over parts; answers of one place keep the order
// of the parts.
func TestMergedPredictionsAreInOrder(t *testing.T) {
	s := newInboxEnv(t)
	for tk, lines := range map[task.Task][3]string{
		task.Sequential: {
			`{"index":2,"user":3,"truth":0,"items":[1]}` + "\n" + `{"user":1,"truth":0,"items":null}` + "\n",
			`{"index":1,"user":2,"truth":0,"items":null}` + "\n" + `{"index":2,"user":4,"truth":0,"items":null}` + "\n",
			`{"user":1,"truth":0,"items":null}` + "\n" + `{"user":2,"truth":0,"items":null}` + "\n" +
				`{"user":3,"truth":0,"items":[1]}` + "\n" + `{"user":4,"truth":0,"items":null}` + "\n",
		},
		task.Explanation: {
			`{"index":10,"user":2,"item":5,"reference":"<r>","generated":"g"}` + "\n",
			`{"index":9,"user":1,"item":6,"reference":"r","generated":"g"}` + "\n",
			`{"user":1,"item":6,"reference":"r","generated":"g"}` + "\n" +
				`{"user":2,"item":5,"reference":"<r>","generated":"g"}` + "\n",
		},
	} {
		file := tk.String() + ".jsonl"
		in := activities.MergePredictionsInput{
			Task:   tk,
			Shards: []storage.Ref{s.putArtifact(file, lines[0]), s.putArtifact(file, lines[1])},
		}
		ref, err := run[storage.Ref](s, s.MergePredictions, in)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Bucket.ReadArtifactFile(t.Context(), ref, file)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, file, lines[2], string(got))
		in.Shards = append(in.Shards, s.putArtifact(file, "{}\n{no JSON\n"))
		var failed *temporal.ApplicationError
		if _, err := run[storage.Ref](s, s.MergePredictions, in); !errors.As(err, &failed) ||
			!strings.Contains(failed.Message(), "line 2") {
			t.Errorf("%s: %v, want the line named", file, err)
		}
	}
}

// model returns a model and its id.
func (s *inboxEnv) model() (model registry.Model, id string) {
	s.t.Helper()
	model = registry.Model{
		Method: "rdrec", Preprocessed: s.putArtifact("e", "e"), Student: s.putArtifact("m", "m"), Spec: spec.Default(),
	}
	id, err := model.ID()
	s.must(err)
	return model, id
}

// TestATableIsPublishedForItsModel publishes twice.
func TestATableIsPublishedForItsModel(t *testing.T) {
	s := newInboxEnv(t)
	model, id := s.model()
	in := activities.PublishExportInput{
		ExportInput: activities.ExportInput{Model: model, Top: 7, Explain: true},
		Table:       s.putArtifact("t", "t"),
	}
	for range 2 {
		if _, err := run[any](s, s.PublishExport, in); err != nil {
			t.Fatal(err)
		}
		got, ok, err := s.Bucket.Table(t.Context(), id)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		equal(t, "table", storage.Table{Artifact: in.Table, Top: 7, Explained: true}, got)
	}
}

// TestExportsMerge puts parts one after the other, with a summary beside them.
func TestExportsMerge(t *testing.T) {
	s := newInboxEnv(t)
	model, id := s.model()
	// The lists of two users are x, y, and that of the third is y.
	first := `{"user":"u","item":"x","score":1}` + "\n" + `{"user":"u","item":"y"}` + "\n" +
		`{"user":"v","item":"x"}` + "\n"
	second := `{"user":"v","item":"y"}` + "\n" + `{"user":"w","item":"y"}` + "\n"
	parts := []storage.Ref{
		s.putArtifact("recommendations.jsonl", first), s.putArtifact("recommendations.jsonl", second),
	}
	in := activities.MergeExportInput{
		ExportInput: activities.ExportInput{Model: model, Top: 7, Explain: true}, Shards: parts, Users: 3, Items: 4,
	}
	var refs []storage.Ref
	for range 2 {
		ref, err := run[storage.Ref](s, s.MergeExport, in)
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, ref)
	}
	equal(t, "retried", refs[0], refs[1])
	table, err := s.Bucket.ReadArtifactFile(t.Context(), refs[0], "recommendations.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "table", first+second, string(table))
	data, err := s.Bucket.ReadArtifactFile(t.Context(), refs[0], "export.json")
	if err != nil {
		t.Fatal(err)
	}
	var summary activities.ExportSummary
	if err := json.Unmarshal(data, &summary); err != nil {
		t.Fatal(err)
	}
	equal(
		t,
		"summary",
		activities.ExportSummary{
			Model: id, Method: "rdrec", Users: 3, Top: 7, Explain: true, Lists: metric.ListDiversity{
				Users: 3, Positions: 5, Items: 4, Recommended: 2, Coverage: 0.5, DistinctFirst: 2, FirstShare: 2.0 / 3,
				DistinctLists: 2, ListShare: 2.0 / 3,
			},
		},
		summary,
	)
}

// TestHowManyItemsAreExported has the bounds of top, and methods that explain and don't.
func TestHowManyItemsAreExported(t *testing.T) {
	s := newInboxEnv(t)
	data := spec.Data{Folder: "../testdata/rdrec/beauty_mini", Indexing: spec.AsIs}
	examples, err := run[storage.Ref](s, s.Import, activities.ImportInput{Data: data})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		method  string
		top     int
		explain bool
		refused bool
	}{
		{"rdrec", 0, false, true},
		{"rdrec", 1, false, false},
		{"rdrec", 100, true, false},
		{"rdrec", 101, false, true},
		{"nosuch", 1, false, true},
	} {
		in := activities.ExportInput{
			Model:   registry.Model{Method: c.method, Preprocessed: examples},
			Top:     c.top,
			Explain: c.explain,
		}
		plan, err := run[activities.ExportPlan](s, s.PlanExport, in)
		if c.refused {
			s.isInvalid(fmt.Sprintf("%+v", c), err)
		} else if err != nil || plan.Users == 0 {
			t.Errorf("%+v: %+v, %v", c, plan, err)
		}
	}
}
