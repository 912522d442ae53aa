package report_test

import (
	"strings"
	"testing"

	"rdrec/internal/baseline"
	"rdrec/internal/prediction"
	"rdrec/internal/report"
	"rdrec/internal/spec"
	"rdrec/internal/task"
)

// TestConventionsNameTheSource: what is known about ties and filters depends on where the data are
// from.
func TestConventionsNameTheSource(t *testing.T) {
	of := func(change func(*report.Run)) string {
		run := shopRun()
		change(&run)
		return strings.Join(newBuilder(t, run).Report().Conventions, "\n")
	}
	reviews := func(run *report.Run) {
		run.Spec.Data.Folder, run.Spec.Data.Reviews = "", &spec.Reviews{Path: "reviews.csv", UserCore: 3, ItemCore: 2}
	}
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"a folder without times": {
			of(func(*report.Run) {}), []string{"Order of equal times: unknown", "Filters of users and items: unknown"},
		},
		"a folder with times": {
			of(func(run *report.Run) { run.Dataset.Users[0].Times = []int64{1, 2, 2} }),
			[]string{"Order of equal times: that of sequential.txt."},
		},
		"reviews": {
			of(reviews),
			[]string{"that of the rows in the files", "fewer than 3 items and items with fewer than 2 users"},
		},
	} {
		for _, want := range append(c.want, "Popularity ties: by item id.", "all items of a user but the last two") {
			if !strings.Contains(c.text, want) {
				t.Errorf("%s: no %q in:\n%s", name, want, c.text)
			}
		}
	}
}

// TestConventionsNameTheWords: the rule for Chinese is there once, if there is any.
func TestConventionsNameTheWords(t *testing.T) {
	for text, want := range map[string]int{"这个电池很好": 1, "nice": 0} {
		b := newBuilder(t, shopRun())
		for _, method := range []string{"pod", "rdrec"} {
			texts := []prediction.Text{{User: 1, Item: 1, Reference: text, Generated: text}}
			if err := b.AddTexts(report.TrialID{Method: method, Seed: 1}, texts); err != nil {
				t.Fatal(err)
			}
		}
		all := strings.Join(b.Report().Conventions, "\n")
		if got := strings.Count(all, "each character of Chinese and Japanese is one"); got != want {
			t.Errorf("%q: %d times in %q, want %d", text, got, all, want)
		}
	}
}

func TestTiesStandBesideTheTable(t *testing.T) {
	ties := baseline.Ties{Users: 4, Timed: 4, Affected: 3, Sampled: 4, Ranges: []baseline.TieRange{
		{Baseline: "popularity", Metric: "HR@10", Low: 0.13, High: 0.19},
		{Baseline: "popularity", Metric: "NDCG@10", Low: 0.06, High: 0.08},
		{Baseline: "markov", Metric: "HR@10", Low: 0.11, High: 0.16},
	}}
	b := newBuilder(t, shopRun())
	b.AddTies(ties) // no table yet
	b.AddRecommendations(report.TrialID{Method: "rdrec", Seed: 1}, task.Sequential, ranked(1))
	b.AddTies(baseline.Ties{Users: 4})
	if r := b.Report(); r.Tables[0].TieNote != "" {
		t.Errorf("a note without times: %q", r.Tables[0].TieNote)
	}
	b = newBuilder(t, shopRun())
	b.AddRecommendations(report.TrialID{Method: "rdrec", Seed: 1}, task.Sequential, ranked(1))
	b.AddTies(ties)
	r := b.Report()
	const note = "Range over 20 random orders of equal times (4 users): popularity HR@10 0.1300 to 0.1900, NDCG@10 " +
		"0.0600 to 0.0800; markov HR@10 0.1100 to 0.1600."
	if got := r.Tables[0].TieNote; got != note {
		t.Errorf("note %q, want %q", got, note)
	}
	const affected = "The last item of 3 of the 4 evaluated users (75%) shares its time with another of their items."
	if last := r.Conventions[len(r.Conventions)-1]; last != affected {
		t.Errorf("convention %q, want %q", last, affected)
	}
	files, err := r.Files()
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if !strings.Contains(strings.Join(strings.Fields(string(content)), " "), "popularity HR@10 0.1300 to 0.1900") {
			t.Errorf("%s lacks the ranges", name)
		}
	}
}
