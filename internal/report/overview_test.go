package report_test

import (
	"html"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
	"rdrec/internal/prediction"
	"rdrec/internal/report"
)

// words returns the text of a page on one line.
func words(t *testing.T, r report.Report) string {
	t.Helper()
	return strings.Join(strings.Fields(html.UnescapeString(page(t, r))), " ")
}

// TestOrderOfThePage: what a reader decides by comes first, and the rest below "Details".
func TestOrderOfThePage(t *testing.T) {
	got, last := page(t, sample()), -1
	for _, part := range []string{
		`class="verdict `, `class="cautions"`, `id="results"`, `id="served"`, `id="coverage"`, `id="recommendations"`,
		`id="explanations"`, `id="details"`, `id="figures"`, `id="texts"`, `id="student"`, `id="teacher"`, `id="data"`,
		`id="audit"`, `id="cost"`, `id="lineage"`,
	} {
		at := strings.Index(got, part)
		if at <= last {
			t.Errorf("%s is at %d: missing or out of order", part, at)
		}
		last = at
	}
}

func TestPageExplainsItself(t *testing.T) {
	got := words(t, sample())
	for _, want := range []string{
		"The run trained 1 recommender (rdrec) on the histories of 991 users with 85 items, to predict each user's " +
			"next item, and compared the rankings with those of 4 simpler methods on the same users.",
		// All stages but the cached import: 142.3 + 1.2 + 0.4 + 154 + 41.7 + 12.8 = 352.4 s; on the
		// queue of accelerators 142.3 + 154 = 296.3 s.
		"This run worked 5m52s, of which 296 CPU-seconds in stages that train, generate or rank with models, and its " +
			"teacher generated 8,719 tokens. It reused 1 stage of earlier runs, which took 0.9s then.",
		"436 of the 8,719 tokens that the teacher generated for these rationales (5.0%) were wasted",
		"31 of the 212 users with “Fruits & Passion Blue Refreshing Shower Gel - 6.7 fl. oz.” in their training " +
			"items also have it.",
		"“rdrec” is one model, a T5 of 4,987,136 parameters (t5-mini), without a mix.",
		"Lists of “rdrec” for different users, with different lists: 1 hit and 1 miss.",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// TestPartsOfTheFusion: what a part adds is the fusion less the fusion without it.
func TestPartsOfTheFusion(t *testing.T) {
	r := withFusion()
	for i := range r.Tables {
		r.Tables[i].Ablations = nil
	}
	r.Tables[0].Ablations = []report.Comparison{
		{
			Metric: "NDCG@10", Student: "pod, fusion without decayed-mix", Other: "pod, fusion", Over: "users",
			Difference: -0.05, P: 0.001, Holm: 0.002,
		},
		{
			Metric: "NDCG@10", Student: "pod, fusion without search", Other: "pod, fusion", Over: "users",
			Difference: 0.01, P: 0.2, Holm: 0.4,
		},
		{Metric: "HR@10", Student: "pod, fusion without search", Other: "pod, fusion", Over: "users"},
	}
	got := page(t, r)
	for _, want := range []string{
		// decayed-mix has .4 alone, the fusion .45 without it.
		`<th scope="row">decayed-mix</th><td>0.4000</td><td>0.4500</td><td>&#43;0.0500</td><td>–</td><td>0.002</td>` +
			`<td class="left"><strong class="outcome helps">▲ helps</strong></td>`,
		`<th scope="row">search</th><td>0.4000</td><td>-</td><td>-0.0100</td><td>–</td><td>0.400</td>` +
			`<td class="left"><strong class="outcome uncertain">≈ uncertain</strong></td>`,
	} {
		if strings.Count(got, want) != 1 {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// TestPickedListsDiffer: users with the same first item or the same truth are shown only where
// there are not enough others.
func TestPickedListsDiffer(t *testing.T) {
	d := &dataset.Dataset{Items: 9}
	var lists []prediction.Prediction
	for i, items := range [][]int{{1, 4}, {1, 4}, {2, 5}, {3, 6}, {1, 4}, {7, 8}} {
		d.Users = append(d.Users, dataset.User{ID: i + 1, Items: []int{9, i + 1, 8, items[1]}})
		lists = append(lists, prediction.Prediction{User: i + 1, Items: items, Truth: items[1]})
	}
	for _, c := range []struct {
		n    int
		want []string
	}{
		{3, []string{"user 1", "user 3", "user 4"}},
		{5, []string{"user 1", "user 3", "user 4", "user 6", "user 2"}},
	} {
		var got []string
		for _, shown := range report.PickRecommendations(d, "pod", lists, c.n) {
			got = append(got, shown.User)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%d: %s", c.n, diff)
		}
	}
}

// TestWhy counts the training items alone: the last two of each user are held out.
func TestWhy(t *testing.T) {
	d := &dataset.Dataset{Items: 9, Titles: make([]string, 9), Users: []dataset.User{
		{ID: 1, Items: []int{1, 2, 8, 9}}, // the reader: trains on 1 and 2
		{ID: 2, Items: []int{1, 5, 8, 9}},
		{ID: 3, Items: []int{2, 5, 8, 9}},
		{ID: 4, Items: []int{2, 5, 8, 9}},
		{ID: 5, Items: []int{1, 3, 5, 9}}, // 5 is held out
	}}
	shown := report.PickRecommendations(d, "pod", []prediction.Prediction{
		{User: 1, Items: []int{5, 6}, Truth: 9}, {User: 5, Items: []int{7}, Truth: 9},
	}, 2)
	want := &report.CoOccurrence{With: report.Item{ID: 2}, Users: 3, Both: 2}
	if diff := cmp.Diff(want, shown[0].Why); diff != "" || shown[1].Why != nil {
		t.Errorf("%s, and %+v", diff, shown[1].Why)
	}
}
