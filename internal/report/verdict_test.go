package report_test

import (
	"bytes"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/audit"
	"rdrec/internal/metric"
	"rdrec/internal/report"
)

// outcomes is a table of one student, rdrec, beside methods that are better (+), worse (-) or not
// to be told apart (=) from the student's view, written as "popularity-".
func outcomes(task string, others ...string) report.Table {
	return outcomesOf("rdrec", task, others...)
}

func outcomesOf(student, task string, others ...string) report.Table {
	t := report.Table{Task: task, Users: 100, Rows: []report.Row{scored(student, report.StudentRow, 0.5)}}
	for _, other := range others {
		name, sign := other[:len(other)-1], other[len(other)-1]
		c := report.Comparison{Metric: "NDCG@10", Student: student, Other: name, Over: "users", N: 100}
		c.Difference = map[byte]float64{'+': 0.1, '-': -0.1, '=': 0.001}[sign]
		c.Holm = map[byte]float64{'+': 0.01, '-': 0.01, '=': 0.9}[sign]
		c.Interval = &metric.Interval{Low: c.Difference - 0.05, High: c.Difference + 0.05}
		kind := report.BaselineRow
		if name == "rule" {
			kind = report.RuleRow
		}
		t.Rows = append(t.Rows, scored(name, kind, 0.5-c.Difference))
		t.Comparisons = append(t.Comparisons, c)
	}
	return t
}

// wonAll are the baselines, all beaten.
func wonAll() []string { return []string{"popularity+", "markov+", "item-knn+"} }

func scored(method string, kind report.RowKind, value float64) report.Row {
	return report.Row{Method: method, Kind: kind, Trials: []report.Trial{{
		Scores: []metric.Score{{Metric: "NDCG@10", Value: value}}, Diversity: diverse(),
	}}}
}

func concluded(tables ...report.Table) report.Report {
	r := report.Report{Name: "shop", Trials: 3, Tables: tables}
	r.Conclude()
	return r
}

func TestVerdict(t *testing.T) {
	for name, c := range map[string]struct {
		tables []report.Table
		want   report.Verdict
	}{
		"popularity wins twice": {
			[]report.Table{
				outcomes("sequential", "popularity-", "markov+"),
				outcomes("top-N", "popularity-", "markov-"),
			},
			report.Verdict{
				Decision: report.DoNotServe, Text: "Do not serve rdrec: popularity is better on both tasks.",
			},
		},
		"two methods win twice": {
			[]report.Table{outcomes("sequential", "popularity-", "rule-"), outcomes("top-N", "popularity-", "rule-")},
			report.Verdict{
				Decision: report.DoNotServe,
				Text:     "Do not serve rdrec: popularity and the item-id rule are better on both tasks.",
			},
		},
		"different methods win": {
			[]report.Table{
				outcomes("sequential", "popularity-", "markov+"),
				outcomes("top-N", "popularity+", "markov-"),
			},
			report.Verdict{Decision: report.DoNotServe, Text: "Do not serve rdrec: popularity is better on the " +
				"sequential task and markov is better on the top-N task."},
		},
		"one task is lost, one won": {
			[]report.Table{outcomes("sequential", "popularity+"), outcomes("top-N", "popularity-")},
			report.Verdict{Decision: report.DoNotServe, Text: "Do not serve rdrec for the top-N task, where " +
				"popularity is better; on the sequential task no compared method is better."},
		},
		"one task is lost, one tied": {
			[]report.Table{outcomes("sequential", "popularity="), outcomes("top-N", "popularity-")},
			report.Verdict{Decision: report.DoNotServe, Text: "Do not serve rdrec for the top-N task, where " +
				"popularity is better; on the sequential task it cannot be told apart from popularity."},
		},
		"tied": {
			[]report.Table{
				outcomes("sequential", "popularity+", "markov="),
				outcomes("top-N", "popularity+", "markov+"),
			},
			report.Verdict{Decision: report.Undecided, Text: "Not decided: rdrec cannot be told apart from markov " +
				"on the sequential task; evaluate more users or seeds before serving it."},
		},
		"won": {
			[]report.Table{outcomes("sequential", wonAll()...), outcomes("top-N", wonAll()...)},
			report.Verdict{
				Decision: report.Serve, Text: "Serve rdrec: it is better than popularity, markov and item-knn on " +
					"both tasks.",
			},
		},
		"won one of one": {
			[]report.Table{outcomes("sequential", wonAll()...)},
			report.Verdict{
				Decision: report.Serve,
				Text:     "Serve rdrec: it is better than popularity, markov and item-knn on the sequential task.",
			},
		},
		"a baseline is left out": {
			[]report.Table{outcomes("sequential", "popularity+", "item-knn+", "rule+")},
			report.Verdict{Decision: report.Undecided, Text: "Not decided: rdrec is better than popularity, " +
				"item-knn and " +
				"the item-id rule on the sequential task, but the spec leaves out markov, which may do as well."},
		},
		"no baseline": {
			[]report.Table{outcomes("sequential")},
			report.Verdict{
				Decision: report.Undecided, Text: "Not decided: rdrec was not compared with a simpler method.",
			},
		},
	} {
		c.want.Method = "rdrec"
		if diff := cmp.Diff(c.want, concluded(c.tables...).Verdict); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestVerdictOnSeveralStudents names the best one: by its decision, then by its scores.
func TestVerdictOnSeveralStudents(t *testing.T) {
	both := func(rdrec, pod string) report.Report {
		table := outcomes("sequential", append(wonAll()[:2], rdrec)...)
		other := outcomesOf("pod", "sequential", append(wonAll()[:2], pod)...)
		other.Rows[0] = scored("pod", report.StudentRow, 0.6)
		table.Rows = append(table.Rows[:1:1], append(other.Rows[:1:1], table.Rows[1:]...)...)
		table.Comparisons = append(table.Comparisons, other.Comparisons...)
		return concluded(table)
	}
	for name, c := range map[string]struct{ rdrec, pod, want string }{
		"the second serves": {"item-knn-", "item-knn+", "Serve pod, the best of 2 students: it is better than " +
			"popularity, markov and item-knn on the sequential task."},
		"the first serves": {"item-knn+", "item-knn=", "Serve rdrec, the best of 2 students: it is better than " +
			"popularity, markov and item-knn on the sequential task."},
		"both serve": {"item-knn+", "item-knn+", "Serve pod, the best of 2 students: it is better than popularity, " +
			"markov and item-knn on the sequential task."},
		"both lose": {"item-knn-", "item-knn-", "Do not serve pod, the best of 2 students: item-knn is better on the " +
			"sequential task."},
		"one is tied": {"item-knn-", "item-knn=", "Not decided: pod, the best of 2 students, cannot be told apart " +
			"from item-knn on the sequential task; evaluate more users or seeds before serving it."},
	} {
		if got := both(c.rdrec, c.pod).Verdict.Text; got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// leaky is an audit with a leak.
func leaky() *audit.Audit {
	return &audit.Audit{Findings: []audit.Finding{
		{Level: audit.Leak, Title: "Item ids leak test items", Text: "A rule reads them."},
		{Level: audit.Caution, Title: "Many ties", Text: "So many."},
		{Level: audit.Fine, Title: "Checked", Text: "Fine."},
	}}
}

// TestLeakAndWeaknessAreDifferentThings: a weak student is no leak, and a leak decides nothing
// about a student that loses.
func TestLeakAndWeaknessAreDifferentThings(t *testing.T) {
	weak := concluded(outcomes("sequential", "rule-"))
	if has(weak.Caveats, report.DataLeak, "") || !has(weak.Caveats, report.WeakStudent, "than the item-id rule") {
		t.Errorf("a student below the rule on data without a leak: %+v", weak.Caveats)
	}
	r := report.Report{Tables: []report.Table{outcomes("sequential", "rule+")}, Audit: leaky()}
	r.Conclude()
	want := report.Verdict{Decision: report.Undecided, Method: "rdrec", Text: "Do not decide on rdrec from these " +
		"scores: the data leak test items, so they show nothing about the future."}
	if diff := cmp.Diff(want, r.Verdict); diff != "" {
		t.Error(diff)
	}
	if first := r.Caveats[0]; first.Concern != report.DataLeak || first.Text != "Item ids leak test items. A rule "+
		"reads them." {
		t.Errorf("first caveat %+v", first)
	}
	if !has(r.Caveats, report.Caution, "Many ties. So many.") || has(r.Caveats, report.Note, "Checked") {
		t.Errorf("caveats %+v", r.Caveats)
	}
	r.Tables = []report.Table{outcomes("sequential", "rule-")}
	r.Conclude()
	if r.Verdict.Decision != report.DoNotServe {
		t.Errorf("a student that loses on leaky data: %+v", r.Verdict)
	}
}

func TestNothingEvaluatedIsTheVerdict(t *testing.T) {
	const remedy = "set evaluate.sequential_users or evaluate.topn_users to 0 (all) or more and run again."
	r := report.Report{Students: []report.Student{{Method: "rdrec"}, {Method: "pod"}}}
	r.Conclude()
	want := report.Verdict{Decision: report.NotEvaluated, Text: "Nothing was evaluated: the run trained 2 students, " +
		"and no score shows whether to serve the model; " + remedy}
	if diff := cmp.Diff(want, r.Verdict); diff != "" {
		t.Error(diff)
	}
	r.Students, r.Explanations = r.Students[:1], []report.TextResult{sampleTexts()}
	r.Conclude()
	want.Text = "No recommendation was evaluated: the run trained 1 student and scored explanations only, so nothing " +
		"shows whether to serve the model; " + remedy
	if diff := cmp.Diff(want, r.Verdict); diff != "" {
		t.Error(diff)
	}
}

// degenerate has lists of which most are the same.
func degenerate() metric.ListDiversity {
	d := diverse()
	d.Users, d.FirstShare, d.DistinctFirst = 552, 0.83, 18
	return d
}

func TestDegenerateListsAreAFinding(t *testing.T) {
	table := outcomes("sequential", "popularity+", "markov+")
	table.Rows[0].Trials[0].Diversity = degenerate()
	table.Rows[1].Trials[0].Diversity = metric.ListDiversity{Users: 552, FirstShare: 1, ListShare: 1}
	r := concluded(table)
	if r.Verdict.Decision != report.DoNotServe ||
		r.Verdict.Text != "Do not serve rdrec: its lists hardly depend on the user." {
		t.Errorf("verdict %+v", r.Verdict)
	}
	want := report.Caveat{Concern: report.Degenerate, Text: "The lists of rdrec hardly depend on the user " +
		"(sequential task): 83% of 552 users have the same first item (limit 50%); distinct first items: 18."}
	if diff := cmp.Diff(want, r.Caveats[0]); diff != "" {
		t.Error(diff)
	}
	r.Tables[0].TargetShare = 0.83 // the data are so: most users really choose the same item
	if r.Conclude(); r.Verdict.Decision != report.Undecided || has(r.Caveats, report.Degenerate, "") {
		t.Errorf("lists as uneven as the targets: %+v, %+v", r.Verdict, r.Caveats)
	}
	r.Tables[0].TargetShare = 0.82
	if r.Conclude(); !has(r.Caveats, report.Degenerate, "") {
		t.Error("lists more uneven than the targets have no finding")
	}
	if has(r.Caveats, report.Degenerate, "popularity") {
		t.Error("popularity, which is the same for everyone, has a finding")
	}
	if text := plainText(t, r); !strings.Contains(text, "rdrec 18 83% 8.0% 80 of 85 94%") {
		t.Errorf("the table of lists lacks the student:\n%s", text)
	}
}

func TestRepetitiveTextsAreAFinding(t *testing.T) {
	r := report.Report{Tables: []report.Table{outcomes("sequential", wonAll()...)}}
	r.Explanations = []report.TextResult{sampleTexts()}
	r.Explanations[0].Diversity = metric.TextDiversity{
		Texts: 200, Distinct: 150, DistinctShare: 0.75, Repetitive: 0.4, MeanRun: 3.25,
	}
	r.Conclude()
	if want := "Serve rdrec without its explanations, which are degenerate: it is better than popularity, " +
		"markov and item-knn on the sequential task."; r.Verdict.Text != want {
		t.Errorf("verdict %q, want %q", r.Verdict.Text, want)
	}
	want := "The explanations of rdrec are degenerate: in 40% of 200 texts one repeated word makes up half or " +
		"more (limit 10%); the longest run of one word is 3.2 words on average over 200 texts (limit 2.0)."
	if first := r.Caveats[0]; first.Concern != report.Degenerate || first.Text != want {
		t.Errorf("first caveat %+v, want %q", first, want)
	}
}

// plainText is the terminal page with single spaces.
func plainText(t *testing.T, r report.Report) string {
	t.Helper()
	var out bytes.Buffer
	if err := report.Text(&out, r); err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(out.String()), " ")
}

// TestFormsOfTheReportAgree: the page and the text say what report.json says. At most three caveats
// come before the first table of the text, and all, which are folded, before that of the page.
func TestFormsOfTheReportAgree(t *testing.T) {
	for name, r := range map[string]report.Report{"demo": sample(), "trials": trials()} {
		text, site := plainText(t, r), strings.Join(strings.Fields(html.UnescapeString(page(t, r))), " ")
		places := map[string][]int{}
		for _, caveat := range r.Caveats {
			places["text"] = append(places["text"], strings.Index(text, caveat.Text))
			places["page"] = append(places["page"], strings.Index(site, caveat.Text))
		}
		figures := map[string]int{
			"text": strings.Index(text, "compared on NDCG@10"), "page": strings.Index(site, `class="wide methods"`),
		}
		for form, at := range places {
			before := 0
			for i, place := range at {
				if place < 0 || (i > 0 && place < at[i-1]) {
					t.Errorf("%s, %s: caveat %d is at %d: missing or out of order", name, form, i, place)
				}
				if place < figures[form] {
					before++
				}
			}
			if want := map[string]int{"text": 3, "page": len(at)}[form]; before != want {
				t.Errorf("%s, %s: %d caveats before the first figure, want %d of %d", name, form, before, want, len(at))
			}
		}
		for form, all := range map[string]string{"text": text, "page": site} {
			if at := strings.Index(all, r.Verdict.Text); at < 0 || at > figures[form] {
				t.Errorf("%s, %s: the verdict is at %d", name, form, at)
			}
			for _, s := range r.Standings {
				for _, on := range s.Tasks {
					if words := string(on.Outcome); on.Outcome != "" && !strings.Contains(all, words) {
						t.Errorf("%s, %s: %s against %s lacks %q", name, form, s.Student, s.Other, words)
					}
				}
			}
		}
	}
}

// TestDocsDescribeTheReport: docs/report.md names every decision, every concern and the limits.
func TestDocsDescribeTheReport(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", "report.md"))
	if err != nil {
		t.Fatal(err)
	}
	percent := func(x float64) string { return fmt.Sprintf("%.0f%%", 100*x) }
	wanted := []string{
		"| `first_share` | above " + percent(metric.MaxFirstShare),
		"| `list_share` | above " + percent(metric.MaxListShare),
		"fewer than " + percent(metric.MinCoverage), "| `repetitive` | above " + percent(metric.MaxRepetitive),
		fmt.Sprintf("| `mean_run` | above %.0f", metric.MaxMeanRun),
		"| `distinct_share` | below " + percent(metric.MinDistinctTexts),
		"| `text_share` | above " + percent(metric.MaxTextShare), "| `empty` | above " + percent(metric.MaxEmpty),
		"| `looping` | above " + percent(metric.MaxLooping),
	}
	for _, d := range []report.Decision{report.Serve, report.DoNotServe, report.Undecided, report.NotEvaluated} {
		wanted = append(wanted, "| `"+string(d)+"` |")
	}
	for _, c := range []report.Concern{
		report.DataLeak, report.Degenerate, report.WeakStudent, report.Uncertain, report.Caution, report.Note,
	} {
		wanted = append(wanted, fmt.Sprintf("| %s | `%s` |", c.String(), string(c)))
	}
	for _, words := range wanted {
		if !strings.Contains(string(data), words) {
			t.Errorf("docs/report.md lacks %q", words)
		}
	}
}
