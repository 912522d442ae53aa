package activities_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rdrec/activities"
	"rdrec/internal/dataset"
	"rdrec/internal/prediction"
	"rdrec/internal/recommender"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/registry"
	"rdrec/storage"
)

// answering is a student with fixed answers.
type answering struct {
	activities.Students
	predictions []prediction.Prediction
	head        []prediction.Prediction // by the item head
	texts       []prediction.Text
	fused       []activities.FuseJob
	closed      int
	broken      error
}

func (a *answering) Recommend(_ context.Context, job activities.RecommendJob) ([]prediction.Prediction, error) {
	if job.Head {
		return a.head, a.broken
	}
	return a.predictions, a.broken
}

func (a *answering) Explain(context.Context, activities.RecommendJob) ([]prediction.Text, error) {
	return a.texts, a.broken
}

// Fuse recommends item 4 to everybody, and item 2 without the part markov.
func (a *answering) Fuse(_ context.Context, job activities.FuseJob) (activities.FusedRankings, error) {
	weights := `{"mix":{"parts":["search","markov"],"candidates":3,` +
		`"groups":[{"users":2,"score":[1,0.5],"missing":[0,0]}]},"users":3,"covered":2}`
	if err := os.WriteFile(filepath.Join(job.Out, activities.FusionFile), []byte(weights), 0o600); err != nil {
		return activities.FusedRankings{}, err
	}
	a.fused = append(a.fused, job)
	return activities.FusedRankings{
		Mixed: predicted(4, 4, 4), Without: map[string][]prediction.Prediction{"markov": predicted(2, 2, 2)},
	}, a.broken
}

// Open returns the student itself, loaded.
func (a *answering) Open(context.Context, activities.RecommenderJob) (recommender.Student, error) {
	return (*loaded)(a), a.broken
}

// loaded is an open student with fixed predictions.
type loaded answering

// Recommend recommends items 1, 2 and so on to everybody.
func (a *loaded) Recommend(
	_ context.Context, users []dataset.User, k int, _ func(done, total int),
) ([]prediction.Prediction, error) {
	ranked := make([]prediction.Prediction, len(users))
	for i := range users {
		for item := range k {
			ranked[i].Items, ranked[i].Scores = append(ranked[i].Items, item+1), append(ranked[i].Scores, 0)
		}
	}
	return ranked, a.broken
}

func (a *loaded) Explain(_ context.Context, pairs []task.Pair, _ func(done, total int)) ([]string, error) {
	return make([]string, len(pairs)), a.broken
}

func (a *loaded) Close() { a.closed++ }

// TestPartsKeepTheirPlaces evaluates the whole, whose answers are put in order, and a part, which
// keeps its own with the places.
func TestPartsKeepTheirPlaces(t *testing.T) {
	s := newInboxEnv(t)
	for _, c := range []struct {
		task  task.Task
		parts int
		want  string
	}{
		{task.Sequential, 0, `{"user":1,"truth":0,"items":null}` + "\n" + `{"user":2,"truth":0,"items":null}` + "\n"},
		{
			task.Sequential, 2,
			`{"index":2,"user":2,"truth":0,"items":null}` + "\n" + `{"index":1,"user":1,"truth":0,"items":null}` + "\n",
		},
		{
			task.Explanation, 0,
			`{"user":3,"item":0,"reference":"","generated":""}` + "\n" +
				`{"user":4,"item":0,"reference":"","generated":""}` + "\n",
		},
		{
			task.Explanation, 2,
			`{"index":4,"user":4,"item":0,"reference":"","generated":""}` + "\n" +
				`{"index":3,"user":3,"item":0,"reference":"","generated":""}` + "\n",
		},
	} {
		student := &answering{
			predictions: []prediction.Prediction{{Index: 2, User: 2}, {Index: 1, User: 1}},
			texts:       []prediction.Text{{Index: 4, User: 4}, {Index: 3, User: 3}},
		}
		s.Students = student
		in := activities.EvaluateInput{
			Preprocessed: s.putArtifact("e", "e"),
			Model:        s.putArtifact("m", "m"),
			Task:         c.task,
			Shards:       c.parts,
		}
		ref, err := run[storage.Ref](s, s.Evaluate, in)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Bucket.ReadArtifactFile(t.Context(), ref, c.task.String()+".jsonl")
		if err != nil {
			t.Fatal(err)
		}
		equal(t, fmt.Sprint(c.task, " in parts: ", c.parts), c.want, string(got))
		student.broken = errors.New("out of order")
		if _, err := run[storage.Ref](s, s.Evaluate, in); err == nil || !strings.Contains(err.Error(), "out of order") {
			t.Errorf("%v: %v", c.task, err)
		}
	}
}

// TestUsersAreExportedFromTo has the bounds of a shard, and recommends to one of its users.
func TestUsersAreExportedFromTo(t *testing.T) {
	s := newInboxEnv(t)
	student := &answering{}
	s.Recommenders = student
	examples := s.imports("../testdata/rdrec/beauty_mini")
	model := registry.Model{
		Method: "rdrec", Preprocessed: examples, Student: s.putArtifact("m", "m"), Spec: spec.Default(),
	}
	in := activities.ExportInput{Model: model, Top: 2}
	plan, err := run[activities.ExportPlan](s, s.PlanExport, in)
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
		rows, err := s.Bucket.ReadArtifactFile(t.Context(), ref, "recommendations.jsonl")
		if err != nil || strings.Count(string(rows), "\n") != 2*(c.to-c.from) {
			t.Errorf("%+v: %d rows, %v; want two a user", c, strings.Count(string(rows), "\n"), err)
		}
	}
	if student.closed != opened {
		t.Errorf("%d students were opened and %d closed", opened, student.closed)
	}
	for user, cold := range map[string]bool{"nobody": true, s.firstUser(examples): false} {
		got, err := s.recommend(in, user)
		if err != nil || got.Cold != cold || len(got.Items) != 2 || got.Items[1].Rank != 2 {
			t.Errorf("%q: %+v, %v; want cold: %t", user, got, err, cold)
		}
	}
	student.broken = errors.New("out of order")
	if _, err := s.recommend(in, s.firstUser(examples)); err == nil {
		t.Error("a broken student recommends")
	}
	if _, err := run[storage.Ref](s, s.ExportShard, activities.ExportShardInput{ExportInput: in, To: 1}); err == nil {
		t.Error("a broken student is exported")
	}
}

// firstUser is a user whom the data know.
func (s *inboxEnv) firstUser(examples storage.Ref) string {
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

// TestAnInputThatIsGoneFailsTheStage gives each stage artifacts that are not in the bucket, or hold
// something else.
func TestAnInputThatIsGoneFailsTheStage(t *testing.T) {
	s := newInboxEnv(t)
	s.Teachers, s.Students, s.Recommenders = &scripted{}, &answering{}, &answering{}
	ok := s.imports("../testdata/rdrec/beauty_mini")
	gone := storage.Ref{Digest: strings.Repeat("0", 64), Size: 1}
	other := s.putArtifact("other", "something else")
	export := func(examples, student storage.Ref) activities.ExportInput {
		return activities.ExportInput{
			Top:   1,
			Model: registry.Model{Method: "rdrec", Preprocessed: examples, Student: student},
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
		"baseline": {
			s.RankBaselines, func(bad storage.Ref) any { return activities.RankBaselinesInput{Preprocessed: bad} },
		},
		"plan": {s.PlanDistillation, func(bad storage.Ref) any { return activities.DistillInput{Dataset: bad} }},
		"shard": {s.DistillShard, func(bad storage.Ref) any {
			return activities.DistillShardInput{
				Plan:  bad,
				Shard: 1,
			}
		}},
		"gather":  {s.MergeRationales, func(bad storage.Ref) any { return activities.DistillInput{Dataset: bad} }},
		"inspect": {s.SanityCheck, func(bad storage.Ref) any { return activities.SanityCheckInput{Dataset: bad} }},
		"replies": {s.SanityCheck, func(bad storage.Ref) any {
			return activities.SanityCheckInput{Dataset: s.importedDataset(1,
				0), Rationales: bad}
		}},
		"merge": {s.MergePredictions, func(bad storage.Ref) any {
			return activities.MergePredictionsInput{Shards: []storage.Ref{bad}}
		}},
		"export plan": {s.PlanExport, func(bad storage.Ref) any { return export(bad, ok) }},
		"export shard": {s.ExportShard, func(bad storage.Ref) any {
			return activities.ExportShardInput{ExportInput: export(bad, ok), To: 1}
		}},
		"export merge": {s.MergeExport, func(bad storage.Ref) any {
			return activities.MergeExportInput{Shards: []storage.Ref{bad}}
		}},
		"recommend": {s.Recommend, func(bad storage.Ref) any {
			return activities.RecommendInput{ExportInput: export(bad,
				ok)}
		}},
		"report": {s.Report, func(bad storage.Ref) any {
			return registry.RunRecord{
				Spec:         spec.Default(),
				Preprocessed: bad,
			}
		}},
		"report's data": {s.Report, func(bad storage.Ref) any {
			return registry.RunRecord{Spec: spec.Default(), Preprocessed: ok, Dataset: bad}
		}},
		"report's students": {s.Report, func(bad storage.Ref) any {
			return registry.RunRecord{
				Spec: spec.Default(), Preprocessed: ok, Dataset: ok,
				Trials: []registry.TrialResult{{Method: "rdrec", Model: bad}},
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
		"evaluate: examples": {s.Evaluate, activities.EvaluateInput{Preprocessed: gone, Model: ok}},
		"evaluate: model":    {s.Evaluate, activities.EvaluateInput{Preprocessed: ok, Model: gone}},
		"pretrain": {
			s.Pretrain,
			activities.PretrainInput{Preprocessed: gone, Fingerprint: strings.Repeat("a", 64)},
		},
		"sasrec":             {s.TrainSasrec, activities.TrainSasrecInput{Preprocessed: gone}},
		"export: student":    {s.ExportShard, activities.ExportShardInput{ExportInput: export(ok, gone), To: 1}},
		"recommend: student": {s.Recommend, activities.RecommendInput{ExportInput: export(ok, gone)}},
		"export: format":     {s.FormatExport, activities.FormatExportInput{Table: gone, Format: "csv"}},
		"import: reviews": {
			s.Import,
			activities.ImportInput{Data: spec.Data{
				Reviews:     &spec.Reviews{},
				Accumulated: &spec.Accumulated{Reviews: gone},
			}},
		},
		"import: no folder": {
			s.Import,
			activities.ImportInput{Data: spec.Data{Folder: "no such folder", Indexing: spec.AsIs}},
		},
		"compare models: evaluations": {s.CompareModels, activities.CompareModelsInput{
			Gate: spec.DefaultNightly().Gate,
			New:  []storage.Ref{gone},
		}},
		"compare models: another task": {s.CompareModels, activities.CompareModelsInput{
			Gate: spec.DefaultNightly().Gate, New: s.evaluation(1),
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
	s := newInboxEnv(t)
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
	rationales := s.putArtifact(
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
		equal(t, fmt.Sprint("explanation ", i+1), want, [2]string{e.Preference, e.Attribution})
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
	equal(
		t,
		"negatives that are there",
		read(s.imports("../testdata/rdrec/beauty_mini")).Negatives,
		read(kept).Negatives,
	)
}
