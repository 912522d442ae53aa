package activities_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/activities"
	"rdrec/internal/build"
	"rdrec/internal/report"
	"rdrec/internal/spec"
	"rdrec/registry"
	"rdrec/storage"
)

// trialResult is a student that answers as a baseline did.
func (s *inboxEnv) trialResult(predictions storage.Ref, as, variant string) registry.TrialResult {
	s.t.Helper()
	lines, err := s.Bucket.ReadArtifactFile(s.t.Context(), predictions, as+".sequential.jsonl")
	if err != nil {
		s.t.Fatal(err)
	}
	return registry.TrialResult{
		Method: "rdrec", Variant: variant, Seed: 1,
		Model:       s.putArtifact("training.json", `{"epochs": 1}`),
		Evaluations: []storage.Ref{s.putArtifact("sequential.jsonl", string(lines))},
	}
}

// TestReportShowsAblation imports, preprocesses and ranks real data, and reports on two students:
// one that answers as Markov does and, for the ablation, one that answers as popularity does.
func TestReportShowsAblation(t *testing.T) {
	for indexing, leaks := range map[string]bool{spec.AsIs: true, spec.Sequential: false} {
		t.Run(indexing, func(t *testing.T) {
			s := newInboxEnv(t)
			s.Build = map[string]string{"libtorch": "2.11.0", "rdrec": "a88729e"}
			settings := spec.Default()
			settings.Name, settings.Protocol, settings.Ablate = "ablation", spec.Clean, []string{"skip_pads"}
			settings.Data.Folder, settings.Data.Indexing = "../testdata/rdrec/beauty_mini", indexing
			in := registry.RunRecord{Spec: settings}
			in.Dataset = must[storage.Ref](s, s.Import, activities.ImportInput{Data: settings.Data, Seed: 1})
			in.Preprocessed = must[storage.Ref](
				s, s.Preprocess, activities.PreprocessInput{Dataset: in.Dataset, Negatives: 99, Seed: 1},
			)
			in.Baseline = must[storage.Ref](
				s, s.RankBaselines,
				activities.RankBaselinesInput{Preprocessed: in.Preprocessed, Evaluate: settings.Evaluate},
			)
			in.Trials = []registry.TrialResult{
				s.trialResult(in.Baseline, "markov", ""), s.trialResult(in.Baseline, "popularity", "skip_pads off"),
			}
			result := must[activities.ReportResult](s, s.Report, in)
			s.check(result, indexing, leaks)
			s.checkRunRecord(result, in)
		})
	}
}

// checkRunRecord reads the run's own record: everything that decides the bytes is in it, also what
// the spec left to its defaults.
func (s *inboxEnv) checkRunRecord(result activities.ReportResult, in registry.RunRecord) {
	s.t.Helper()
	run := strings.Split(result.HTML, "/") // runs/<workflow>/<run>/report.html
	data, err := s.Bucket.GetRun(s.t.Context(), run[1], run[2], "run.json")
	if err != nil {
		s.t.Fatal(err)
	}
	var record struct {
		registry.RunRecord
		Build map[string]string
	}
	if err := json.Unmarshal(data, &record); err != nil {
		s.t.Fatal(err)
	}
	in.Version = build.Version
	if diff := cmp.Diff(in, record.RunRecord); diff != "" {
		s.t.Errorf("the record is not what the report was made of (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(s.Build, record.Build); diff != "" {
		s.t.Errorf("versions (-want +got):\n%s", diff)
	}
}

// check reads the report.
func (s *inboxEnv) check(result activities.ReportResult, indexing string, leaks bool) {
	s.t.Helper()
	data, err := s.Bucket.ReadArtifactFile(s.t.Context(), result.Report, "report.json")
	if err != nil {
		s.t.Fatal(err)
	}
	var r report.Report
	if err := json.Unmarshal(data, &r); err != nil {
		s.t.Fatal(err)
	}
	if r.Data.Indexing.Name != indexing || r.Data.Indexing.Leaks != leaks {
		s.t.Errorf("indexing %+v", r.Data.Indexing)
	}
	cautioned := false
	for _, caveat := range r.Caveats {
		cautioned = cautioned || strings.Contains(caveat.Text, "data.indexing as-is")
	}
	if cautioned != leaks {
		s.t.Errorf("cautioned %t, want %t: %+v", cautioned, leaks, r.Caveats)
	}
	if len(r.Tables) != 1 || len(r.Tables[0].Ablations) != 2 {
		s.t.Fatalf("tables %+v", r.Tables)
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
			s.t.Fatalf("ablation %+v", c)
		}
		if got := flipped.Mean - base.Mean; got-c.Difference > 1e-9 || c.Difference-got > 1e-9 {
			s.t.Errorf("%s: difference %g, the rows' is %g", c.Metric, c.Difference, got)
		}
	}
	unflipped, _ := rows["markov"].Cell("NDCG@10")
	if student, _ := rows["rdrec"].Cell("NDCG@10"); student.Mean != unflipped.Mean {
		s.t.Errorf("the student answers as markov does and has %g, not %g", student.Mean, unflipped.Mean)
	}
}
