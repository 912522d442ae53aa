package report_test

import (
	"bytes"
	"strings"
	"testing"

	"rdrec/internal/fusion"
	"rdrec/internal/report"
)

// withFusion is a run whose fusion is better than the student and the baselines; the top-N task has
// the student alone, which is worse than markov there.
func withFusion() report.Report {
	table := outcomesOf("pod, fusion", "sequential", append(wonAll(), "pod+", "decayed-mix+")...)
	table.Rows[0].Kind = report.FusionRow
	for i, row := range table.Rows {
		if row.Method == "pod" {
			table.Rows[i].Kind = report.StudentRow
		}
	}
	without := scored("pod, fusion without decayed-mix", report.AblationRow, 0.45)
	table.Rows = append(table.Rows, without)
	r := report.Report{Name: "shop", Seed: 3, Trials: 2, Tables: []report.Table{
		table, outcomesOf("pod", "top-N", "popularity+", "markov-", "item-knn+"),
	}}
	mix := fusion.Mix{Parts: []string{"search", "decayed-mix"}, Candidates: 50, Groups: []fusion.Group{
		{Users: 1200, Score: []float64{0.75, 1.5}}, {MinHistory: 8, Users: 300, Score: []float64{1.25, 0.5}},
	}}
	for _, seed := range []int64{3, 4} {
		fitted := fusion.Fitted{
			Mix: mix, Validation: 0.625, Dropped: []string{"markov"}, Users: 2000, Covered: 1500,
		}
		r.Fusions = append(r.Fusions, report.Fusion{Method: "pod", Seed: seed, Fitted: fitted})
	}
	r.Conclude()
	return r
}

// TestVerdictIsAboutTheFusion: the student's weakness is no finding, because the fusion is served.
func TestVerdictIsAboutTheFusion(t *testing.T) {
	r := withFusion()
	const want = "Serve pod, fusion: it is better than pod, popularity, markov, item-knn and decayed-mix on the " +
		"sequential task."
	if v := r.Verdict; v.Decision != report.Serve || v.Method != "pod, fusion" || v.Text != want {
		t.Errorf("verdict %+v, want %q", v, want)
	}
	for _, c := range r.Caveats {
		if c.Concern == report.WeakStudent {
			t.Errorf("caveat %+v", c)
		}
	}
}

// TestVerdictOnABeatenFusion: a task without a fusion is not spoken of.
func TestVerdictOnABeatenFusion(t *testing.T) {
	table := outcomesOf("pod, fusion", "sequential", "popularity+", "markov-", "item-knn+")
	table.Rows[0].Kind = report.FusionRow
	r := concluded(table, outcomesOf("pod", "top-N", wonAll()...))
	const want = "Do not serve pod, fusion for the sequential task, where markov is better."
	if r.Verdict.Text != want {
		t.Errorf("verdict %q, want %q", r.Verdict.Text, want)
	}
}

// TestAMissingTaskHasNoScore: the fusion is not evaluated on the top-N task, so it has a dash
// there.
func TestAMissingTaskHasNoScore(t *testing.T) {
	var text bytes.Buffer
	if err := report.Text(&text, withFusion()); err != nil {
		t.Fatal(err)
	}
	words := strings.Join(strings.Fields(text.String()), " ")
	for _, want := range []string{"pod, fusion (student) 0.5000 –", "pod (student) 0.4000 0.5000"} {
		if !strings.Contains(words, want) {
			t.Errorf("no %q in the table of standings:\n%s", want, text.String())
		}
	}
}

// TestFusionTable shows each part of the first seed's fusion, alone and left out.
func TestFusionTable(t *testing.T) {
	r := withFusion()
	var text, page bytes.Buffer
	if err := report.Text(&text, r); err != nil {
		t.Fatal(err)
	}
	if err := report.HTML(&page, r); err != nil {
		t.Fatal(err)
	}
	words := strings.Join(strings.Fields(text.String()), " ")
	for _, want := range []string{
		"Fusion of pod, seed 3 part alone without it adds up to 7 items (1,200 users) 8 items or more (300 users)",
		// pod has .4, the fusion .5 and .45 without decayed-mix, whose own score is .4; there is no
		// run without the search.
		"search 0.4000 - - 0.75 1.25 decayed-mix 0.4000 0.4500 +0.0500 1.50 0.50",
		"of 2,000 users, of which 75% are among the candidates (50 of each part): NDCG@10 0.6250 there. Left out, " +
			"because the mix is as good without on these users: markov.",
	} {
		if !strings.Contains(words, want) {
			t.Errorf("the text lacks %q:\n%s", want, text.String())
		}
	}
	for _, want := range []string{
		"<h3>Fusion of pod, seed 3: weights</h3>", "<td>1.50</td><td>0.50</td>",
	} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page.String(), "Fusion of pod, seed 4") {
		t.Error("the page shows the weights of every seed")
	}
}
