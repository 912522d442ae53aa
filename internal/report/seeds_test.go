package report_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rdrec/internal/metric"
	"rdrec/internal/report"
)

// rowWithSeeds is a row with a figure of NDCG@10 for each seed, and nothing of its users.
func rowWithSeeds(method string, kind report.RowKind, first int64, figures ...float64) report.Row {
	r := report.Row{Method: method, Kind: kind}
	for i, figure := range figures {
		r.Trials = append(
			r.Trials, report.Trial{Seed: first + int64(i), Scores: []metric.Score{{Metric: "NDCG@10", Value: figure}}},
		)
	}
	return r
}

var (
	ours   = []float64{0.0512, 0.0479, 0.0533}
	theirs = []float64{0.0461, 0.0455, 0.0490}
)

// The expected figures are those of scipy 1.17.1: ttest_ind(equal_var=False), ttest_rel and
// ttest_1samp with confidence_interval.
func TestComparisonsOverSeeds(t *testing.T) {
	table := report.Table{Rows: []report.Row{
		rowWithSeeds("rdrec", report.StudentRow, 1, ours...), rowWithSeeds("pod", report.StudentRow, 1, theirs...),
		rowWithSeeds("popularity", report.BaselineRow, 0, 0.0450),
	}}
	table.Compare(1)
	var got []report.Comparison
	for _, c := range table.Comparisons {
		if c.Over == "seeds" && c.Metric == "NDCG@10" && c.Student == "rdrec" {
			got = append(got, c)
		}
	}
	podP := oneSampleP(t, table)
	want := []report.Comparison{
		{
			Metric: "NDCG@10", Student: "rdrec", Other: "pod", Over: "seeds", Test: report.Welch, N: 3,
			Difference: 0.0508 - 0.14060/3,
			Interval:   &metric.Interval{Low: -0.001640832055563807, High: 0.009507498722230454},
			T:          2.0622564460703128, DF: 3.545647028858829, P: 0.11709042129482286, Holm: 0.11709042129482286,
			Effect: 1.6838253372125767,
		},
		{
			Metric: "NDCG@10", Student: "rdrec", Other: "pod", Over: "seeds", Test: report.PairedSeeds, N: 3,
			Difference: 0.0508 - 0.14060/3,
			Interval:   &metric.Interval{Low: 0.00048822449197941705, High: 0.007378442174687249},
			T:          4.912404276037396, DF: 2, P: 0.039029318613648306, Holm: 0.039029318613648306,
			Effect: 2.836177931138459,
		},
		{
			Metric: "NDCG@10", Student: "rdrec", Other: "popularity", Over: "seeds", Test: report.OneSample, N: 3,
			Difference: 0.0058,
			Interval:   &metric.Interval{Low: 0.04403785044038016 - 0.045, High: 0.05756214955961982 - 0.045},
			T:          3.6904516252595045, DF: 2, P: 0.06621502447938536, Holm: min(1, 2*0.06621502447938536),
			Effect: 2.1306832392748696,
		},
	}
	if podP < 0.06621502447938536 { // Holm: the smaller of the two is doubled, the other at least that
		want[2].Holm = max(2*podP, 0.06621502447938536)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(1e-9, 1e-12)); diff != "" {
		t.Error(diff)
	}
}

// oneSampleP is pod's p-value against popularity, the other member of that family.
func oneSampleP(t *testing.T, table report.Table) float64 {
	t.Helper()
	for _, c := range table.Comparisons {
		if c.Student == "pod" && c.Test == report.OneSample && c.Metric == "NDCG@10" {
			return c.P
		}
	}
	t.Fatal("pod is not compared with popularity over seeds")
	return 0
}

func TestEqualTrialsAreNotTested(t *testing.T) {
	table := report.Table{Rows: []report.Row{
		rowWithSeeds("rdrec", report.StudentRow, 1, 0.05, 0.05),
		rowWithSeeds("popularity", report.BaselineRow, 0, 0.04),
	}}
	table.Compare(1)
	const want = "rdrec against popularity over seeds: the trials do not vary on NDCG@10, so no t-test can be made"
	for _, c := range table.Comparisons {
		if c.Test == report.OneSample && c.Metric == "NDCG@10" && (c.Note != want || c.P != 1) {
			t.Errorf("note %q, p %g; want %q", c.Note, c.P, want)
		}
	}
}

// TestSingleTrialOfTrainedModelIsNotDeterministic: SASRec has seeds, so its single figure is not
// what a one-sample test is made against.
func TestSingleTrialOfTrainedModelIsNotDeterministic(t *testing.T) {
	table := report.Table{Rows: []report.Row{
		rowWithSeeds("rdrec", report.StudentRow, 1, ours...), rowWithSeeds("sasrec", report.ModelRow, 1, 0.04),
	}}
	table.Compare(1)
	const want = "no comparison over seeds can be made: it needs two trials of each, and rdrec has 3, sasrec 1"
	found := 0
	for _, c := range table.Comparisons {
		if c.Over != "seeds" {
			continue
		}
		if found++; c.Test != report.Welch || c.Note != want {
			t.Errorf("%s on %s: %q", c.Test, c.Metric, c.Note)
		}
	}
	if found != 2 {
		t.Errorf("%d comparisons over seeds, want one for each metric", found)
	}
	table.Rows[1] = rowWithSeeds("sasrec", report.ModelRow, 1, theirs...)
	table.Compare(1)
	if !strings.Contains(fmt.Sprint(table.Comparisons), string(report.PairedSeeds)) {
		t.Errorf("equal seeds were not paired: %+v", table.Comparisons)
	}
}

func TestDifferentSeedsAreNotPaired(t *testing.T) {
	table := report.Table{Rows: []report.Row{
		rowWithSeeds("rdrec", report.StudentRow, 1, ours...), rowWithSeeds("pod", report.StudentRow, 7, theirs...),
	}}
	table.Compare(1)
	for _, c := range table.Comparisons {
		if c.Test == report.PairedSeeds {
			t.Errorf("seeds 1 to 3 were paired with 7 to 9: %+v", c)
		}
	}
}

// published is a report on data with a digest, after one method's trials.
func published(sequences, source string, figures ...float64) report.Report {
	r := report.Report{Protocol: "clean", Data: report.Data{
		Sequences: sequences, Source: source,
	}, Tables: []report.Table{{
		Task: "sequential", Users: 22363, Rows: []report.Row{rowWithSeeds("rdrec", report.StudentRow, 1, figures...)},
	}}}
	r.Data.Stats.Users = 22363
	r.ComparePublished()
	return r
}

// The expected figures are scipy 1.17.1's ttest_ind(equal_var=False) of ours and the ten of the
// script; the effect is Cohen's d.
func TestComparePublished(t *testing.T) {
	r := published(beautySequences, "data/anything", ours...)
	if r.Published == nil || len(r.Published.Rows) != 1 {
		t.Fatalf("published: %+v", r.Published)
	}
	got := r.Published.Rows[0]
	want := report.PublishedRow{
		Task: "sequential", Metric: "NDCG@10", Method: "rdrec", PublishedMethod: "RDRec",
		Ours:   report.MeanSD{N: 3, Mean: 0.0508, SD: 0.002722131517763241},
		Theirs: report.MeanSD{N: 10, Mean: 0.05044, SD: 0.00339254083738624}, Difference: 0.00036,
		Interval: &metric.Interval{Low: -0.0048726627657890015, High: 0.005592662765788986}, P: 0.8589430823393875,
		Holm:   0.8589430823393875,
		Effect: 0.10972754339391802,
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(1e-9, 1e-12)); diff != "" {
		t.Error(diff)
	}
	if notes := fmt.Sprint(r.Published.Notes); !strings.Contains(notes, "were not run here") ||
		!strings.Contains(notes, "Protocol clean") {
		t.Errorf("notes %q", notes)
	}
	if r.Tables[0].Comparisons != nil {
		t.Error("the published trials got among the table's comparisons")
	}
}

func TestComparePublishedNeedsMatchingData(t *testing.T) {
	if r := published("00", "data/shop", ours...); r.Published != nil {
		t.Errorf("data of no paper: %+v", r.Published)
	}
	r := published("00", "data/beauty", ours...)
	if r.Published == nil || len(r.Published.Rows) != 0 ||
		!strings.Contains(fmt.Sprint(r.Published.Notes), "not those of the reference") {
		t.Errorf("data that is only called beauty: %+v", r.Published)
	}
	one := published(beautySequences, "beauty", ours[0])
	if row := one.Published.Rows[0]; row.Note == "" || row.P != 1 || math.Abs(row.Difference-0.00076) > 1e-9 {
		t.Errorf("one trial: %+v", row)
	}
}

// Sports' top-N hit rate at 10 is below its own hit rate at 5 in the script: a caveat appears
// wherever it is used.
func TestPublishedCaveatIsShown(t *testing.T) {
	r := report.Report{Data: report.Data{
		Sequences: "52a070d154b15894032f6aede02085f456063a5692ba00e9bae2f7a045415ac1",
	}, Tables: []report.Table{{
		Task: "top-N", Rows: []report.Row{{Method: "pod", Kind: report.StudentRow, Trials: []report.Trial{
			{Seed: 1, Scores: []metric.Score{{Metric: "HR@10", Value: 0.2}}},
			{Seed: 2, Scores: []metric.Score{{Metric: "HR@10", Value: 0.21}}},
		}}},
	}}}
	r.ComparePublished()
	var out strings.Builder
	if err := report.Text(&out, r); err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{"not run here", "topn pod", "POD 0.0386", "topn HR@10: POD's hit rate at 10 is " +
		"below its own hit rate at 5"} {
		if !strings.Contains(out.String(), words) {
			t.Errorf("%q is missing from:\n%s", words, out.String())
		}
	}
}

// A rule that reads item ids only and beats popularity among the candidates shows that the item ids
// leak the answer.
func TestRuleAmongCandidatesReportsLeak(t *testing.T) {
	table := func(candidates int, rule float64) report.Report {
		r := report.Report{Tables: []report.Table{{Task: "top-N", Users: 976, Candidates: candidates}}}
		r.Tables[0].Rows = []report.Row{
			row("rdrec", report.StudentRow, "", lists(6, 0.52, 0.79)),
			row("popularity", report.BaselineRow, "", lists(7, 0.36, 0.81)),
			row("rule", report.RuleRow, "", lists(8, 0.1, rule)),
		}
		r.Tables[0].Compare(1)
		r.Conclude()
		return r
	}
	const words = "leak the candidates of the top-N task"
	const figures = "0.9703, popularity 0.8105, chance 0.1000"
	if r := table(100, 0.97); !has(r.Caveats, report.DataLeak, words) || !has(r.Caveats, report.DataLeak, figures) {
		t.Errorf("a rule at .97: %+v", r.Caveats)
	}
	if r := table(100, 0.81); has(r.Caveats, report.DataLeak, words) {
		t.Errorf("a rule as good as popularity: %+v", r.Caveats)
	}
	if r := table(0, 0.97); has(r.Caveats, report.DataLeak, words) {
		t.Errorf("no candidates: %+v", r.Caveats)
	}
	weak := table(100, 0.5)
	weak.Tables[0].Rows[0] = row("rdrec", report.StudentRow, "", lists(6, 0.1, 0.5))
	weak.Tables[0].Compare(1)
	weak.Conclude()
	if !has(weak.Caveats, report.WeakStudent, "rdrec does worse than popularity on the top-N task.") {
		t.Errorf("a student below popularity: %+v", weak.Caveats)
	}
}
