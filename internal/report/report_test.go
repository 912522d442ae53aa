package report_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rdrec/internal/dataset"
	"rdrec/internal/metric"
	"rdrec/internal/prediction"
	"rdrec/internal/report"
)

var update = flag.Bool("update", false, "write testdata anew")

// compare checks bytes against a file in testdata, or writes it with -update.
func compare(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (run with -update and look at it): %s", name, diff)
	}
}

func page(t *testing.T, r report.Report) string {
	t.Helper()
	var out bytes.Buffer
	if err := report.HTML(&out, r); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestHTML(t *testing.T) {
	compare(t, "demo.html", []byte(page(t, sample())))
	compare(t, "trials.html", []byte(page(t, trials())))
}

func TestText(t *testing.T) {
	for name, r := range map[string]report.Report{"demo.txt": sample(), "trials.txt": trials()} {
		var out bytes.Buffer
		if err := report.Text(&out, r); err != nil {
			t.Fatal(err)
		}
		compare(t, name, out.Bytes())
	}
}

// TestHTMLIsSelfContained looks for anything that a browser would fetch or run, and for data that
// was not escaped.
func TestHTMLIsSelfContained(t *testing.T) {
	got := page(t, sample())
	for _, pattern := range []string{
		`(?i)<script`, `(?i)<link`, `(?i)<img`, `(?i)@import`, `(?i)url\(`, `(?i)\s(src|on\w+)=`, `(?i)href="[^#]`,
	} {
		if found := regexp.MustCompile(pattern).FindString(got); found != "" {
			t.Errorf("the page has %q", found)
		}
	}
	if !strings.Contains(got, "&lt;script&gt;alert") {
		t.Error("the review with a tag is not there, escaped")
	}
	if strings.Contains(got, "ZgotmplZ") {
		t.Error("a value was refused by the template")
	}
}

// TestEmptyReport leaves out what is not there.
func TestEmptyReport(t *testing.T) {
	r := report.Report{Name: "nothing"}
	r.Conclude()
	got := page(t, r)
	for _, id := range []string{"results", "teacher", "student", "audit", "explanations", "recommendations"} {
		if strings.Contains(got, `id="`+id+`"`) {
			t.Errorf("an empty report has a section %q", id)
		}
	}
	var out bytes.Buffer
	if err := report.Text(&out, r); err != nil || !strings.HasPrefix(out.String(), "nothing · ") {
		t.Errorf("text %q, %v", out.String(), err)
	}
}

func TestJSONRoundTrip(t *testing.T) {
	want := trials()
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got report.Report
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(metric.Score{}, "Each"), cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	if page(t, got) != page(t, want) {
		t.Error("the page made of report.json is another")
	}
}

func has(caveats []report.Caveat, about report.Concern, words string) bool {
	return slices.ContainsFunc(
		caveats, func(c report.Caveat) bool { return c.Concern == about && strings.Contains(c.Text, words) },
	)
}

func TestFewExplanationsAreACaveat(t *testing.T) {
	for explained, want := range map[int]bool{0: true, 199: true, 200: false} {
		r := report.Report{Data: report.Data{
			Texts: 1000, Explained: explained, Language: "en",
			Unexplained: []report.Pair{{Name: "no text", Value: "7"}},
		}}
		r.Conclude()
		words := fmt.Sprintf("Only %d of 1,000 reviews with text have an explanation", explained)
		if has(r.Caveats, report.Caution, words) != want {
			t.Errorf("%d explained: %+v", explained, r.Caveats)
		}
		text := fmt.Sprintf("explanations found in %d of 1,000 reviews with text (word lists: en); no text: 7",
			explained)
		if got := r.Data.Coverage(); got != text {
			t.Errorf("got %q, want %q", got, text)
		}
	}
}

func TestConclude(t *testing.T) {
	demo, many := sample(), trials()
	cases := []struct {
		name  string
		in    report.Report
		about report.Concern
		words string
		want  bool
	}{
		{"demo", demo, report.Caution, "users share one sequence", true},
		{"demo", demo, report.Caution, "not how good a recommender is", true},
		{"demo", demo, report.Uncertain, "rdrec cannot be told apart from markov on the sequential task", true},
		{"demo", demo, report.Caution, "Under-trained", true},
		{"demo", demo, report.Caution, "have an explanation", false},
		{"demo", demo, report.Uncertain, "One seed only", true},
		{"demo", demo, report.Caution, "random weights", true},
		{"demo", demo, report.Caution, "mostly hallucinates: 28%", true},
		{"demo", demo, report.Caution, "256 of 1,980", true},
		{"demo", demo, report.Note, "Protocol paper counts", true},
		{"demo", demo, report.WeakStudent, "", false},
		{"demo", demo, report.DataLeak, "", false},
		{"demo", demo, report.Degenerate, "", false},
		{"demo", demo, report.Uncertain, "apart from popularity", false},
		{"demo", demo, report.Uncertain, "the spec leaves out", false},
		{"trials", many, report.WeakStudent, "rdrec does worse than the item-id rule on the sequential task. " +
			"Because", true},
		{"trials", many, report.WeakStudent, "pod has not shown that it learned more than the item ids reveal", true},
		{"trials", many, report.DataLeak, "", false},
		{"trials", many, report.Uncertain, "Not compared with popularity, markov and item-knn, which the spec", true},
		{"trials", many, report.Uncertain, "One seed only", false},
		{"trials", many, report.Caution, "Under-trained", false},
		{"trials", many, report.Note, "Protocol paper counts", false},
	}
	for _, c := range cases {
		if has(c.in.Caveats, c.about, c.words) != c.want {
			t.Errorf(
				"%s: caveat %q of concern %q there: %t, want %t; all: %+v", c.name, c.words, c.about, !c.want, c.want,
				c.in.Caveats,
			)
		}
	}
	var order []report.Concern
	for _, caveat := range many.Caveats {
		order = append(order, caveat.Concern)
	}
	order = slices.Compact(order)
	if diff := cmp.Diff([]report.Concern{report.WeakStudent, report.Uncertain, report.Caution}, order); diff != "" {
		t.Errorf("the most serious caveats are not first: %s", diff)
	}
	quiet := demo
	notices := []string{"There are no explanations: their task is off."}
	quiet.Students = []report.Student{{Method: "rdrec", TrainingRecord: prediction.TrainingRecord{Notices: notices}}}
	quiet.Conclude()
	if !has(quiet.Caveats, report.Caution, "their task is off") {
		t.Error("a student's notice is no caveat")
	}
	copied := demo
	copied.Teacher = &report.Teacher{Model: "copy", Wanted: 5, Explanations: 5}
	copied.Conclude()
	if !has(copied.Caveats, report.Caution, "There was no teacher") {
		t.Error("no caveat about rationales that are copies")
	}
}

func TestReportShowsBatchHalvings(t *testing.T) {
	short := sample()
	short.Teacher.BatchHalvings = 2
	var text bytes.Buffer
	if err := report.Text(&text, short); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "memory ran out 2 times") ||
		!strings.Contains(page(t, short), "Memory ran out") {
		t.Error("nothing says so")
	}
}

func TestCompare(t *testing.T) {
	table := trials().Tables[0]
	keys := make([]string, 0, len(table.Comparisons))
	for _, c := range table.Comparisons {
		keys = append(keys, c.Student+" "+c.Other+" "+c.Metric+" "+string(c.Test))
		if c.Note == "" && (c.Holm < c.P || math.IsNaN(c.Effect)) {
			t.Errorf("comparison %+v", c)
		}
	}
	want := []string{
		"rdrec pod HR@10 paired bootstrap", "rdrec pod HR@10 Welch's t", "rdrec pod HR@10 paired t",
		"rdrec pod NDCG@10 paired bootstrap", "rdrec pod NDCG@10 Welch's t", "rdrec pod NDCG@10 paired t",
		"rdrec rule HR@10 paired bootstrap", "rdrec rule HR@10 one-sample t", "rdrec rule NDCG@10 paired bootstrap",
		"rdrec rule NDCG@10 one-sample t", "pod rule HR@10 paired bootstrap", "pod rule HR@10 one-sample t",
		"pod rule NDCG@10 paired bootstrap", "pod rule NDCG@10 one-sample t",
	}
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Error(diff)
	}
	one := report.Table{Rows: []report.Row{
		row("rdrec", report.StudentRow, "", lists(1, 0.7, 0.8)), row("pod", report.StudentRow, "", lists(1, 0.7, 0.8)),
	}}
	one.Compare(1)
	for _, c := range one.Comparisons {
		if wantNote := c.Over == "seeds"; (c.Note != "") != wantNote || c.Holm != 1 {
			t.Errorf("one trial each, equal lists: %+v", c)
		}
		const plainly = "no comparison over seeds can be made: it needs two trials of each, and rdrec has 1, pod 1"
		if c.Over == "seeds" && c.Note != plainly {
			t.Errorf("note %q, want %q", c.Note, plainly)
		}
	}
}

func TestCell(t *testing.T) {
	r := report.Row{Trials: []report.Trial{
		{Seed: 1, Scores: []metric.Score{{Metric: "HR@1", Value: 1}}},
		{Seed: 2, Scores: []metric.Score{{Metric: "HR@1", Value: 3}}},
	}}
	cell, found := r.Cell("HR@1")
	if !found || cell.Mean != 2 || math.Abs(cell.SD-math.Sqrt2) > 1e-12 || cell.Trials != 2 || cell.Interval == nil {
		t.Errorf("cell %+v, %t", cell, found)
	}
	if _, found := r.Cell("HR@10"); found {
		t.Error("found a figure that is not there")
	}
}

func TestPickRecommendations(t *testing.T) {
	d := &dataset.Dataset{
		Items: 6, Titles: []string{"soap", "comb", "", "", "", ""}, ItemIDs: []string{"a", "b", "c", "d", "e", "f"},
		UserIDs: []string{"ada"},
	}
	for i := range 5 {
		d.Users = append(d.Users, dataset.User{ID: i + 1, Items: []int{1, 2, 3, 4}})
	}
	d.Users[2].Items, d.Users[3].Items = []int{2, 3, 4}, []int{1, 3, 4}
	lists := []prediction.Prediction{
		{User: 1, Items: []int{4, 9}, Truth: 4}, {User: 2, Items: []int{4}, Truth: 4}, // the same history as user 1
		{User: 3, Items: []int{5, 6}, Truth: 4}, {User: 4, Items: []int{5, 4}, Truth: 4}, {User: 99, Truth: 1},
	}
	pair := report.PickRecommendations(d, "rdrec", lists, 2)
	got := make([]string, 0, len(pair))
	for _, shown := range pair {
		got = append(got, shown.User)
	}
	if diff := cmp.Diff([]string{"ada", "user 3"}, got); diff != "" {
		t.Errorf("one hit and one miss: %s", diff)
	}
	shown := report.PickRecommendations(d, "rdrec", lists, 9)
	want := report.Recommendation{
		User: "ada", Method: "rdrec",
		History:     []report.Item{{ID: 1, Title: "soap"}, {ID: 2, Title: "comb"}, {ID: 3, Title: "c"}},
		Recommended: []report.Item{{ID: 4, Title: "d"}, {ID: 9}}, Truth: report.Item{ID: 4, Title: "d"}, Rank: 1,
	}
	if diff := cmp.Diff(want, shown[0]); diff != "" || len(shown) != 3 {
		t.Errorf("%d shown: %s", len(shown), diff)
	}
}
