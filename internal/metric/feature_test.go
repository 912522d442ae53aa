package metric_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/metric"
)

// explained returns texts whose references have these features, over a catalog of four.
func explained(features []string, texts ...string) metric.Explanations {
	return metric.FindFeatures(generated(texts...), features, []string{"scent", "price", "hair", "shower gel"})
}

func TestFindFeatures(t *testing.T) {
	e := explained(
		[]string{"Scent", "", "shower  gel"},
		"Great scent, fair PRICE.", "hairs and scents", "at the shower-gel, not the shower of the gel",
	)
	if diff := cmp.Diff([]string{"scent", "", "shower gel"}, e.Features); diff != "" {
		t.Errorf("features (-want +got):\n%s", diff)
	}
	want := []map[string]bool{{"scent": true, "price": true}, {}, {"shower gel": true}}
	if diff := cmp.Diff(want, e.Mentioned); diff != "" || e.Catalog != 4 {
		t.Errorf("catalog of %d (-want +got):\n%s", e.Catalog, diff)
	}
	if got := metric.FindFeatures(nil, nil, []string{"scent", "Scent", "!", ""}).Catalog; got != 1 {
		t.Errorf("catalog of %d, want 1: equal and empty features do not count", got)
	}
}

// TestScoreFeatures expects values computed by hand from the definitions of PETER's utils.
func TestScoreFeatures(t *testing.T) {
	for name, c := range map[string]struct {
		features, texts []string
		want            map[string]float64
	}{
		// Distinct: 3 of 4. Matched: scent and hair of the four features. Covered: scent, price
		// and hair of 4. Pairs: 1 and 2 share scent and price, 3 shares scent with both, 4 nothing:
		// 2+1+1 of 6 pairs.
		"four texts": {
			[]string{"scent", "hair", "price", "hair"},
			[]string{"the scent and the price", "the scent and the price", "a fine scent", "soft hair"},
			map[string]float64{"USR": 0.75, "FMR": 0.5, "FCR": 0.75, "DIV": 4. / 6},
		},
		// Of two references with a feature, one is matched.
		"a reference without a feature": {
			[]string{"scent", "", "price"},
			[]string{"scent", "price", "hair"},
			map[string]float64{"USR": 1, "FMR": 0.5, "FCR": 0.75, "DIV": 0},
		},
		"no references with features": {
			[]string{"", ""}, []string{"scent", "scent"}, map[string]float64{"USR": 0.5, "FCR": 0.25, "DIV": 1},
		},
		"one text": {[]string{"scent"}, []string{""}, map[string]float64{"USR": 1, "FMR": 0, "FCR": 0}},
		"no texts": {nil, nil, map[string]float64{}},
	} {
		got := map[string]float64{}
		for _, score := range metric.ScoreFeatures(explained(c.features, c.texts...)) {
			got[score.Metric] = score.Value
		}
		near := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-12 })
		if diff := cmp.Diff(c.want, got, near); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestEachMatchesItsMean: the values of each text have the score as their mean.
func TestEachMatchesItsMean(t *testing.T) {
	e := explained([]string{"scent", "", "hair"}, "scent", "hair", "price")
	score, err := metric.FeatureMatchingRatio(e)
	if diff := cmp.Diff([]float64{1, 0}, score.Each); diff != "" || err != nil || score.N != 2 {
		t.Errorf("FMR of %d texts, %v (-want +got):\n%s", score.N, err, diff)
	}
	texts := []metric.Text{
		{Reference: strings.Fields("a b c"), Generated: strings.Fields("a b d e")},
		{Reference: strings.Fields("a b"), Generated: nil},
	}
	scores, err := metric.ScoreTexts(texts)
	if err != nil {
		t.Fatal(err)
	}
	for _, score := range scores {
		bleu := strings.HasPrefix(score.Metric, "BLEU")
		if bleu != (score.Each == nil) || !bleu && math.Abs(metric.Mean(score.Each)-score.Value) > 1e-9 {
			t.Errorf("%s: %v has the mean of %v", score.Metric, score.Value, score.Each)
		}
		if score.Metric == "ROUGE-1 R" && math.Abs(score.Each[0]-200./3) > 1e-9 {
			t.Errorf("recall %v of the first text, want 2 of 3 words", score.Each[0])
		}
	}
}

func TestFeatureMetricsNeedFeatures(t *testing.T) {
	e := metric.FindFeatures(generated("a scent", "a price"), []string{"scent", "price"}, nil)
	for _, row := range metric.Table() {
		if row.Input != metric.Features || row.Name == "USR" {
			continue
		}
		if score, err := row.Explanations(e); !errors.Is(err, metric.ErrNoFeatures) {
			t.Errorf("%s without a catalog: %v, %v", row.Name, score, err)
		}
	}
}
