package report_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
	"rdrec/internal/prediction"
	"rdrec/internal/report"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/internal/teacher"
)

// shopRun is a run on four users, whose last items are 4, 4, 5 and 6.
func shopRun() report.Run {
	d := &dataset.Dataset{
		Name: "shop", Items: 6, Titles: []string{"soap", "comb", "", "brush", "", ""}, UserIDs: []string{"ada"},
		ItemIDs: []string{"a", "b", "c", "d", "e", "f"}, Negatives: map[int][]int{},
	}
	for i, items := range [][]int{{1, 2, 4}, {2, 1, 4}, {1, 3, 5}, {3, 2, 6}} {
		d.Users = append(d.Users, dataset.User{ID: i + 1, Items: items})
		d.Negatives[i+1] = []int{7, 8}
	}
	s := spec.Default()
	s.Name, s.Trials, s.Protocol = "shop", 2, spec.Clean
	s.Data.Folder = "shop/data"
	return report.Run{
		ID: "shop/run-1", Made: time.Date(2026, 3, 14, 15, 9, 0, 0, time.UTC), Spec: s, Dataset: d,
		DataDigest: "ab12", Indexing: report.Indexing{Name: "random"},
		Build:  map[string]string{"rdrec": "1", "go": "2"},
		Stages: []report.Stage{{Name: "import"}}, Artifacts: []report.Pair{{Name: "dataset", Value: "cas/1"}},
	}
}

func newBuilder(t *testing.T, run report.Run) *report.Builder {
	t.Helper()
	b, err := report.NewBuilder(run)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ranked are predictions for the users of [shopRun]; the first item of a list is right for those
// users whose bit is set.
func ranked(right ...int) []prediction.Prediction {
	truths := []int{4, 4, 5, 6}
	all := make([]prediction.Prediction, len(truths))
	for i, truth := range truths {
		all[i] = prediction.Prediction{User: i + 1, Truth: truth, Items: []int{3}}
		if slices.Contains(right, i+1) {
			all[i].Items = []int{truth, 3}
		}
	}
	return all
}

// hitRates returns each row's HR@1 by trial.
func hitRates(table report.Table) (all []string) {
	for _, row := range table.Rows {
		line := fmt.Sprintf("%s %s (%s):", row.Kind, row.Method, row.Base)
		for _, trial := range row.Trials {
			for _, score := range trial.Scores {
				if score.Metric == "HR@1" {
					line += fmt.Sprintf(" %d %.2f", trial.Seed, score.Value)
				}
			}
		}
		all = append(all, line)
	}
	return all
}

func TestBuilderGroupsTrialsIntoRows(t *testing.T) {
	run := shopRun()
	run.Spec.Baselines = []string{"rule", "popularity", "sasrec"}
	b := newBuilder(t, run)
	if got := b.Baselines(task.Sequential); got != nil {
		t.Errorf("baselines without a student: %v", got)
	}
	rdrec := report.TrialID{Method: "rdrec", Seed: 1}
	b.AddRecommendations(rdrec, task.Sequential, ranked(1, 2, 3))
	b.AddRecommendations(report.TrialID{Method: "rdrec", Seed: 2}, task.Sequential, ranked(1))
	b.AddRecommendations(
		report.TrialID{Method: "rdrec", Variant: "skip_pads off", Seed: 1}, task.Sequential, ranked(4),
	)
	b.AddRecommendations(rdrec, task.TopN, ranked(1, 2, 3, 4))
	for i, row := range b.Baselines(task.Sequential) {
		b.AddBaseline(row, task.Sequential, int64(i), ranked(2))
	}
	r := b.Report()
	if len(r.Tables) != 2 || len(r.Tables[0].Comparisons) == 0 || len(r.Tables[0].Ablations) == 0 {
		t.Fatalf("tables %+v", r.Tables)
	}
	want := []string{
		"student rdrec (): 1 0.75 2 0.25", "ablation rdrec, skip_pads off (rdrec): 1 0.25",
		"baseline popularity (): 0 0.25", "rule rule (): 1 0.25", "model sasrec (): 2 0.25",
	}
	if diff := cmp.Diff(want, hitRates(r.Tables[0])); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"student rdrec (): 1 1.00"}, hitRates(r.Tables[1])); diff != "" {
		t.Error(diff)
	}
	top := r.Tables[1]
	if top.TargetShare != 0.5 { // item 4 is the target of two of four users
		t.Errorf("target share %v", top.TargetShare)
	}
	if top.Candidates != 3 || top.Users != 4 || !top.Strict ||
		top.Setting != "the next item of each user among it and 2 unseen ones" {
		t.Errorf("top-N table %+v", top)
	}
	var shown []string
	for _, rec := range r.Recommended {
		shown = append(shown, fmt.Sprint(rec.User, " ", rec.Rank))
	}
	// The first trial's lists: three hits and a miss, each of another history; those with other
	// answers come first.
	if diff := cmp.Diff([]string{"ada 1", "user 3 1", "user 2 1", "user 4 0"}, shown); diff != "" {
		t.Error(diff)
	}
}

func TestBuilderHasTheUntrainedBaselinesByDefault(t *testing.T) {
	run := shopRun()
	run.Spec.Baselines = nil
	b := newBuilder(t, run)
	b.AddRecommendations(report.TrialID{Method: "rdrec", Seed: 1}, task.TopN, ranked(1))
	var names []string
	for _, row := range b.Baselines(task.TopN) {
		names = append(names, row.Name)
	}
	if diff := cmp.Diff([]string{"popularity", "markov", "item-knn", "rule"}, names); diff != "" {
		t.Error(diff)
	}
}

func TestBuilderDescribesTheData(t *testing.T) {
	run := shopRun()
	run.Nightly = []string{"The new model is rejected."}
	r := newBuilder(t, run).Report()
	got := []any{r.Name, r.Run, r.Data.Source, r.Data.Digest, r.Data.Rows, r.Data.Stats.Users, r.Nightly[0]}
	want := []any{"shop", "shop/run-1", "shop/data", "ab12", 0, 4, "The new model is rejected."}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]report.Pair{{"go", "2"}, {"rdrec", "1"}}, r.Build); diff != "" {
		t.Error(diff)
	}
	if r.Audit == nil || !strings.Contains(r.Spec, "name: shop") || len(r.Stages)+len(r.Artifacts) != 2 {
		t.Errorf("audit %v, spec %q, stages %v, artifacts %v", r.Audit, r.Spec, r.Stages, r.Artifacts)
	}
	run.Spec.Data.Folder, run.Spec.Data.Reviews = "", &spec.Reviews{Path: "reviews.csv"}
	run.Import = &dataset.ImportSummary{Rows: 20, Bad: 1, Duplicates: 2, Filtered: 3}
	d := newBuilder(t, run).Report().Data
	got = []any{d.Source, d.Rows, d.Bad, d.Duplicates, d.Filtered}
	if diff := cmp.Diff([]any{"reviews.csv", 20, 1, 2, 3}, got); diff != "" {
		t.Error(diff)
	}
}

func TestBuilderDescribesTeacherAndStudents(t *testing.T) {
	b := newBuilder(t, shopRun())
	b.AddTeacher(teacher.Distillation{}, nil, "w", report.TeacherStats{})
	if r := b.Report(); r.Teacher != nil {
		t.Errorf("a distillation of nothing has a teacher: %+v", r.Teacher)
	}
	b = newBuilder(t, shopRun())
	rationales := slices.Repeat([]teacher.Rationale{{Text: "nice"}}, 9)
	b.AddTeacher(
		teacher.Distillation{Teacher: "smollm2", Explanations: 9, Wanted: 7, Skipped: 2}, rationales, "w",
		report.TeacherStats{Requests: 5, Tokens: 30, Seconds: 10},
	)
	id := report.TrialID{Method: "rdrec", Variant: "skip_pads off", Seed: 1}
	b.AddStudent(id, prediction.TrainingRecord{Epochs: 3}, 2.5)
	r := b.Report()
	got := []any{r.Teacher.Wanted, r.Teacher.TokensPerSecond, len(r.Teacher.Samples), r.Teacher.Weights}
	if diff := cmp.Diff([]any{5, 3.0, 8, "w"}, got); diff != "" {
		t.Error(diff)
	}
	want := []report.Student{{
		Method: "rdrec, skip_pads off", Seed: 1, Size: "t5-small", MaxEpochs: 100, Seconds: 2.5,
		TrainingRecord: prediction.TrainingRecord{Epochs: 3},
	}}
	if diff := cmp.Diff(want, r.Students); diff != "" {
		t.Error(diff)
	}
}

func TestBuilderRejectsAnInvalidSpec(t *testing.T) {
	run := shopRun()
	run.Spec.Protocol = "unknown"
	if _, err := report.NewBuilder(run); err == nil {
		t.Error("no error for an unknown protocol")
	}
}

func TestFiles(t *testing.T) {
	files, err := sample().Files()
	if err != nil {
		t.Fatal(err)
	}
	var r report.Report
	if err := json.Unmarshal(files["report.json"], &r); err != nil || r.Name != "demo" {
		t.Errorf("report.json: %q, %v", r.Name, err)
	}
	if len(files) != 3 || !strings.HasPrefix(string(files["report.html"]), "<!DOCTYPE html>") ||
		!strings.HasPrefix(string(files["report.txt"]), "demo · ") {
		t.Errorf("%d files", len(files))
	}
}
