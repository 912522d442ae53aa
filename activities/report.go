package activities

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"go.temporal.io/sdk/activity"

	"rdrec/internal/audit"
	"rdrec/internal/dataset"
	"rdrec/internal/indexing"
	"rdrec/internal/prediction"
	"rdrec/internal/report"
	"rdrec/internal/spec"
	"rdrec/internal/teacher"
	"rdrec/registry"
	"rdrec/storage"
)

// ReportResult is where the report is.
type ReportResult struct {
	// Report is an artifact with report.html, report.json and report.txt.
	Report storage.Ref `json:"report"`
	// HTML is the key of the run's own copy.
	HTML string `json:"html"`
}

// Report collects and scores the outputs of the stages, and writes report.html, report.json,
// report.txt and the run's record.
func (a *Activities) Report(ctx context.Context, in registry.RunRecord) (out ReportResult, err error) {
	ctx, work, err := a.begin(ctx, "report")
	defer work.finish(&err)
	if err != nil {
		return out, err
	}
	data, err := a.readDataset(ctx, in.Preprocessed, filepath.Join(work.dir, "preprocessed"))
	if err != nil {
		return out, err
	}
	w := &reportBuilder{Activities: a, RunRecord: in, data: data}
	if err := w.assemble(ctx); err != nil {
		return out, err
	}
	files, err := render(w.report)
	if err != nil {
		return out, err
	}
	return w.store(ctx, filepath.Join(work.dir, "report"), files)
}

// reportBuilder is a running [Activities.Report].
type reportBuilder struct {
	*Activities
	registry.RunRecord
	data   *dataset.Dataset
	report report.Report
}

// assemble fills the report from the artifacts.
func (w *reportBuilder) assemble(ctx context.Context) error {
	info := activity.GetInfo(ctx)
	auditResult := audit.Run(w.data, w.Spec.Seed)
	yaml, err := w.Spec.YAML()
	if err != nil {
		return err
	}
	w.report = report.Report{
		Name: w.Spec.Name, Run: info.WorkflowExecution.ID + "/" + info.WorkflowExecution.RunID, Made: w.Now().UTC(),
		Protocol: w.Spec.Protocol, Switches: w.Spec.ChangedSwitches(), Methods: w.Spec.Methods, Seed: w.Spec.Seed,
		Trials: w.Spec.Trials, Spec: string(yaml),
		Audit: &auditResult, Build: pairs(w.Build),
	}
	for _, fill := range []func(context.Context) error{w.source, w.teacher, w.students, w.rankings, w.texts} {
		if err := fill(ctx); err != nil {
			return err
		}
	}
	for _, s := range w.Stages {
		w.report.Stages = append(w.report.Stages, report.Stage{
			Name: s.Name, Cached: s.Cached, Seconds: s.Seconds, Fingerprint: s.Fingerprint, Output: s.Output.Digest,
		})
	}
	w.report.Artifacts = w.artifacts()
	for i := range w.report.Tables {
		w.report.Tables[i].Compare(w.Spec.Seed)
	}
	w.report.ComparePublished()
	w.report.Conclude()
	if w.NightlyRun != nil {
		w.report.Verdict = append(w.NightlyRun.Summary(), w.report.Verdict...)
	}
	return nil
}

// artifacts returns the places of the run's artifacts in the bucket.
func (w *reportBuilder) artifacts() []report.Pair {
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

// source describes the origin of the data, what the import kept of it, and the item indexing.
func (w *reportBuilder) source(ctx context.Context) error {
	w.report.Data = report.Data{
		Name: w.Spec.Name, Source: w.Spec.Data.Folder, Digest: w.Identity.Data,
		Sequences: w.data.SequenceDigest(), Stats: w.data.Stats(),
	}
	record, err := readArtifactJSON[indexing.Record](ctx, w.Bucket, w.Dataset, indexingRecord)
	if err != nil {
		return err
	}
	row, err := spec.IndexingNamed(record.Indexing)
	if err != nil {
		return fmt.Errorf("read %s: %w: %w", indexingRecord, ErrData, err)
	}
	d := &w.report.Data
	d.Indexing = report.Indexing{Name: row.Name, About: row.About, Note: record.Note, Leaks: row.Leaks}
	if w.Spec.Data.Reviews == nil {
		return nil
	}
	counts, err := readArtifactJSON[importCounts](ctx, w.Bucket, w.Dataset, importRecord)
	if err != nil {
		return err
	}
	d.Source, d.Rows, d.Bad = w.Spec.Data.Reviews.Path, counts.Rows, counts.Bad
	d.Duplicates, d.Filtered = counts.Duplicates, counts.Filtered
	return nil
}

// rationaleSamples is how many rationales the report shows.
const rationaleSamples = 8

// teacher describes the teacher and its rationales.
func (w *reportBuilder) teacher(ctx context.Context) error {
	if w.Rationales.IsZero() {
		return nil
	}
	d, err := readArtifactJSON[Distillation](ctx, w.Bucket, w.Rationales, registry.DistillationFile)
	if err != nil {
		return err
	}
	if d.Explanations == 0 {
		return nil // the data have a rationale for each explanation: no teacher was needed
	}
	rows, err := readArtifactJSONL[teacher.Rationale](ctx, w.Bucket, w.Rationales, rationalesFile)
	if err != nil {
		return err
	}
	timing := statsOf(w.Stages, "distill")
	t := &report.Teacher{
		Model: d.Teacher, Prompt: d.Prompt, Parse: w.Spec.Teacher.Parse, Weights: w.Identity.Teacher,
		Explanations: d.Explanations, Wanted: d.Wanted - d.Skipped, Requests: timing.Requests, Seconds: timing.Seconds,
		Parsed: d.Quality.Parsed, Retried: d.Quality.Retried, Quarantined: d.Quality.Quarantined,
		Leaked: d.Quality.Leaked, FellBack: d.Quality.FellBack,
		PromptTokens: d.Quality.PromptTokens, Tokens: d.Quality.Tokens, Grounded: d.Quality.Grounded,
		BatchHalvings: timing.BatchHalvings,
	}
	for _, r := range d.Quality.Reasons {
		t.Reasons = append(t.Reasons, report.Pair{Name: r.Reason, Value: strconv.Itoa(r.Count)})
	}
	if t.Requests > 0 {
		t.TokensPerSecond = float64(timing.Tokens) / max(t.Seconds, 1e-3)
	}
	for _, row := range rows[:min(len(rows), rationaleSamples)] {
		t.Samples = append(t.Samples, report.Rationale{
			Text: row.Text, Preference: row.Preference, Attribution: row.Attribution, Failed: row.Failed,
		})
	}
	w.report.Teacher = t
	return nil
}

// students describes each student's training.
func (w *reportBuilder) students(ctx context.Context) error {
	for _, trial := range w.Trials {
		record, err := readArtifactJSON[prediction.TrainingRecord](
			ctx, w.Bucket, trial.Model, prediction.TrainingRecordFile,
		)
		if err != nil {
			return err
		}
		w.report.Students = append(w.report.Students, report.Student{
			Method: trial.Name(), Seed: trial.Seed, Size: w.Spec.Student.Size, Pretrained: w.Spec.Student.Pretrained,
			TrainingRecord: record, MaxEpochs: w.Spec.Train.Epochs,
			Seconds: secondsOf(trial.Stages, "pretrain"),
		})
	}
	return nil
}

// render returns the report in its three formats, by file name.
func render(r report.Report) (map[string][]byte, error) {
	var html, text bytes.Buffer
	if err := report.HTML(&html, r); err != nil {
		return nil, err
	}
	if err := report.Text(&text, r); err != nil {
		return nil, err
	}
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return nil, fmt.Errorf("encode report: %w", err)
	}
	return map[string][]byte{"report.html": html.Bytes(), "report.txt": text.Bytes(), "report.json": data}, nil
}

// store stores the report as an artifact and beside the run's record.
func (w *reportBuilder) store(ctx context.Context, dir string, files map[string][]byte) (out ReportResult, err error) {
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

func pairs(m map[string]string) []report.Pair {
	list := make([]report.Pair, 0, len(m))
	for name, value := range m {
		list = append(list, report.Pair{Name: name, Value: value})
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	return list
}
