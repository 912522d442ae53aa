package metric_test

import (
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/metric"
)

// hitAt is a list of different items whose true one has a place, 1 is the first.
func hitAt(rank int) metric.List {
	list := metric.List{Truth: []int{99}}
	for i := 1; i <= 20; i++ {
		item := i
		if i == rank {
			item = 99
		}
		list.Items = append(list.Items, item)
	}
	return list
}

// TestCutsAreInclusive: a hit at place k counts for HR@k and NDCG@k, one at place k+1 does not.
func TestCutsAreInclusive(t *testing.T) {
	gain := map[int]float64{
		1: 1, 2: 0.63092975, 5: 0.38685281, 6: 0.35620719, 10: 0.28906483,
		11: 0.27894295,
	} // 1 / log2(place + 1)
	for _, c := range []struct {
		place int
		want  map[string]float64
	}{
		{1, map[string]float64{"HR@1": 1, "HR@5": 1, "NDCG@5": gain[1], "HR@10": 1, "NDCG@10": gain[1]}},
		{2, map[string]float64{"HR@1": 0, "HR@5": 1, "NDCG@5": gain[2], "HR@10": 1, "NDCG@10": gain[2]}},
		{5, map[string]float64{"HR@1": 0, "HR@5": 1, "NDCG@5": gain[5], "HR@10": 1, "NDCG@10": gain[5]}},
		{6, map[string]float64{"HR@1": 0, "HR@5": 0, "NDCG@5": 0, "HR@10": 1, "NDCG@10": gain[6]}},
		{10, map[string]float64{"HR@1": 0, "HR@5": 0, "NDCG@5": 0, "HR@10": 1, "NDCG@10": gain[10]}},
		{11, map[string]float64{"HR@1": 0, "HR@5": 0, "NDCG@5": 0, "HR@10": 0, "NDCG@10": 0}},
	} {
		for _, strict := range []bool{false, true} {
			got := map[string]float64{}
			for _, score := range metric.ScoreRankings([]metric.List{hitAt(c.place)}, strict, 1) {
				got[score.Metric] = math.Round(1e8*score.Value) / 1e8
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("hit at place %d, strict %t (-want +got):\n%s", c.place, strict, diff)
			}
		}
	}
}

// TestStrictCutsCountDifferentItems: an item that stands twice takes one place of a strict list and
// two of the reference's.
func TestStrictCutsCountDifferentItems(t *testing.T) {
	list := metric.List{Items: []int{1, 1, 2, 2, 3, 5}, Truth: []int{5}} // place 4 of the different items
	for k, want := range map[int][2]float64{3: {0, 0}, 4: {1, 0.43067656}, 5: {1, 0.43067656}} {
		if got := [2]float64{
			metric.StrictHitRate(list, k), math.Round(1e8*metric.StrictNDCG(list, k)) / 1e8,
		}; got != want {
			t.Errorf("strict at %d = %v, want %v", k, got, want)
		}
	}
	for k, want := range map[int][2]float64{5: {0, 0}, 6: {1, 0.35620719}} {
		if got := [2]float64{metric.HitRate(list, k), math.Round(1e8*metric.NDCG(list, k)) / 1e8}; got != want {
			t.Errorf("reference at %d = %v, want %v", k, got, want)
		}
	}
	// Three true items, of which two fit in the cut: the ideal list has two.
	three := metric.List{Items: []int{7, 1, 8}, Truth: []int{7, 8, 9}}
	if got, want := metric.StrictNDCG(three, 2), 1/(1+1/math.Log2(3)); math.Abs(got-want) > 1e-12 {
		t.Errorf("strict NDCG@2 of three true items = %v, want %v", got, want)
	}
}

// TestExplainHasEachMetricInItsRow has texts for which all text metrics differ.
func TestExplainHasEachMetricInItsRow(t *testing.T) {
	texts := []metric.Text{{
		Reference: []string{"a", "b", "c", "d", "e", "f"},
		Generated: []string{"a", "b", "c", "d", "x", "f", "y", "z"},
	}}
	scores, err := metric.ScoreTexts(texts)
	if err != nil {
		t.Fatal(err)
	}
	// BLEU: 5 of 8 words, 3 of 7 pairs, 2 of 6, 1 of 5, no penalty. ROUGE-L: abcdf, beta .625/.8333
	// = .75.
	want := map[string]float64{
		"BLEU-1": 62.5, "BLEU-4": 100 * math.Pow(5./8*3/7*2/6*1/5, 0.25),
		"ROUGE-1 F": 100 * 10. / 14, "ROUGE-1 P": 62.5, "ROUGE-1 R": 100 * 5. / 6,
		"ROUGE-2 F": 50, "ROUGE-2 P": 100 * 3. / 7, "ROUGE-2 R": 60,
		"ROUGE-L F": 100 * 1.5625 * (5. / 6) * (5. / 8) / (5./6 + 0.5625*5/8), "ROUGE-L P": 62.5,
		"ROUGE-L R": 100 * 5. / 6,
	}
	got := map[string]float64{}
	for _, score := range scores {
		got[score.Metric] = score.Value
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-5 })); diff != "" {
		t.Errorf("text metrics (-want +got):\n%s", diff)
	}
	names := []string{
		"BLEU-1", "BLEU-4", "ROUGE-1 F", "ROUGE-1 P", "ROUGE-1 R", "ROUGE-2 F", "ROUGE-2 P", "ROUGE-2 R", "ROUGE-L F",
		"ROUGE-L P", "ROUGE-L R",
	}
	if diff := cmp.Diff(names, metric.Names(metric.Texts)); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

// TestEachMetricHasWhatItNeeds: more is better in all of them but DIV, and each text metric fails
// on its own where there is no text.
func TestEachMetricHasWhatItNeeds(t *testing.T) {
	for _, row := range metric.Table() {
		if row.Higher == (row.Name == "DIV") {
			t.Errorf("%s: more is better: %t", row.Name, row.Higher)
		}
		ranks, texts := row.Input == metric.Rankings, row.Input == metric.Texts
		if ranks != (row.K > 0) || ranks != (row.Reference != nil) || ranks != (row.Strict != nil) ||
			texts != (row.Corpus != nil) || (!ranks && !texts) != (row.Explanations != nil) {
			t.Errorf("%s has not what its input needs", row.Name)
		}
		if row.Corpus == nil {
			continue
		}
		if _, err := row.Corpus(nil); !errors.Is(err, metric.ErrEmptyCorpus) {
			t.Errorf("%s of no texts: error %v, want %v", row.Name, err, metric.ErrEmptyCorpus)
		}
	}
}
