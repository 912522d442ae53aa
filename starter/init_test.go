package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
	"rdrec/internal/spec"
)

// TestInitialSpecKeepsOverrides writes the spec of init with settings of --set, of every shape.
func TestInitialSpecKeepsOverrides(t *testing.T) {
	t.Parallel()
	set := []string{
		"data.reviews.columns.user=who", "data.negatives=3", "methods=pod,p5", "student.size=t5-tiny",
		"train.epochs=2", "teacher={model: copy}", "evaluate.shards=2",
	}
	const from = "name: shop\nmethods: [pod]\ndata: {negatives: 1, reviews: {path: a.csv, user_core: 3}}\n"
	s, err := spec.Parse("from", []byte(from), set)
	if err != nil {
		t.Fatal(err)
	}
	text, err := initialSpec(s, dataset.ImportSummary{Items: 8, Sources: []string{"a.csv: table"}}, set)
	if err != nil {
		t.Fatal(err)
	}
	contains(t, text, "# read a.csv: table\n", "# unseen items", "# docs/formats.md has the settings")
	if strings.Contains(text, "patience") || strings.Contains(text, "a first look") {
		t.Errorf("settings that nobody set:\n%s", text)
	}
	got, err := spec.Parse("shop.yaml", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	type settings struct {
		Negatives, Epochs, Shards int
		Methods, Words            []string
	}
	want := settings{3, 2, 2, []string{"pod", "p5"}, []string{"t5-tiny", "copy", "who"}}
	if diff := cmp.Diff(want, settings{
		got.Data.Negatives, got.Train.Epochs, got.Evaluate.Shards, got.Methods,
		[]string{got.Student.Size, got.Teacher.Model, got.Data.Reviews.Columns["user"]},
	}); diff != "" {
		t.Errorf("(-want +got):\n%s\n%s", diff, text)
	}
}

// TestInitialSpecWarnsOfTheDefaultStudent looks for the comment on a student that nobody chose.
func TestInitialSpecWarnsOfTheDefaultStudent(t *testing.T) {
	t.Parallel()
	const from = "name: shop\nmethods: [pod]\ndata: {negatives: 1, reviews: {path: a.csv, user_core: 3}}\n"
	s, err := spec.Parse("from", []byte(from), nil)
	if err != nil {
		t.Fatal(err)
	}
	sum := dataset.ImportSummary{Rows: 9, Bad: 2, Users: 3, Items: 8, Interactions: 7, Explanations: 5}
	text, err := initialSpec(s, sum, nil)
	if err != nil {
		t.Fatal(err)
	}
	contains(t, text, "# 9 rows, 2 of them bad: 3 users, 8 items, 7 interactions, 5 explanations\nname: shop\n",
		"# trains for hours on a CPU; for a first look: student: {size: t5-tiny} and train: {epochs: 3}\nstudent:")
	look := []string{"student={size: t5-tiny}", "train={epochs: 3}"}
	if _, err := spec.Parse("shop.yaml", []byte(text), look); err != nil {
		t.Error(err)
	}
}
