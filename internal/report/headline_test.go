package report_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/metric"
	"rdrec/internal/report"
)

// TestHeadline takes the mean of two trials in the first table that ranks the verdict's method.
func TestHeadline(t *testing.T) {
	t.Parallel()
	trial := func(value float64) report.Trial {
		return report.Trial{Scores: []metric.Score{{Metric: "HR@1", Value: 0.5}, {Metric: "NDCG@10", Value: value}}}
	}
	r := report.Report{
		Verdict: report.Verdict{Method: "pod"},
		Tables: []report.Table{
			{Task: "sequential", Rows: []report.Row{{Method: "rdrec", Trials: []report.Trial{trial(0.9)}}}},
			{Task: "top-N", Rows: []report.Row{
				{Method: "rdrec", Trials: []report.Trial{trial(0.9)}},
				{Method: "pod", Trials: []report.Trial{trial(0.25), trial(0.75)}},
			}},
		},
	}
	want := &report.Headline{Method: "pod", Task: "top-N", Metric: "NDCG@10", Value: 0.5}
	if diff := cmp.Diff(want, r.Headline()); diff != "" {
		t.Errorf("headline (-want +got):\n%s", diff)
	}
	r.Verdict.Method = ""
	if got := r.Headline(); got != nil {
		t.Errorf("without an evaluated student: %+v", got)
	}
}
