package activities_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"rdrec/activities"
	"rdrec/internal/prediction"
	"rdrec/internal/report"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/registry"
	"rdrec/storage"
)

// report returns the report on a run.
func (s *inboxEnv) report(in registry.RunRecord) report.Report {
	s.t.Helper()
	out := must[activities.ReportResult](s, s.Report, in)
	data, err := s.Bucket.ReadArtifactFile(s.t.Context(), out.Report, "report.json")
	s.must(err)
	var r report.Report
	s.must(json.Unmarshal(data, &r))
	return r
}

// scores returns the HR@1 of each row of a table, with the row's seeds.
func scores(table report.Table) (all []string) {
	for _, row := range table.Rows {
		line := fmt.Sprintf("%s %s", row.Kind, row.Method)
		for _, trial := range row.Trials {
			for _, score := range trial.Scores {
				if score.Metric == "HR@1" {
					line += fmt.Sprintf(" %d: %.4f of %d", trial.Seed, score.Value, score.N)
				}
			}
		}
		all = append(all, line)
	}
	return all
}

// TestReportAssemblesTheRun reports on a run whose every figure can be counted by hand.
func TestReportAssemblesTheRun(t *testing.T) {
	s := newStages(t)
	s.Now = func() time.Time { return time.Date(2026, 1, 2, 4, 4, 5, 0, time.FixedZone("", 3600)) }
	in := s.record()
	in.Spec.Protocol = spec.Clean
	in.Stages = []registry.StageTime{
		{Name: "import", Cached: true, Seconds: 1, Fingerprint: "f", Output: in.Dataset},
		{Name: "distill", Seconds: 9, Stats: storage.Stats{Requests: 3, Tokens: 40, Seconds: 8, BatchHalvings: 2}},
	}
	trial := &in.Trials[0]
	trial.Workflow, trial.Run, trial.Cost = "mini/rdrec-1", "trial", registry.Cost{Computed: 2, Reused: 1}
	for i, stage := range []storage.StageRecord{
		{Stage: "pretrain", Seconds: 3.5, Workflow: "other/rdrec-2", Run: "r"}, // was reused
		{Stage: "evaluate", Seconds: 4, Workflow: trial.Workflow, Run: trial.Run},
	} {
		stage.Label, stage.Fingerprint = stage.Stage+" rdrec/1", strings.Repeat(fmt.Sprint(i), 64)
		stage.Time = s.Now().Add(time.Duration(i) * time.Second)
		s.must(s.Bucket.AddLineage(t.Context(), trial.Workflow, trial.Run, stage))
	}
	in.NightlyRun = &registry.NightlyRun{Verdict: registry.VerdictFirst}
	r := s.report(in)
	made := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	equal(t, "head", []any{"mini", testWorkflow + "/" + testRun, made, int64(1), 2},
		[]any{r.Name, r.Run, r.Made, r.Seed, r.Trials})
	equal(t, "first sentence", "The new model is the first and is now in use.", r.Nightly[0])
	equal(t, "build", []report.Pair{{Name: "rdrec", Value: "1"}}, r.Build)
	equal(t, "stages", []report.Stage{
		{Name: "import", Cached: true, Seconds: 1, Fingerprint: "f", Output: in.Dataset.Digest},
		{Name: "distill", Seconds: 9, Accelerated: true, Requests: 3, Tokens: 40},
		{
			Name: "pretrain rdrec/1", Cached: true, Seconds: 3.5, Accelerated: true,
			Fingerprint: strings.Repeat("0", 64),
		},
		{Name: "evaluate rdrec/1", Seconds: 4, Accelerated: true, Fingerprint: strings.Repeat("1", 64)},
	}, r.Stages)
	d := r.Data
	equal(t, "source", []string{"mini", "reviews.json", "data", "random"},
		[]string{d.Name, d.Source, d.Digest, d.Indexing.Name})
	equal(t, "counts", []int{20, 1, 2, 5, 3, 8},
		[]int{d.Rows, d.Bad, d.Duplicates, d.Filtered, d.Stats.Users, d.Stats.Items})
	s.reportsTeacher(r.Teacher)
	s.reportsStudents(r, in)
	s.reportsTables(r)
}

func (s *inboxEnv) reportsTeacher(got *report.Teacher) {
	s.t.Helper()
	want := &report.Teacher{
		Model: "hf:x", Prompt: "paper", Parse: "strict", Weights: "weights", Explanations: 3, Wanted: 3, Requests: 3,
		Parsed: 2, Quarantined: 1, Reasons: []report.Pair{{Name: "too long", Value: "1"}},
		PromptTokens: 15, Tokens: 6, TokensPerSecond: 5, Seconds: 8, BatchHalvings: 2,
	}
	var samples [][]string
	for _, r := range got.Samples {
		samples = append(samples, []string{r.Text, r.Preference, r.Attribution, r.Failed})
	}
	equal(s.t, "samples", [][]string{
		{"good brush", "", "", "too long"},
		{"nice cream", "The user likes soap.", "The soap is soft.", ""},
		{"fine comb", "The user likes soap.", "The soap is soft.", ""},
	}, samples)
	want.Samples = got.Samples
	equal(s.t, "teacher", want, got)
}

func (s *inboxEnv) reportsStudents(r report.Report, in registry.RunRecord) {
	s.t.Helper()
	equal(s.t, "students", []report.Student{
		{
			Method: "rdrec", Seed: 1, Size: "t5-small", TrainingRecord: prediction.TrainingRecord{Epochs: 1},
			MaxEpochs: 100, Seconds: 3.5,
		},
		{
			Method: "rdrec", Seed: 2, Size: "t5-small", TrainingRecord: prediction.TrainingRecord{Epochs: 2},
			MaxEpochs: 100,
		},
	}, r.Students)
	place := func(ref storage.Ref) string {
		return filepath.Join(s.root, "cas", "sha256", ref.Digest[:2], ref.Digest)
	}
	equal(s.t, "artifacts", []report.Pair{
		{Name: "dataset", Value: place(in.Dataset)},
		{Name: "preprocessed", Value: place(in.Preprocessed)},
		{Name: "rationales", Value: place(in.Rationales)},
		{Name: "model rdrec/1", Value: place(in.Trials[0].Model)},
		{Name: "model rdrec/2", Value: place(in.Trials[1].Model)},
	}, r.Artifacts)
}

// reportsTables has a student that is right for users 1 and 3 of 3, and SASRec for user 1 alone.
func (s *inboxEnv) reportsTables(r report.Report) {
	s.t.Helper()
	if len(r.Tables) != 2 {
		s.t.Fatalf("%d tables", len(r.Tables))
	}
	for i, want := range []report.Table{
		{
			Task: "sequential", Setting: "the next item of each user among all items", Users: 3, Strict: true,
			TargetShare: 1.0 / 3,
		},
		{
			Task: "top-N", Setting: "the next item of each user among it and 2 unseen ones", Users: 3, Strict: true,
			TargetShare: 1.0 / 3, Candidates: 3,
		},
	} {
		got := r.Tables[i]
		rows := scores(got)
		equal(s.t, "student", "student rdrec 1: 0.6667 of 3 2: 0.6667 of 3", rows[0])
		equal(s.t, "SASRec", "model sasrec 1: 0.3333 of 3 2: 0.3333 of 3", rows[len(rows)-1])
		var methods []string
		for _, row := range got.Rows {
			methods = append(methods, string(row.Kind)+" "+row.Method)
		}
		equal(s.t, "rows", []string{
			"student rdrec", "baseline popularity", "baseline markov", "baseline item-knn", "rule rule", "model sasrec",
		}, methods)
		equal(s.t, "about", []string{"t5-small", "tuned"}, []string{got.Rows[0].About, got.Rows[len(rows)-1].About})
		got.Rows, got.Comparisons = nil, nil
		equal(s.t, want.Task, want, got)
	}
	var results []string
	for _, result := range r.Explanations {
		results = append(results, fmt.Sprintf("%s/%d of %d", result.Method, result.Seed, result.Scores[0].N))
	}
	equal(s.t, "explanations", []string{"rdrec/1 of 1", "rdrec/2 of 1", "ranked statements/0 of 1"}, results)
	generated := report.Explanation{
		User: "ben", Method: "rdrec", Item: report.Item{ID: 6, Title: "F"},
		Reference: "a fine comb", Generated: "a fine brush",
	}
	ranked := generated
	ranked.Method, ranked.Generated = "ranked statements", "is"
	equal(s.t, "explained", []report.Explanation{generated, ranked}, r.Explained)
	var shown []string
	for _, rec := range r.Recommended {
		shown = append(shown, fmt.Sprint(rec.User, " ", rec.Method, " ", rec.Rank, " ", rec.Truth.Title))
	}
	equal(s.t, "recommended", []string{"ann rdrec 1 D", "cid rdrec 1 H", "ben rdrec 0 F"}, shown)
}

// TestReportLeavesOutWhatTheRunLacks has a run without rationales, reviews, baselines, rankings of
// a task, or texts to score.
func TestReportLeavesOutWhatTheRunLacks(t *testing.T) {
	s := newStages(t)
	in := s.record()
	in.Rationales, in.Spec.Data.Reviews, in.Spec.Data.Folder = storage.Ref{}, nil, "folder"
	in.Spec.Baselines, in.Spec.Trials = nil, 1
	topN := in.Trials[0].Evaluations[1]
	silent := s.putArtifact("explanation.jsonl", `{"user":1,"item":1,"reference":"","generated":""}`+"\n")
	in.Trials = []registry.TrialResult{in.Trials[0], in.Trials[1]}
	in.Trials[0].Evaluations = []storage.Ref{topN, silent}
	in.Trials[1].Variant, in.Trials[1].Seed, in.Trials[1].Evaluations = "skip_pads off", 1, []storage.Ref{topN}
	r := s.report(in)
	if r.Teacher != nil || len(r.Explanations)+len(r.Explained)+len(r.Recommended) > 0 || len(r.Artifacts) != 4 {
		t.Errorf("teacher %v, explanations %v, %v, recommended %v, artifacts %v",
			r.Teacher, r.Explanations, r.Explained, r.Recommended, r.Artifacts)
	}
	equal(t, "source", []any{"folder", 0, 0}, []any{r.Data.Source, r.Data.Rows, r.Data.Bad})
	if len(r.Tables) != 1 || len(r.Tables[0].Rows) != 6 {
		t.Fatalf("tables %+v", r.Tables)
	}
	rows := r.Tables[0].Rows
	equal(t, "student and ablation", []string{"rdrec", "", "ablation", "rdrec"},
		[]string{rows[0].Method, rows[0].Base, string(rows[1].Kind), rows[1].Base})
	equal(t, "baselines", []string{"popularity", "markov", "item-knn", "rule"},
		[]string{rows[2].Method, rows[3].Method, rows[4].Method, rows[5].Method})
	sequential := must[storage.Ref](s, s.Evaluate, activities.EvaluateInput{
		Preprocessed: in.Preprocessed, Model: in.Trials[0].Model, Task: task.Sequential,
	})
	in.Trials[0].Evaluations, in.Trials[1].Evaluations = []storage.Ref{sequential}, []storage.Ref{sequential}
	if shown := s.report(in).Recommended; len(shown) != 3 {
		t.Errorf("%d recommendations of the student and its ablation, want the student's 3", len(shown))
	}
	in.Trials[0].Evaluations = []storage.Ref{s.putArtifact("sequential.jsonl", "{\n")}
	_, err := run[any](s, s.Report, in)
	if err == nil || !strings.Contains(err.Error(), "read sequential.jsonl of artifact") {
		t.Errorf("torn predictions: %v", err)
	}
}

// TestATornArtifactIsDataCorrupt has artifacts whose files are no JSON.
func TestATornArtifactIsDataCorrupt(t *testing.T) {
	s := newStages(t)
	in := s.record()
	torn := func(name string) storage.Ref { return s.putArtifact(name, "{") }
	changed := func(change func(*registry.RunRecord)) registry.RunRecord {
		own := in
		own.Trials = append([]registry.TrialResult{}, in.Trials...)
		change(&own)
		return own
	}
	unknown := s.putArtifact("indexing.json", `{"indexing":"x"}`)
	rationales, model := torn("distillation.json"), torn("training.json")
	texts, ranked := []storage.Ref{torn("explanation.jsonl")}, []storage.Ref{torn("topn.jsonl")}
	gate := spec.DefaultNightly().Gate
	for name, c := range map[string]struct{ activity, in any }{
		"indexing":          {s.Report, changed(func(r *registry.RunRecord) { r.Dataset = torn("indexing.json") })},
		"unknown indexing":  {s.Report, changed(func(r *registry.RunRecord) { r.Dataset = unknown })},
		"distillation.json": {s.Report, changed(func(r *registry.RunRecord) { r.Rationales = rationales })},
		"training.json":     {s.Report, changed(func(r *registry.RunRecord) { r.Trials[0].Model = model })},
		"explanation.jsonl": {s.Report, changed(func(r *registry.RunRecord) { r.Trials[0].Evaluations = texts })},
		"sasrec.json":       {s.Report, changed(func(r *registry.RunRecord) { r.Sasrec = torn("sasrec.json") })},
		"rationales.jsonl": {
			s.Preprocess, activities.PreprocessInput{Dataset: in.Dataset, Rationales: torn("rationales.jsonl")},
		},
		"import.json": {s.SanityCheck, activities.SanityCheckInput{Dataset: torn("import.json")}},
		"topn.jsonl":  {s.MergePredictions, activities.MergePredictionsInput{Task: task.TopN, Shards: ranked}},
		"sequential of a run": {
			s.CompareModels,
			activities.CompareModelsInput{Gate: gate, New: []storage.Ref{torn("sequential.jsonl")}},
		},
	} {
		_, err := run[any](s, c.activity, c.in)
		var failed *temporal.ApplicationError
		if !errors.As(err, &failed) || failed.Type() != activities.TypeDataCorrupt {
			t.Errorf("%s: %v", name, err)
		}
	}
}
