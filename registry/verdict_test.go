package registry_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/metric"
	"rdrec/registry"
	"rdrec/storage"
)

func TestSentence(t *testing.T) {
	fell := &registry.Comparison{
		Metric: "NDCG@10", Users: 552, Candidate: 0.0172, Current: 0.04, Difference: -0.0228,
		Interval: metric.Interval{Low: -0.0284, High: -0.0172},
	}
	for want, run := range map[string]registry.NightlyRun{
		"NDCG@10 fell by 57% (95% -71% to -43%): rejected": {Verdict: registry.VerdictRejected, Comparison: fell},
		"NDCG@10 rose by 2.0% (95% -1.0% to +12%): promoted": {
			Verdict: registry.VerdictPromoted, Comparison: &registry.Comparison{
				Metric: "NDCG@10", Users: 9, Candidate: 0.51, Current: 0.5, Difference: 0.01,
				Interval: metric.Interval{Low: -0.005, High: 0.06},
			},
		},
		"HR@1 did not change (0.2500): promoted": {
			Verdict: registry.VerdictPromoted, Comparison: &registry.Comparison{
				Metric: "HR@1", Users: 9, Candidate: 0.25, Current: 0.25,
			},
		},
		"HR@1 rose from 0.0000 to 0.2500 (95% +0.1000 to +0.4000): promoted": {
			Verdict: registry.VerdictPromoted, Comparison: &registry.Comparison{
				Metric: "HR@1", Users: 9, Candidate: 0.25, Difference: 0.25,
				Interval: metric.Interval{Low: 0.1, High: 0.4},
			},
		},
		"HR@1 fell by 100%: rejected": {
			Verdict: registry.VerdictRejected,
			Comparison: &registry.Comparison{
				Metric: "HR@1", Users: 1, Current: 1, Difference: -1, Interval: metric.Interval{Low: -1, High: 1},
			},
		},
		"HR@1 is 0.2500, that of popularity 0.1250: promoted": {
			Verdict:  registry.VerdictFirst,
			Baseline: &registry.Comparison{Metric: "HR@1", Baseline: "popularity", Candidate: 0.25, Current: 0.125},
		},
		"3 rows are unreadable: rejected": {
			Verdict: registry.VerdictRejected, Reasons: []string{"3 rows are unreadable"},
		},
		"nothing new to train on": {Verdict: registry.VerdictIdle},
		"failed: torn file":       {Verdict: registry.VerdictFailed, Reasons: []string{"torn file"}, Comparison: fell},
	} {
		if got := run.Sentence(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestSentences(t *testing.T) {
	run := registry.NightlyRun{
		Verdict: registry.VerdictRejected, Promotion: 2, Reasons: []string{"too bad"},
		Comparison: &registry.Comparison{
			Metric: "HR@1", Users: 1, Candidate: 0.25, Current: 0.5, Difference: -0.25,
		},
		Baseline: &registry.Comparison{Metric: "HR@1", Baseline: "popularity", Current: 0.125},
		SetAside: []registry.SetAside{{File: storage.File{Name: "inbox/a.csv"}, Reason: "a.csv:1: torn"}},
		Lists: &metric.ListDiversity{
			Users: 552, Items: 12101, Recommended: 18, Coverage: 18.0 / 12101, FirstShare: 0.83,
		},
	}
	want := []string{
		"The new model is rejected: promotion 2 stays in use.",
		"HR@1 fell by 50%: 0.2500 after 0.5000 on the same 1 users.",
		"The HR@1 of popularity on these users is 0.1250.",
		"18 of 12101 items recommended (0.1%), 83% of 552 users with the same first item.",
		"The run set aside inbox/a.csv: a.csv:1: torn",
		"too bad",
	}
	if diff := cmp.Diff(want, run.Sentences()); diff != "" {
		t.Error(diff)
	}
	for verdict, want := range map[string]string{
		registry.VerdictFirst:    "is the first and is now in use",
		registry.VerdictPromoted: "is now in use as promotion 0",
		registry.VerdictRejected: "is rejected: no model is in use",
	} {
		first := registry.NightlyRun{Verdict: verdict}
		if got := first.Sentences(); len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
