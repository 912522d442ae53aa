package activities

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.temporal.io/sdk/activity"

	"rdrec/internal/baseline"
	"rdrec/internal/build"
	"rdrec/internal/dataset"
	"rdrec/internal/indexing"
	"rdrec/internal/prediction"
	"rdrec/internal/report"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/internal/teacher"
	"rdrec/registry"
	"rdrec/storage"
)

// ReportResult is where the report is.
type ReportResult struct {
	// Report is an artifact with report.html, report.json and report.txt.
	Report storage.Ref `json:"report"`
	// HTML is the key of the run's own copy, and URL an address where a browser finds it; empty if
	// none is known.
	HTML string `json:"html"`
	URL  string `json:"url,omitempty"`
	// Decision and Verdict are the report's, Best is its headline.
	Decision report.Decision  `json:"decision,omitempty"`
	Verdict  string           `json:"verdict,omitempty"`
	Best     *report.Headline `json:"best,omitempty"`
}

// Report collects the outputs of the stages, and writes report.html, report.json, report.txt and
// the run's record.
func (a *Activities) Report(ctx context.Context, in registry.RunRecord) (out ReportResult, err error) {
	ctx, work, err := a.begin(ctx, "report")
	defer work.finish(&err)
	if err != nil {
		return out, err
	}
	w := &reportWork{Activities: a, RunRecord: in}
	made, err := w.assemble(ctx, work.dir)
	if err != nil {
		return out, err
	}
	files, err := made.Files()
	if err != nil {
		return out, err
	}
	if out, err = w.store(ctx, filepath.Join(work.dir, "report"), files); err != nil {
		return out, err
	}
	out.Decision, out.Verdict, out.Best = made.Verdict.Decision, made.Verdict.Text, made.Headline()
	if a.ReportURL != nil {
		out.URL = a.ReportURL(ctx, out.HTML)
	}
	return out, nil
}

// reportWork is a running [Activities.Report]. The builder assembles the report from what it reads.
type reportWork struct {
	*Activities
	registry.RunRecord
	builder *report.Builder
	// progress, if set, is how far the run is: its parts may be missing.
	progress string
}

// assemble reads the outputs of the stages and returns the report.
func (w *reportWork) assemble(ctx context.Context, dir string) (report.Report, error) {
	if err := w.readTrials(ctx); err != nil {
		return report.Report{}, err
	}
	if err := w.open(ctx, dir); err != nil {
		return report.Report{}, err
	}
	for _, add := range []func(context.Context) error{w.addTeacher, w.addStudents, w.addRankings, w.addTexts} {
		if err := add(ctx); err != nil {
			return report.Report{}, err
		}
	}
	return w.builder.Report(), nil
}

// readTrials reads the stages of the trials, which the input names, and adds them to the run's.
func (w *reportWork) readTrials(ctx context.Context) error {
	w.Trials, w.Stages = slices.Clone(w.Trials), slices.Clone(w.Stages)
	for i := range w.Trials {
		trial := &w.Trials[i]
		if trial.Workflow != "" {
			if err := trial.ReadStages(ctx, w.Bucket); err != nil {
				return err
			}
			trial.Workflow, trial.Run, trial.Cost = "", "", registry.Cost{}
			w.Stages = append(w.Stages, trial.Stages...)
		}
	}
	return nil
}

// open makes the builder.
func (w *reportWork) open(ctx context.Context, dir string) error {
	data, err := w.readDataset(ctx, w.Preprocessed, filepath.Join(dir, "preprocessed"))
	if err != nil {
		return err
	}
	execution := activity.GetInfo(ctx).WorkflowExecution
	run := report.Run{
		ID: execution.ID + "/" + execution.RunID, Made: w.Now().UTC(), Spec: w.Spec, Dataset: data,
		DataDigest: w.Identity.Data, Artifacts: w.artifacts(), Build: w.Build,
		Progress: w.progress,
	}
	for _, s := range w.Stages {
		run.Stages = append(run.Stages, report.Stage{
			Name: s.Name, Cached: s.Cached, Seconds: s.Seconds, Fingerprint: s.Fingerprint, Output: s.Output.Digest,
			Accelerated: s.Accelerated(), Requests: s.Stats.Requests, Tokens: s.Stats.Tokens,
			WastedSeconds: s.Stats.WastedSeconds,
		})
	}
	if w.NightlyRun != nil {
		run.Nightly = w.NightlyRun.Sentences()
	}
	if run.Indexing, err = w.indexing(ctx); err != nil {
		return err
	}
	if w.Spec.Data.Reviews != nil {
		counts, err := readArtifactJSON[dataset.ImportSummary](ctx, w.Bucket, w.Dataset, importRecord)
		if err != nil {
			return err
		}
		run.Import = &counts
	}
	if w.builder, err = report.NewBuilder(run); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return nil
}

// artifacts returns the places of the run's artifacts in the bucket.
func (w *reportWork) artifacts() []report.Pair {
	list := []report.Pair{
		{Name: "dataset", Value: w.Bucket.URL(storage.ContentKey(w.Dataset))},
		{Name: "preprocessed", Value: w.Bucket.URL(storage.ContentKey(w.Preprocessed))},
	}
	if !w.Rationales.IsZero() {
		list = append(list, report.Pair{Name: "rationales", Value: w.Bucket.URL(storage.ContentKey(w.Rationales))})
	}
	for _, trial := range w.Trials {
		name := fmt.Sprintf("model %s/%d", trial.Name(), trial.Seed)
		list = append(list, report.Pair{Name: name, Value: w.Bucket.URL(storage.ContentKey(trial.Model))})
	}
	return list
}

// indexing describes the item indexing of the dataset.
func (w *reportWork) indexing(ctx context.Context) (report.Indexing, error) {
	record, err := readArtifactJSON[indexing.Record](ctx, w.Bucket, w.Dataset, indexingRecord)
	if err != nil {
		return report.Indexing{}, err
	}
	row, err := spec.IndexingNamed(record.Indexing)
	if err != nil {
		return report.Indexing{}, fmt.Errorf("read %s: %w: %w", indexingRecord, ErrData, err)
	}
	return report.Indexing{Name: row.Name, About: row.About, Note: record.Note, Leaks: row.Leaks}, nil
}

// addTeacher adds the rationales, if there are any.
func (w *reportWork) addTeacher(ctx context.Context) error {
	if w.Rationales.IsZero() {
		return nil
	}
	d, err := readArtifactJSON[teacher.Distillation](ctx, w.Bucket, w.Rationales, registry.DistillationFile)
	if err != nil {
		return err
	}
	rows, err := readArtifactJSONL[teacher.Rationale](ctx, w.Bucket, w.Rationales, rationalesFile)
	if err != nil {
		return err
	}
	s := statsOf(w.Stages, "distill")
	stats := report.TeacherStats{
		Requests: s.Requests, Tokens: s.Tokens, Seconds: s.Seconds, BatchHalvings: s.BatchHalvings,
	}
	w.builder.AddTeacher(d, rows, w.Identity.Teacher, stats)
	return nil
}

// trialID returns the id of a trial in the report.
func trialID(t registry.TrialResult) report.TrialID {
	return report.TrialID{Method: t.Method, Variant: t.Variant, Seed: t.Seed}
}

// addStudents adds each student's training.
func (w *reportWork) addStudents(ctx context.Context) error {
	for _, trial := range w.Trials {
		record, err := readArtifactJSON[prediction.TrainingRecord](
			ctx, w.Bucket, trial.Model, prediction.TrainingRecordFile,
		)
		if err != nil {
			return err
		}
		w.builder.AddStudent(trialID(trial), record, secondsOf(trial.Stages, "pretrain"))
	}
	return nil
}

// addRankings adds both rankings of every method on the same users.
func (w *reportWork) addRankings(ctx context.Context) error {
	for _, t := range []task.Task{task.Sequential, task.TopN} {
		for _, trial := range w.Trials {
			predictions, err := readPredictions[prediction.Prediction](
				ctx, w.Bucket, trial.Evaluations, predictionsFile(t),
			)
			if err != nil {
				return err
			}
			if predictions != nil {
				w.builder.AddRecommendations(trialID(trial), t, predictions)
			}
		}
		if t == task.Sequential {
			if err := w.addHeads(ctx); err != nil {
				return err
			}
			if err := w.addFusions(ctx); err != nil {
				return err
			}
			if err := w.addTies(ctx); err != nil {
				return err
			}
		}
		for _, row := range w.builder.Baselines(t) {
			if err := w.addBaseline(ctx, row, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// addHeads adds the sequential rankings by the students' item heads.
func (w *reportWork) addHeads(ctx context.Context) error {
	for _, trial := range w.Trials {
		predictions, err := readPredictions[prediction.Prediction](ctx, w.Bucket, trial.Evaluations, headFile)
		if err != nil {
			return err
		}
		if predictions != nil {
			w.builder.AddHead(trialID(trial), predictions)
		}
	}
	return nil
}

// addTies adds what the order of equal times changes.
func (w *reportWork) addTies(ctx context.Context) error {
	if w.Baseline.IsZero() {
		return nil
	}
	ties, err := readArtifactJSON[baseline.Ties](ctx, w.Bucket, w.Baseline, tiesFile)
	if err != nil {
		return err
	}
	w.builder.AddTies(ties)
	return nil
}

// addBaseline adds a baseline's ranking, and SASRec's for each seed. While the run goes on, it may
// have none yet.
func (w *reportWork) addBaseline(ctx context.Context, row baseline.Baseline, t task.Task) error {
	from, files, seeds := w.Baseline, []string{rankingFile(row.Name, t)}, []int64{0}
	if row.Fit == nil {
		from = map[string]storage.Ref{baseline.SASRec: w.Sasrec, baseline.BSARec: w.Bsarec}[row.Name]
	}
	if w.progress != "" && from.IsZero() {
		return nil
	}
	if row.Fit == nil {
		record, err := readArtifactJSON[SasrecRecord](ctx, w.Bucket, from, sasrecRecord)
		if err != nil {
			return err
		}
		files, seeds, row.About = nil, nil, record.Description
		for k := range w.Spec.Trials {
			seed := w.Spec.Seed + int64(k)
			files, seeds = append(files, sasrecFile(row.Name, seed, t)), append(seeds, seed)
		}
	}
	for i, file := range files {
		predictions, err := readArtifactJSONL[prediction.Prediction](ctx, w.Bucket, from, file)
		if err != nil {
			return err
		}
		w.builder.AddBaseline(row, t, seeds[i], predictions)
	}
	return nil
}

// addTexts adds the explanations that the students generated, and the ranked statements.
func (w *reportWork) addTexts(ctx context.Context) error {
	for _, trial := range w.Trials {
		texts, err := readPredictions[prediction.Text](
			ctx, w.Bucket, trial.Evaluations, predictionsFile(task.Explanation),
		)
		if err != nil {
			return err
		}
		if texts == nil {
			continue
		}
		if err := w.builder.AddTexts(trialID(trial), texts); err != nil {
			return err
		}
	}
	if err := w.builder.AddStatements(); err != nil || w.Entailment.IsZero() {
		return err
	}
	entailments, err := readArtifactJSON[[]report.Entailment](ctx, w.Bucket, w.Entailment, entailmentFile)
	if err != nil {
		return err
	}
	w.builder.AddEntailments(entailments)
	return nil
}

// secondsOf returns the total time of the stages whose name begins with name.
func secondsOf(stages []registry.StageTime, name string) float64 {
	total := 0.0
	for _, s := range stages {
		if strings.HasPrefix(s.Name, name) {
			total += s.Seconds
		}
	}
	return total
}

// statsOf returns the statistics of a stage.
func statsOf(stages []registry.StageTime, name string) storage.Stats {
	for _, s := range stages {
		if s.Name == name {
			return s.Stats
		}
	}
	return storage.Stats{}
}

// store stores the report as an artifact and beside the run's record.
func (w *reportWork) store(ctx context.Context, dir string, files map[string][]byte) (out ReportResult, err error) {
	run := activity.GetInfo(ctx).WorkflowExecution
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return out, fmt.Errorf("make folder for the report: %w", err)
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return out, fmt.Errorf("write report: %w", err)
		}
		if err := w.Bucket.PutRun(ctx, run.ID, run.RunID, name, data); err != nil {
			return out, err
		}
	}
	out.HTML = storage.RunKey(run.ID, run.RunID, "report.html")
	if out.Report, err = w.Bucket.PutFolder(ctx, "report", dir); err != nil {
		return out, err
	}
	w.Version = build.Version
	record, err := json.MarshalIndent(struct {
		registry.RunRecord
		Report storage.Ref       `json:"report"`
		Build  map[string]string `json:"build"` // of the worker that wrote the report
	}{w.RunRecord, out.Report, w.Build}, "", " ")
	if err != nil {
		return out, fmt.Errorf("encode the run's record: %w", err)
	}
	return out, w.Bucket.PutRun(ctx, run.ID, run.RunID, storage.RunRecord, record)
}
