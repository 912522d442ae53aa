package activities_test

import (
	"strings"

	"rdrec/activities"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/registry"
	"rdrec/storage"
)

// calls returns every activity with an input of a finished run.
func (s *inboxEnv) calls(in registry.RunRecord) []call {
	s.t.Helper()
	calls := append(s.stageCalls(in), s.exportCalls(in)...)
	calls = append(calls, s.nightlyCalls(in)...)
	in.Trials = in.Trials[:1]
	return append(calls, call{
		name: "report", in: in, activity: func(a *activities.Activities) any { return a.Report },
	})
}

// stageCalls returns the stages of an experiment.
func (s *inboxEnv) stageCalls(in registry.RunRecord) []call {
	s.t.Helper()
	fingerprint := strings.Repeat("a", 64)
	checkpoints, err := storage.OpenCheckpoints(s.t.Context(), s.Bucket, fingerprint, "before", 1)
	if err != nil {
		s.t.Fatal(err)
	}
	dir := s.t.TempDir()
	s.must(s.Bucket.GetFolder(s.t.Context(), in.Trials[0].Model, dir))
	s.must(checkpoints.Save(s.t.Context(), 5, dir))
	distill := s.distillation(in.Dataset)
	anew := distill
	anew.Nonce = "anew"
	plan := must[activities.DistillPlan](s, s.PlanDistillation, anew)
	sequential := in.Spec.Data
	sequential.Indexing = spec.Sequential
	accumulated := in.Spec.Data
	accumulated.Accumulated = &spec.Accumulated{
		Reviews:         s.putArtifact("reviews", "r"),
		PreviousDataset: in.Dataset,
	}
	pretrain := activities.PretrainInput{
		Preprocessed: in.Preprocessed, Fingerprint: fingerprint, Train: in.Spec.Train, Student: in.Spec.Student,
	}
	warmStart := in.Trials[1].Model
	pretrain.Student.WarmStart = &warmStart
	evaluate := func(t task.Task) activities.EvaluateInput {
		return activities.EvaluateInput{Preprocessed: in.Preprocessed, Model: in.Trials[0].Model, Task: t}
	}
	merge := func(t task.Task, index int) activities.MergePredictionsInput {
		shards := []storage.Ref{in.Trials[0].Evaluations[index], in.Trials[0].Evaluations[index]}
		return activities.MergePredictionsInput{Task: t, Shards: shards}
	}
	stage := storage.StageRecord{Stage: "import", Fingerprint: strings.Repeat("b", 64), Output: in.Dataset}
	s.must(s.Bucket.Commit(s.t.Context(), stage))
	return []call{
		{name: "import", ignoresCorrupt: true, in: activities.ImportInput{Data: in.Spec.Data}, activity: importOf},
		{
			name: "import in order", ignoresCorrupt: true, in: activities.ImportInput{Data: sequential},
			activity: importOf,
		},
		{name: "import accumulated", in: activities.ImportInput{Data: accumulated}, activity: importOf},
		{
			name:     "preprocess",
			in:       activities.PreprocessInput{Dataset: in.Dataset, Rationales: in.Rationales, Negatives: 2},
			activity: func(a *activities.Activities) any { return a.Preprocess },
		},
		{
			name: "baselines", in: activities.RankBaselinesInput{Preprocessed: in.Preprocessed},
			activity: func(a *activities.Activities) any { return a.RankBaselines },
		},
		{
			name: "SASRec", tolerant: true, // the next checkpoint may be saved
			in: activities.TrainSasrecInput{
				Preprocessed: in.Preprocessed, Seeds: []int64{1}, Fingerprint: strings.Repeat("c", 64),
			},
			activity: func(a *activities.Activities) any { return a.TrainSasrec },
		},
		{
			name: "pretrain", in: pretrain, tolerant: true, // the next checkpoint may be saved
			activity: func(a *activities.Activities) any { return a.Pretrain },
		},
		{name: "evaluate", in: evaluate(task.TopN), activity: evaluateOf},
		{
			name: "fuse", activity: func(a *activities.Activities) any { return a.Fuse },
			in: activities.FuseInput{
				Preprocessed: in.Preprocessed, Model: in.Trials[0].Model, Fitted: in.Trials[1].Model,
				Trained: map[string]storage.Ref{spec.SASRec: in.Baseline},
			},
		},
		{
			name: "entailment", activity: func(a *activities.Activities) any { return a.CheckEntailment },
			in: activities.EntailmentInput{
				Preprocessed: in.Preprocessed, Texts: 1,
				Students: []activities.EntailmentStudent{{Method: "rdrec", Evaluations: in.Trials[0].Evaluations}},
			},
		},
		{name: "evaluate explanations", in: evaluate(task.Explanation), activity: evaluateOf},
		{name: "merge", in: merge(task.TopN, 1), activity: mergeOf},
		{name: "merge explanations", in: merge(task.Explanation, 2), activity: mergeOf},
		{name: "plan", in: anew, activity: func(a *activities.Activities) any { return a.PlanDistillation }},
		{
			name: "distill", in: activities.DistillShardInput{DistillInput: anew, Plan: plan.Of(1), Shard: 1},
			activity: func(a *activities.Activities) any { return a.DistillShard },
			tolerant: true, // rows are stored with the next ones
		},
		{
			name: "merge rationales", in: distill,
			activity: func(a *activities.Activities) any { return a.MergeRationales },
		},
		{
			name: "look up", ignoresCorrupt: true,
			in:       activities.LookUpInput{Stage: stage.Stage, Fingerprint: stage.Fingerprint},
			activity: func(a *activities.Activities) any { return a.LookUp },
		},
		{
			name: "commit", ignoresCorrupt: true, in: stage,
			activity: func(a *activities.Activities) any { return a.CommitStage },
		},
	}
}

func importOf(a *activities.Activities) any   { return a.Import }
func evaluateOf(a *activities.Activities) any { return a.Evaluate }
func mergeOf(a *activities.Activities) any    { return a.MergePredictions }
func chooseOf(a *activities.Activities) any   { return a.ChooseModel }

func (s *inboxEnv) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// exportCalls returns the activities that recommend.
func (s *inboxEnv) exportCalls(in registry.RunRecord) []call {
	s.t.Helper()
	export := activities.ExportInput{Top: 2, Model: registry.Model{
		Method: "rdrec", Preprocessed: in.Preprocessed, Student: in.Trials[0].Model, Spec: in.Spec,
	}}
	table := s.putArtifact("recommendations.jsonl", "{}\n")
	request, err := s.Bucket.PutRequest(s.t.Context(), []byte(`{"user":"ann"}`))
	if err != nil {
		s.t.Fatal(err)
	}
	return []call{
		{name: "plan export", in: export, activity: func(a *activities.Activities) any { return a.PlanExport }},
		{
			name: "export", in: activities.ExportShardInput{ExportInput: export, To: 3},
			activity: func(a *activities.Activities) any { return a.ExportShard },
		},
		{
			name:     "merge export",
			in:       activities.MergeExportInput{ExportInput: export, Shards: []storage.Ref{table, table}},
			activity: func(a *activities.Activities) any { return a.MergeExport },
		},
		{
			name: "format export", in: activities.FormatExportInput{Table: table, Format: "csv"},
			activity: func(a *activities.Activities) any { return a.FormatExport },
		},
		{
			name: "publish", ignoresCorrupt: true,
			in:       activities.PublishExportInput{ExportInput: export, Table: table},
			activity: func(a *activities.Activities) any { return a.PublishExport },
		},
		{
			name: "recommend", in: activities.RecommendInput{ExportInput: export, Request: request},
			activity: func(a *activities.Activities) any { return a.Recommend },
		},
	}
}

// nightlyCalls returns the activities of a nightly run, on a name with two promotions, the second
// of which was rolled back.
func (s *inboxEnv) nightlyCalls(in registry.RunRecord) []call {
	s.t.Helper()
	s.finished("exp")
	for _, name := range []string{"one", "two", "three"} {
		s.putFile(name, name)
		if name == "three" {
			break
		}
		s.promote(s.ingest(nil), name)
	}
	back := must[activities.PromoteInput](s, s.ChooseModel, activities.ChooseModelInput{Name: "shop", To: 1})
	must[any](s, s.Promote, back)
	nightly := registry.NightlyRun{Name: "shop", Number: 1, Verdict: registry.VerdictRejected, SkipFiles: true}
	s.must(s.Bucket.PutNightlyRun(s.t.Context(), "shop", 1, []byte(`{"name":"shop","number":1,"run":"other"}`)))
	gate := spec.DefaultNightly().Gate
	gate.Metric = "HR@1"
	return []call{
		{
			name: "ingest", in: activities.IngestInput{Name: "shop", Inbox: "inbox/"},
			activity: func(a *activities.Activities) any { return a.Ingest },
		},
		{
			name: "ingest source", ignoresCorrupt: true,
			in: activities.IngestSourceInput{
				Name: "shop", Inbox: "inbox", Source: spec.Source{Path: "p", Watermark: "w"},
			},
			activity: func(a *activities.Activities) any { return a.IngestSource },
		},
		{
			name:     "sanity check",
			in:       activities.SanityCheckInput{Gate: gate, Dataset: in.Dataset, Rationales: in.Rationales},
			activity: func(a *activities.Activities) any { return a.SanityCheck },
		},
		{
			name: "compare models",
			in: activities.CompareModelsInput{
				Gate: gate, Items: 8, New: in.Trials[0].Evaluations[:1], Old: in.Trials[0].Evaluations[:1],
				Baselines: in.Baseline,
			},
			activity: func(a *activities.Activities) any { return a.CompareModels },
		},
		{name: "choose a run", in: activities.ChooseModelInput{Name: "shop", Run: "exp"}, activity: chooseOf},
		{name: "choose a promotion", in: activities.ChooseModelInput{Name: "shop", To: 2}, activity: chooseOf},
		{
			name: "promote",
			in: activities.PromoteInput{Name: "shop", Previous: 3, Promotion: registry.Promotion{
				Dataset: in.Dataset, Preprocessed: in.Preprocessed,
				Model: registry.PromotedModel{Weights: in.Trials[0].Model, Spec: []byte("{}")},
			}},
			activity: func(a *activities.Activities) any { return a.Promote },
		},
		{name: "record", in: nightly, activity: func(a *activities.Activities) any { return a.RecordNightlyRun }},
	}
}
