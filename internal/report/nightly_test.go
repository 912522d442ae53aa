package report_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/metric"
	"rdrec/internal/report"
)

func score(value, low, high float64) *metric.Score {
	return &metric.Score{Metric: "NDCG@10", Value: value, Interval: &metric.Interval{Low: low, High: high}}
}

// nightly are four runs: a first, a usual one, one of which much is odd, and one with nothing new;
// and a rollback by hand.
func nightly() report.Nightly {
	day := func(n int) time.Time { return time.Date(2026, 1, n, 3, 0, 0, 0, time.UTC) }
	n := report.Nightly{Name: "shop", Made: day(5), InUse: 3, Metric: "NDCG@10", Rows: []report.NightlyRun{
		{
			Number: 1, Time: day(1), Verdict: "first", Promotion: 1, Files: 1, Score: score(0.2, 0.15, 0.25),
			NightlyCounts: report.NightlyCounts{NewRows: 100, Rows: 100, NewRationales: 10, NewParsed: 10},
			Summary:       "NDCG@10 is 0.2000, that of popularity 0.1000: promoted",
			BaselineName:  "popularity", Baseline: 0.1, ReportKey: "runs/w/1/report.html",
			Lists: &metric.ListDiversity{Users: 8, Items: 4, Recommended: 3, Coverage: 0.75, FirstShare: 0.5},
		},
		{
			Number: 2, Time: day(2), Verdict: "promoted", Promotion: 2, Files: 1, Score: score(0.22, 0.18, 0.26),
			NightlyCounts: report.NightlyCounts{NewRows: 120, Rows: 220, NewRationales: 20, NewParsed: 19},
			Difference:    &metric.Difference{Mean: 0.02, Interval: metric.Interval{Low: -0.01, High: 0.05}, P: 0.0001},
		},
		{
			Number: 3, Time: day(3), Verdict: "rejected", Promotion: 2, Files: 2, Score: score(0.1, 0.05, 0.15),
			NightlyCounts: report.NightlyCounts{
				NewRows: 900, NewBad: 450, Rows: 1120, NewRationales: 10, NewParsed: 5,
			},
			Reasons: []string{"<b>worse</b>"},
		},
		{Time: day(3), Verdict: "rollback", Promotion: 3, Summary: "by hand: the model of promotion 1 is in use again"},
		{Number: 4, Time: day(4), Verdict: "idle", Promotion: 3},
	}}
	n.DetectDrift()
	return n
}

func TestDetectDrift(t *testing.T) {
	var got [][]string
	for _, row := range nightly().Rows {
		got = append(got, row.Drift)
	}
	want := [][]string{nil, nil, {
		"volume: 900 rows, median of earlier runs 120", "unreadable rows: 50% after a usual 0%",
		"parse rate: 50% after a usual 100%",
		"NDCG@10: 0.1000, below run 2's interval (0.1800–0.2600)",
	}, nil, nil}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestNightlyPage(t *testing.T) {
	var html, text bytes.Buffer
	if err := report.NightlyHTML(&html, nightly()); err != nil {
		t.Fatal(err)
	}
	compare(t, "nightly.html", html.Bytes())
	if err := report.NightlyText(&text, nightly()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Promotion 3 is in use.", "parse rate: 50%", "0.2200", "&lt;b&gt;worse&lt;/b&gt;", "popularity 0.1000",
		"3 of 4 items", "that of popularity 0.1000: promoted", "by hand: the model of promotion 1",
		"<dt>Runs shown</dt><dd>4</dd>", `<a href="../../runs/w/1/report.html">report of run 1</a>`,
		`<span class="state good">✓ Promoted</span>`, `<span class="state bad">✗ Rejected</span>`,
		`<span class="state warn">↩ Rolled back by hand</span>`,
		`<span class="state plain">– Nothing new to train on</span>`,
		`<strong class="outcome uncertain">≈ uncertain</strong><small>&#43;0.0200 (-0.0100 to &#43;0.0500)</small>`,
	} {
		if !strings.Contains(html.String(), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Index(html.String(), ">Run 4<") > strings.Index(html.String(), ">Run 1<") {
		t.Error("the newest night does not come first")
	}
	for _, want := range []string{
		"shop · promotion 3 is in use · 4 runs", "by hand: the model of promotion 1 is in use again",
		"that of popularity 0.1000: promoted",
		"lists: 3 of 4 items recommended (75%), 50% of 8 users with the same first item",
		"why: <b>worse</b>", "drift: volume: 900 rows", "0.2000 (0.1500–0.2500)",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the text lacks %q:\n%s", want, text.String())
		}
	}
}
