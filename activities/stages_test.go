package activities_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"rdrec/activities"
	"rdrec/internal/advice"
	"rdrec/internal/dataset"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/storage"
)

// answering is a student with fixed answers.
type answering struct {
	activities.Students
	advice.Student
	predictions []activities.Prediction
	texts       []activities.Text
	closed      int
	broken      error
}

func (a *answering) Recommend(context.Context, activities.RecommendJob) ([]activities.Prediction, error) {
	return a.predictions, a.broken
}

func (a *answering) Explain(context.Context, activities.RecommendJob) ([]activities.Text, error) {
	return a.texts, a.broken
}

// Open makes the student its own adviser.
func (a *answering) Open(context.Context, activities.AdviseJob) (advice.Student, error) {
	return a, a.broken
}

// Next recommends items 1, 2 and so on to everybody.
func (a *answering) Next(_ context.Context, users []dataset.User, k int, _ advice.Progress) ([]advice.Ranked, error) {
	ranked := make([]advice.Ranked, len(users))
	for i := range users {
		for item := range k {
			ranked[i].Items, ranked[i].Scores = append(ranked[i].Items, item+1), append(ranked[i].Scores, 0)
		}
	}
	return ranked, a.broken
}

func (a *answering) Why(_ context.Context, pairs []task.Pair, _ advice.Progress) ([]string, error) {
	return make([]string, len(pairs)), a.broken
}

func (a *answering) Close() { a.closed++ }

// TestPartsKeepTheirPlaces evaluates the whole, whose answers are put in order, and a part, which
// keeps its own with the places.
func TestPartsKeepTheirPlaces(t *testing.T) {
	s := newShop(t)
	for _, c := range []struct {
		kind  task.Kind
		parts int
		want  string
	}{
		{task.KindSequential, 0, `{"user":1,"truth":0,"items":null}` + "\n" + `{"user":2,"truth":0,"items":null}` +
			"\n"},
		{task.KindSequential, 2, `{"place":2,"user":2,"truth":0,"items":null}` + "\n" +
			`{"place":1,"user":1,"truth":0,"items":null}` + "\n"},
		{task.KindExplanation, 0, `{"user":3,"item":0,"reference":"","generated":""}` + "\n" +
			`{"user":4,"item":0,"reference":"","generated":""}` + "\n"},
		{task.KindExplanation, 2, `{"place":4,"user":4,"item":0,"reference":"","generated":""}` + "\n" +
			`{"place":3,"user":3,"item":0,"reference":"","generated":""}` + "\n"},
	} {
		student := &answering{
			predictions: []activities.Prediction{{Place: 2, User: 2}, {Place: 1, User: 1}},
			texts:       []activities.Text{{Place: 4, User: 4}, {Place: 3, User: 3}},
		}
		s.Students = student
		in := activities.EvaluateInput{
			Examples: s.artefact("e", "e"),
			Model:    s.artefact("m", "m"),
			Kind:     c.kind,
			Parts:    c.parts,
		}
		ref, err := run[storage.Ref](s, s.Evaluate, in)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Bucket.GetNamed(t.Context(), ref, c.kind.String()+".jsonl")
		if err != nil {
			t.Fatal(err)
		}
		same(t, fmt.Sprint(c.kind, " in parts: ", c.parts), c.want, string(got))
		student.broken = errors.New("out of order")
		if _, err := run[storage.Ref](s, s.Evaluate, in); err == nil || !strings.Contains(err.Error(), "out of order") {
			t.Errorf("%v: %v", c.kind, err)
		}
	}
}

// TestUsersAreExportedFromTo has the bounds of a shard, and recommends to one of its users.
func TestUsersAreExportedFromTo(t *testing.T) {
	s := newShop(t)
	student := &answering{}
	s.Advisors = student
	examples := s.imports("../testdata/rdrec/beauty_mini")
	model := activities.Model{Method: "rdrec", Examples: examples, Student: s.artefact("m", "m"), Spec: spec.Default()}
	in := activities.ExportInput{Model: model, Top: 2}
	plan, err := run[activities.ExportPlan](s, s.ExportPlan, in)
	if err != nil {
		t.Fatal(err)
	}
	all, opened := plan.Users, 0
	for _, c := range []struct {
		from, to int
		refused  bool
	}{
		{0, 1, false},
		{0, all, false},
		{all - 1, all, false},
		{-1, 1, true},
		{0, all + 1, true},
		{3, 3, true},
		{4, 3, true},
	} {
		ref, err := run[storage.Ref](
			s,
			s.ExportShard,
			activities.ExportShardInput{ExportInput: in, From: c.from, To: c.to},
		)
		opened++
		if c.refused {
			s.isInvalid(fmt.Sprintf("%+v", c), err)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		rows, err := s.Bucket.GetNamed(t.Context(), ref, "recommendations.jsonl")
		if err != nil || strings.Count(string(rows), "\n") != 2*(c.to-c.from) {
			t.Errorf("%+v: %d rows, %v; want two a user", c, strings.Count(string(rows), "\n"), err)
		}
	}
	if student.closed != opened {
		t.Errorf("%d students were opened and %d closed", opened, student.closed)
	}
	for user, cold := range map[string]bool{"nobody": true, s.firstUser(examples): false} {
		got, err := run[activities.Advice](s, s.Advise, activities.AdviseInput{ExportInput: in, User: user})
		if err != nil || got.Cold != cold || len(got.Items) != 2 || got.Items[1].Rank != 2 {
			t.Errorf("%q: %+v, %v; want cold: %t", user, got, err, cold)
		}
	}
	student.broken = errors.New("out of order")
	if _, err := run[activities.Advice](s, s.Advise,
		activities.AdviseInput{ExportInput: in, User: s.firstUser(examples)}); err == nil {
		t.Error("a broken student recommends")
	}
	if _, err := run[storage.Ref](s, s.ExportShard, activities.ExportShardInput{ExportInput: in, To: 1}); err == nil {
		t.Error("a broken student is exported")
	}
}

// firstUser is a user whom the data know.
func (s *shop) firstUser(examples storage.Ref) string {
	s.t.Helper()
	dir := s.t.TempDir()
	if err := s.Bucket.GetFolder(s.t.Context(), examples, dir); err != nil {
		s.t.Fatal(err)
	}
	data, err := dataset.Read(os.DirFS(dir), "dataset")
	if err != nil {
		s.t.Fatal(err)
	}
	if len(data.UserIDs) > 0 && data.UserIDs[0] != "" {
		return data.UserIDs[0]
	}
	return "1"
}

// TestAnInputThatIsGoneFailsTheStage gives each stage artefacts that are not in the bucket, or hold
// something else.
func TestAnInputThatIsGoneFailsTheStage(t *testing.T) {
	s := newShop(t)
	s.Teachers, s.Students, s.Advisors = &scripted{}, &answering{}, &answering{}
	ok := s.imports("../testdata/rdrec/beauty_mini")
	gone := storage.Ref{Digest: strings.Repeat("0", 64), Size: 1}
	other := s.artefact("other", "something else")
	export := func(examples, student storage.Ref) activities.ExportInput {
		return activities.ExportInput{
			Top:   1,
			Model: activities.Model{Method: "rdrec", Examples: examples, Student: student},
		}
	}
	for name, c := range map[string]struct {
		activity any
		in       func(bad storage.Ref) any
	}{
		"preprocess: dataset": {
			s.Preprocess,
			func(bad storage.Ref) any { return activities.PreprocessInput{Dataset: bad} },
		},
		"preprocess: rationales": {s.Preprocess, func(bad storage.Ref) any {
			return activities.PreprocessInput{Dataset: ok, Rationales: bad}
		}},
		"baseline": {s.Baseline, func(bad storage.Ref) any { return activities.BaselineInput{Examples: bad} }},
		"plan":     {s.DistillPlan, func(bad storage.Ref) any { return activities.DistillInput{Dataset: bad} }},
		"shard": {s.DistillShard, func(bad storage.Ref) any {
			return activities.DistillShardInput{
				Plan:  bad,
				Shard: 1,
			}
		}},
		"gather":  {s.DistillGather, func(bad storage.Ref) any { return activities.DistillInput{Dataset: bad} }},
		"inspect": {s.Inspect, func(bad storage.Ref) any { return activities.InspectInput{Dataset: bad} }},
		"replies": {s.Inspect, func(bad storage.Ref) any {
			return activities.InspectInput{Dataset: s.imported(1,
				0), Rationales: bad}
		}},
		"merge": {s.MergeAnswers, func(bad storage.Ref) any {
			return activities.MergeInput{Parts: []storage.Ref{bad}}
		}},
		"export plan": {s.ExportPlan, func(bad storage.Ref) any { return export(bad, ok) }},
		"export shard": {s.ExportShard, func(bad storage.Ref) any {
			return activities.ExportShardInput{ExportInput: export(bad, ok), To: 1}
		}},
		"export merge": {s.ExportMerge, func(bad storage.Ref) any {
			return activities.ExportMergeInput{Parts: []storage.Ref{bad}}
		}},
		"advise": {s.Advise, func(bad storage.Ref) any {
			return activities.AdviseInput{ExportInput: export(bad,
				ok)}
		}},
		"report": {s.Report, func(bad storage.Ref) any {
			return activities.ReportInput{
				Spec:     spec.Default(),
				Examples: bad,
			}
		}},
		"report's data": {s.Report, func(bad storage.Ref) any {
			return activities.ReportInput{Spec: spec.Default(), Examples: ok, Dataset: bad}
		}},
		"report's students": {s.Report, func(bad storage.Ref) any {
			return activities.ReportInput{
				Spec: spec.Default(), Examples: ok, Dataset: ok,
				Trials: []activities.TrialResult{{Method: "rdrec", Model: bad}},
			}
		}},
	} {
		for what, bad := range map[string]storage.Ref{"gone": gone, "something else": other} {
			if _, err := run[any](s, c.activity, c.in(bad)); err == nil {
				t.Errorf("%s: its input is %s, and yet it succeeds", name, what)
			}
		}
	}
	for name, c := range map[string]struct {
		activity any
		in       any
	}{
		"evaluate: examples": {s.Evaluate, activities.EvaluateInput{Examples: gone, Model: ok}},
		"evaluate: model":    {s.Evaluate, activities.EvaluateInput{Examples: ok, Model: gone}},
		"pretrain": {
			s.Pretrain,
			activities.PretrainInput{Examples: gone, Fingerprint: strings.Repeat("a", 64)},
		},
		"sasrec":          {s.Sasrec, activities.SasrecInput{Examples: gone}},
		"export: student": {s.ExportShard, activities.ExportShardInput{ExportInput: export(ok, gone), To: 1}},
		"advise: student": {s.Advise, activities.AdviseInput{ExportInput: export(ok, gone)}},
		"export: format":  {s.ExportFormat, activities.ExportFormatInput{Table: gone, Format: "csv"}},
		"import: reviews": {
			s.Import,
			activities.ImportInput{Data: spec.Data{
				Reviews:     &spec.Reviews{},
				Accumulated: &spec.Accumulated{Reviews: spec.Stored(gone)},
			}},
		},
		"import: no folder": {
			s.Import,
			activities.ImportInput{Data: spec.Data{Folder: "no such folder", Numbering: spec.AsIs}},
		},
		"judge: evaluations": {s.Judge, activities.JudgeInput{
			Gate: spec.DefaultNightly().Gate,
			New:  []storage.Ref{gone},
		}},
		"judge: another kind": {s.Judge, activities.JudgeInput{
			Gate: spec.DefaultNightly().Gate, New: s.answers(1),
			Old: []storage.Ref{gone},
		}},
	} {
		if _, err := run[any](s, c.activity, c.in); err == nil {
			t.Errorf("%s is gone, and yet it succeeds", name)
		}
	}
}

// TestPreprocessJoinsWhatThereIs gives explanations their rationales by text, but for those that
// failed, and keeps negatives.
func TestPreprocessJoinsWhatThereIs(t *testing.T) {
	s := newShop(t)
	read := func(ref storage.Ref) *dataset.Dataset {
		t.Helper()
		dir := t.TempDir()
		if err := s.Bucket.GetFolder(t.Context(), ref, dir); err != nil {
			t.Fatal(err)
		}
		data, err := dataset.Read(os.DirFS(dir), "dataset")
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	bare := s.undistilled()
	texts := read(bare).Explanations.Train
	rationales := s.artefact(
		"rationales.jsonl",
		fmt.Sprintf(
			`{"text":%q,"preference":"likes","attribution":"is"}`+"\n"+
				`{"text":%q,"preference":"x","attribution":"y","failed":"why"}`+"\n",
			texts[0].Explanation,
			texts[1].Explanation,
		),
	)
	ref, err := run[storage.Ref](
		s,
		s.Preprocess,
		activities.PreprocessInput{Dataset: bare, Rationales: rationales, Negatives: 7, Seed: 1},
	)
	if err != nil {
		t.Fatal(err)
	}
	joined := read(ref)
	for i, want := range [][2]string{{"likes", "is"}, {"", ""}, {"", ""}} {
		e := joined.Explanations.Train[i]
		same(t, fmt.Sprint("explanation ", i+1), want, [2]string{e.Preference, e.Attribution})
	}
	if n := len(joined.Negatives); n != len(joined.Users) {
		t.Errorf("%d users have negatives of %d", n, len(joined.Users))
	}
	kept, err := run[storage.Ref](
		s,
		s.Preprocess,
		activities.PreprocessInput{Dataset: s.imports("../testdata/rdrec/beauty_mini"), Negatives: 7, Seed: 1},
	)
	if err != nil {
		t.Fatal(err)
	}
	same(
		t,
		"negatives that are there",
		read(s.imports("../testdata/rdrec/beauty_mini")).Negatives,
		read(kept).Negatives,
	)
}
