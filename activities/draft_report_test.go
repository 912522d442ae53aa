package activities_test

import (
	"encoding/json"
	"strings"
	"testing"

	"rdrec/activities"
	"rdrec/internal/report"
	"rdrec/registry"
	"rdrec/storage"
)

// TestDraftReportsHaveWhatIsThere writes the report before any trial, after the first of two, and
// not again after the run's own report.
func TestDraftReportsHaveWhatIsThere(t *testing.T) {
	s := newStages(t)
	in := s.record()
	in.Spec.Baselines = []string{"popularity", "sasrec"}
	draft := func(record registry.RunRecord, progress string) report.Report {
		t.Helper()
		out := must[activities.ReportResult](s, s.DraftReport, activities.DraftReportInput{
			Record: record, Progress: progress,
		})
		if !out.Report.IsZero() || out.HTML != storage.RunKey(testWorkflow, testRun, "report.html") {
			t.Errorf("%s: the draft is %+v", progress, out)
		}
		data, err := s.Bucket.GetRun(t.Context(), testWorkflow, testRun, "report.json")
		s.must(err)
		var r report.Report
		s.must(json.Unmarshal(data, &r))
		if r.Verdict.Decision != report.Unfinished || !strings.HasPrefix(r.Verdict.Text, "Running: "+progress) {
			t.Errorf("%s: the verdict is %+v", progress, r.Verdict)
		}
		return r
	}
	without := in
	without.Trials, without.Sasrec = nil, storage.Ref{}
	r := draft(without, "0 of 2 trials were done")
	equal(t, "tables without trials", []int{2, 3, 0}, []int{len(r.Tables), r.Tables[0].Users, len(r.Students)})
	equal(t, "rows without trials", "popularity", r.Tables[0].Rows[0].Method)
	equal(t, "number of rows without trials", 1, len(r.Tables[0].Rows))
	first := in
	first.Trials, first.Entailment = in.Trials[:1], storage.Ref{}
	r = draft(first, "1 of 2 trials were done")
	equal(t, "rows after a trial", 3, len(r.Tables[0].Rows))
	equal(t, "students after a trial", 1, len(r.Students))

	must[activities.ReportResult](s, s.Report, in)
	must[activities.ReportResult](s, s.DraftReport, activities.DraftReportInput{Record: first, Progress: "late"})
	page, err := s.Bucket.GetRun(t.Context(), testWorkflow, testRun, "report.html")
	s.must(err)
	if strings.Contains(string(page), "Running: ") {
		t.Error("a late draft replaced the report")
	}
}
