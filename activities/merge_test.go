package activities_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.temporal.io/sdk/temporal"

	"rdrec/activities"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/storage"
)

// TestMergedAnswersAreInTheirPlaces shuffles places over parts; answers of one place keep the order
// of the parts.
func TestMergedAnswersAreInTheirPlaces(t *testing.T) {
	s := newShop(t)
	for kind, lines := range map[task.Kind][3]string{
		task.KindSequential: {
			`{"place":2,"user":3,"truth":0,"items":[1]}` + "\n" + `{"user":1,"truth":0,"items":null}` + "\n",
			`{"place":1,"user":2,"truth":0,"items":null}` + "\n" + `{"place":2,"user":4,"truth":0,"items":null}` + "\n",
			`{"user":1,"truth":0,"items":null}` + "\n" + `{"user":2,"truth":0,"items":null}` + "\n" +
				`{"user":3,"truth":0,"items":[1]}` + "\n" + `{"user":4,"truth":0,"items":null}` + "\n",
		},
		task.KindExplanation: {
			`{"place":10,"user":2,"item":5,"reference":"<r>","generated":"g"}` + "\n",
			`{"place":9,"user":1,"item":6,"reference":"r","generated":"g"}` + "\n",
			`{"user":1,"item":6,"reference":"r","generated":"g"}` + "\n" +
				`{"user":2,"item":5,"reference":"<r>","generated":"g"}` + "\n",
		},
	} {
		file := kind.String() + ".jsonl"
		in := activities.MergeInput{
			Kind:  kind,
			Parts: []storage.Ref{s.artefact(file, lines[0]), s.artefact(file, lines[1])},
		}
		ref, err := run[storage.Ref](s, s.MergeAnswers, in)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Bucket.GetNamed(t.Context(), ref, file)
		if err != nil {
			t.Fatal(err)
		}
		same(t, file, lines[2], string(got))
		in.Parts = append(in.Parts, s.artefact(file, "{}\n{no JSON\n"))
		var failed *temporal.ApplicationError
		if _, err := run[storage.Ref](s, s.MergeAnswers, in); !errors.As(err, &failed) ||
			!strings.Contains(failed.Message(), "line 2") {
			t.Errorf("%s: %v, want the line named", file, err)
		}
	}
}

// TestATableIsPublishedForItsModel publishes twice.
func TestATableIsPublishedForItsModel(t *testing.T) {
	s := newShop(t)
	model := activities.Model{
		Method:   "rdrec",
		Examples: s.artefact("e", "e"),
		Student:  s.artefact("m", "m"),
		Spec:     spec.Default(),
	}
	id, err := model.ID()
	if err != nil {
		t.Fatal(err)
	}
	in := activities.ExportPublishInput{
		ExportInput: activities.ExportInput{Model: model, Top: 7, Explain: true},
		Table:       s.artefact("t", "t"),
	}
	for range 2 {
		if _, err := run[any](s, s.ExportPublish, in); err != nil {
			t.Fatal(err)
		}
		got, ok, err := s.Bucket.Table(t.Context(), id)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		same(t, "table", storage.Table{Artefact: in.Table, Top: 7, Explained: true}, got)
	}
}

// TestExportsMerge puts parts one after the other, with a summary beside them.
func TestExportsMerge(t *testing.T) {
	s := newShop(t)
	model := activities.Model{
		Method:   "rdrec",
		Examples: s.artefact("e", "e"),
		Student:  s.artefact("m", "m"),
		Spec:     spec.Default(),
	}
	id, err := model.ID()
	if err != nil {
		t.Fatal(err)
	}
	parts := []storage.Ref{
		s.artefact("recommendations.jsonl", "long line of the first\n"),
		s.artefact("recommendations.jsonl", "b\nc\n"),
	}
	in := activities.ExportMergeInput{
		ExportInput: activities.ExportInput{Model: model, Top: 7, Explain: true}, Parts: parts, Users: 3,
	}
	var refs []storage.Ref
	for range 2 {
		ref, err := run[storage.Ref](s, s.ExportMerge, in)
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, ref)
	}
	same(t, "retried", refs[0], refs[1])
	table, err := s.Bucket.GetNamed(t.Context(), refs[0], "recommendations.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "table", "long line of the first\nb\nc\n", string(table))
	data, err := s.Bucket.GetNamed(t.Context(), refs[0], "export.json")
	if err != nil {
		t.Fatal(err)
	}
	var summary map[string]any
	if err := json.Unmarshal(data, &summary); err != nil {
		t.Fatal(err)
	}
	same(
		t,
		"summary",
		map[string]any{"model": id, "method": "rdrec", "users": 3.0, "top": 7.0, "explain": true},
		summary,
	)
}

// TestHowManyItemsAreExported has the bounds of top, and methods that explain and don't.
func TestHowManyItemsAreExported(t *testing.T) {
	s := newShop(t)
	data := spec.Data{Folder: "../testdata/rdrec/beauty_mini", Numbering: spec.AsIs}
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
			Model:   activities.Model{Method: c.method, Examples: examples},
			Top:     c.top,
			Explain: c.explain,
		}
		plan, err := run[activities.ExportPlan](s, s.ExportPlan, in)
		if c.refused {
			s.isInvalid(fmt.Sprintf("%+v", c), err)
		} else if err != nil || plan.Users == 0 {
			t.Errorf("%+v: %+v, %v", c, plan, err)
		}
	}
}
