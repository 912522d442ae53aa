package activities_test

import (
	"context"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"go.temporal.io/sdk/testsuite"

	"rdrec/activities"
	"rdrec/internal/report"
	"rdrec/internal/spec"
	"rdrec/registry"
	"rdrec/storage"
)

// testEnv is the activities on a bucket of their own; only the students are not there.
type testEnv struct {
	t      *testing.T
	env    *testsuite.TestActivityEnvironment
	acts   *activities.Activities
	bucket *storage.Bucket
}

func newTestEnv(t *testing.T) *testEnv {
	t.Helper()
	bucket, err := storage.Open(t.Context(), (&url.URL{Scheme: "file", Path: filepath.ToSlash(t.TempDir())}).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bucket.Close() })
	var suite testsuite.WorkflowTestSuite
	b := &testEnv{t: t, env: suite.NewTestActivityEnvironment(), bucket: bucket}
	b.acts = &activities.Activities{
		Bucket: bucket, Scratch: t.TempDir(), Log: zerolog.Nop(), Now: time.Now,
		Build: map[string]string{"libtorch": "2.11.0", "rdrec": "a88729e"},
	}
	b.env.RegisterActivity(b.acts)
	b.env.SetTestTimeout(time.Minute)
	return b
}

// execute runs an activity to its result.
func execute[Out any](b *testEnv, activity, in any) (out Out) {
	b.t.Helper()
	value, err := b.env.ExecuteActivity(activity, in)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := value.Get(&out); err != nil {
		b.t.Fatal(err)
	}
	return out
}

// promote stores files as an artifact.
func (b *testEnv) putArtifact(name string, files map[string]string) storage.Ref {
	b.t.Helper()
	dir := b.t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
	ref, err := b.bucket.PutFolder(context.Background(), name, dir)
	if err != nil {
		b.t.Fatal(err)
	}
	return ref
}

// trialResult is a student that answers as a baseline did.
func (b *testEnv) trialResult(predictions storage.Ref, as, variant string) registry.TrialResult {
	b.t.Helper()
	lines, err := b.bucket.ReadArtifactFile(context.Background(), predictions, as+".sequential.jsonl")
	if err != nil {
		b.t.Fatal(err)
	}
	return registry.TrialResult{
		Method: "rdrec", Variant: variant, Seed: 1,
		Model:       b.putArtifact("model", map[string]string{"training.json": `{"epochs": 1}`}),
		Evaluations: []storage.Ref{b.putArtifact("evaluation", map[string]string{"sequential.jsonl": string(lines)})},
	}
}

// TestReportShowsAblation imports, preprocesses and ranks real data, and reports on two students:
// one that answers as Markov does and, for the ablation, one that answers as popularity does.
func TestReportShowsAblation(t *testing.T) {
	for indexing, leaks := range map[string]bool{spec.AsIs: true, spec.Sequential: false} {
		t.Run(indexing, func(t *testing.T) {
			b := newTestEnv(t)
			s := spec.Default()
			s.Name, s.Protocol, s.Ablate = "ablation", spec.Clean, []string{"skip_pads"}
			s.Data.Folder, s.Data.Indexing = "../testdata/rdrec/beauty_mini", indexing
			in := registry.RunRecord{Spec: s}
			in.Dataset = execute[storage.Ref](b, b.acts.Import, activities.ImportInput{Data: s.Data, Seed: 1})
			in.Preprocessed = execute[storage.Ref](
				b, b.acts.Preprocess, activities.PreprocessInput{Dataset: in.Dataset, Negatives: 99, Seed: 1},
			)
			in.Baseline = execute[storage.Ref](
				b, b.acts.RankBaselines,
				activities.RankBaselinesInput{Preprocessed: in.Preprocessed, Evaluate: s.Evaluate},
			)
			in.Trials = []registry.TrialResult{
				b.trialResult(in.Baseline, "markov", ""), b.trialResult(in.Baseline, "popularity", "skip_pads off"),
			}
			result := execute[activities.ReportResult](b, b.acts.Report, in)
			b.check(result, indexing, leaks)
			b.checkRunRecord(result, in)
		})
	}
}

// checkRunRecord reads the run's own record: everything that decides the bytes is in it, also what
// the spec left to its defaults.
func (b *testEnv) checkRunRecord(result activities.ReportResult, in registry.RunRecord) {
	b.t.Helper()
	run := strings.Split(result.HTML, "/") // runs/<workflow>/<run>/report.html
	data, err := b.bucket.GetRun(context.Background(), run[1], run[2], "run.json")
	if err != nil {
		b.t.Fatal(err)
	}
	var record struct {
		registry.RunRecord
		Build map[string]string
	}
	if err := json.Unmarshal(data, &record); err != nil {
		b.t.Fatal(err)
	}
	if diff := cmp.Diff(in, record.RunRecord); diff != "" {
		b.t.Errorf("the record is not what the report was made of (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(b.acts.Build, record.Build); diff != "" {
		b.t.Errorf("versions (-want +got):\n%s", diff)
	}
}

// check reads the report.
func (b *testEnv) check(result activities.ReportResult, indexing string, leaks bool) {
	b.t.Helper()
	data, err := b.bucket.ReadArtifactFile(context.Background(), result.Report, "report.json")
	if err != nil {
		b.t.Fatal(err)
	}
	var r report.Report
	if err := json.Unmarshal(data, &r); err != nil {
		b.t.Fatal(err)
	}
	if r.Data.Indexing.Name != indexing || r.Data.Indexing.Leaks != leaks {
		b.t.Errorf("indexing %+v", r.Data.Indexing)
	}
	cautioned := false
	for _, caveat := range r.Caveats {
		cautioned = cautioned || strings.Contains(caveat.Text, "data.indexing as-is")
	}
	if cautioned != leaks {
		b.t.Errorf("cautioned %t, want %t: %+v", cautioned, leaks, r.Caveats)
	}
	if len(r.Tables) != 1 || len(r.Tables[0].Ablations) != 2 {
		b.t.Fatalf("tables %+v", r.Tables)
	}
	rows := map[string]report.Row{}
	for _, row := range r.Tables[0].Rows {
		rows[row.Method] = row
	}
	for _, c := range r.Tables[0].Ablations {
		flipped, ok := rows[c.Student].Cell(c.Metric)
		base, found := rows[c.Other].Cell(c.Metric)
		if !ok || !found || c.Student != "rdrec, skip_pads off" || c.Other != "rdrec" || c.Interval == nil ||
			c.N != r.Tables[0].Users {
			b.t.Fatalf("ablation %+v", c)
		}
		if got := flipped.Mean - base.Mean; got-c.Difference > 1e-9 || c.Difference-got > 1e-9 {
			b.t.Errorf("%s: difference %g, the rows' is %g", c.Metric, c.Difference, got)
		}
	}
	unflipped, _ := rows["markov"].Cell("NDCG@10")
	if student, _ := rows["rdrec"].Cell("NDCG@10"); student.Mean != unflipped.Mean {
		b.t.Errorf("the student answers as markov does and has %g, not %g", student.Mean, unflipped.Mean)
	}
}
