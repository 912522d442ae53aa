package metric_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
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

// TestTooFewFiguresOnEitherSide: one figure is too few, on one side as on both; two are enough.
func TestTooFewFiguresOnEitherSide(t *testing.T) {
	for name, test := range map[string]func(a, b []float64) (metric.Test, error){
		"student": metric.StudentT,
		"welch":   metric.Welch,
	} {
		for _, c := range []struct {
			a, b []float64
			want error
		}{
			{[]float64{1}, []float64{1, 2, 4}, metric.ErrTooFew},
			{[]float64{1, 2, 4}, []float64{1}, metric.ErrTooFew},
			{nil, []float64{1, 2, 4}, metric.ErrTooFew},
			{[]float64{1, 3}, []float64{2, 4}, nil},
		} {
			if _, err := test(c.a, c.b); !errors.Is(err, c.want) {
				t.Errorf("%s of %d and %d figures: error %v, want %v", name, len(c.a), len(c.b), err, c.want)
			}
		}
	}
	if _, err := metric.BootstrapPaired([]float64{1}, []float64{2}, 10, 1); !errors.Is(err, metric.ErrTooFew) {
		t.Errorf("paired bootstrap of one user: error %v, want %v", err, metric.ErrTooFew)
	}
	if _, err := metric.BootstrapPaired([]float64{1, 2}, []float64{2, 1}, 10, 1); err != nil {
		t.Errorf("paired bootstrap of two users: %v", err)
	}
	if _, err := metric.Paired([]float64{1, 2}, []float64{2, 4}); err != nil {
		t.Errorf("paired t-test of two users: %v", err)
	}
	// The t quantile of one degree of freedom is tan(.475 pi), 12.7062047: the standard error of 1
	// and 3 is 1.
	got, err := metric.MeanInterval([]float64{1, 3})
	if err != nil || math.Abs(got.Low-(2-12.7062047)) > 1e-6 || math.Abs(got.High-(2+12.7062047)) > 1e-6 {
		t.Errorf("interval of two trials %+v, %v", got, err)
	}
}

// TestUnequalSamples has samples of two and three figures, whose sums can be done by hand: means 2
// and 4, variances 2 and 4. P is the integral of the t density, computed apart.
func TestUnequalSamples(t *testing.T) {
	a, b := []float64{1, 3}, []float64{2, 4, 6}
	effect := -2 / math.Sqrt(10./3) // the pooled variance is (1*2 + 2*4) / 3
	student, err := metric.StudentT(a, b)
	checkTest(t, "student", student, err, metric.Test{
		T: -1.2, P: 0.31626211469810, DF: 3, Difference: -2, Error: 5. / 3,
		Effect: effect,
	})
	welch, err := metric.Welch(a, b)
	checkTest(t, "welch", welch, err, metric.Test{
		T: -2 / math.Sqrt(7./3), P: 0.28502284001428, DF: 49. / 17, Difference: -2, Error: math.Sqrt(7. / 3),
		Effect: effect,
	})
	// Equal variances of the means, 2 / 2 and 3 / 3, of samples of unequal sizes.
	if got, err := metric.Welch(a, []float64{0, 0, 3}); err != nil || math.Abs(got.DF-8./3) > 1e-12 {
		t.Errorf("welch: %v degrees of freedom, %v; want 8/3", got.DF, err)
	}
	// Without any variance: an infinite T, and the degrees of freedom of equal variances.
	constant, err := metric.Welch([]float64{1, 1}, []float64{2, 2, 2})
	if err != nil || !math.IsInf(constant.T, -1) || constant.P != 0 || constant.DF != 3 {
		t.Errorf("welch of constants = %+v, %v; want T -Inf, P 0, DF 3", constant, err)
	}
	equal, err := metric.Welch([]float64{2, 2}, []float64{2, 2, 2})
	if err != nil || !math.IsNaN(equal.T) || !math.IsNaN(equal.P) || equal.DF != 3 {
		t.Errorf("welch of one constant = %+v, %v; want T and P NaN, DF 3", equal, err)
	}
}

// TestPairedBootstrapP pins P at its ends and at means of exactly zero.
func TestPairedBootstrapP(t *testing.T) {
	ones, zeros := slices.Repeat([]float64{1}, 50), make([]float64, 50)
	for _, c := range []struct {
		name   string
		a, b   []float64
		rounds int
		want   float64
	}{
		{"no resample on the other side", ones, zeros, 1000, 2. / 1001},
		{"the same, the other way round", zeros, ones, 1000, 2. / 1001},
		{"one round", ones, zeros, 1, 1},
		{"three rounds", ones, zeros, 3, 0.5},
		{"no difference", ones, ones, 1000, 1},
	} {
		if got, err := metric.BootstrapPaired(c.a, c.b, c.rounds, 1); err != nil || got.P != c.want {
			t.Errorf("%s: P %v, %v; want %v", c.name, got.P, err, c.want)
		}
	}
	// Of two users, one better and one equal, a quarter of the resamples is exactly zero. They
	// count against either sign: P is about a half.
	for _, a := range [][]float64{{1, 0}, {-1, 0}} {
		got, err := metric.BootstrapPaired(a, []float64{0, 0}, 4000, 1)
		if err != nil || math.Abs(got.P-0.5) > 0.05 {
			t.Errorf("differences %v: P %v, %v; want about 0.5", a, got.P, err)
		}
	}
}

func TestQuantile(t *testing.T) {
	for _, c := range []struct {
		sorted  []float64
		q, want float64
	}{
		{[]float64{1, 2, 3, 4, 5}, 0, 1},
		{[]float64{1, 2, 3, 4, 5}, 0.025, 1.1},
		{[]float64{1, 2, 3, 4, 5}, 0.5, 3},
		{[]float64{1, 2, 3, 4, 5}, 0.975, 4.9},
		{[]float64{1, 2, 3, 4, 5}, 1, 5},
		{[]float64{1, 2, 10}, 0.75, 6},
		{[]float64{7}, 0.025, 7},
		{[]float64{7}, 0.975, 7},
	} {
		if got := metric.Quantile(c.sorted, c.q); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("quantile %g of %v = %v, want %v", c.q, c.sorted, got, c.want)
		}
	}
}

// plain resamples figures that hold no zero, user after user, and returns the 2.5 and 97.5
// percentiles of 1000 means: with 999 steps between the lowest and the highest they are at 24.975
// and 974.025.
func plain(values []float64, seed uint64) metric.Interval {
	random := rand.New(rand.NewPCG(seed, 0x626f6f74)) // "boot"
	means := make([]float64, 1000)
	for i := range means {
		for range values {
			means[i] += values[random.IntN(len(values))]
		}
		means[i] /= float64(len(values))
	}
	slices.Sort(means)
	return metric.Interval{
		Low:  means[24] + 0.975*(means[25]-means[24]),
		High: means[974] + 0.025*(means[975]-means[974]),
	}
}

// TestBootstrapIsDeterministic: an interval is that of the seed's stream, in [metric.Bootstrap],
// [metric.BootstrapPaired] and [metric.ScoreRankings].
func TestBootstrapIsDeterministic(t *testing.T) {
	values, doubled := make([]float64, 40), make([]float64, 40)
	for i := range values {
		values[i] = 1 + float64(i*i%17)
		doubled[i] = 2 * values[i]
	}
	nearly := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-9 })
	for _, seed := range []int64{1, 7} {
		want := plain(values, uint64(seed))
		if diff := cmp.Diff(want, metric.Bootstrap(values, metric.Resamples, seed), nearly); diff != "" {
			t.Errorf("seed %d (-want +got):\n%s", seed, diff)
		}
		paired, err := metric.BootstrapPaired(doubled, values, metric.Resamples, seed)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, paired.Interval, nearly); diff != "" {
			t.Errorf("paired, seed %d (-want +got):\n%s", seed, diff)
		}
	}
	lists := make([]metric.List, 60)
	for i := range lists {
		lists[i] = hitAt(1 + i%20)
	}
	intervals := map[string]bool{}
	for seed := range int64(3) {
		score := metric.ScoreRankings(lists, true, seed)[4] // NDCG@10
		if diff := cmp.Diff(metric.Bootstrap(score.Each, 1000, seed), *score.Interval); diff != "" {
			t.Errorf("seed %d of a ranking (-want +got):\n%s", seed, diff)
		}
		intervals[fmt.Sprint(*score.Interval)] = true
	}
	if len(intervals) != 3 {
		t.Errorf("three seeds have the intervals %v", intervals)
	}
}

// TestBootstrapAtItsEnds: one round has one mean, no round none; figures without a zero, or of
// zeros alone, are resampled too.
func TestBootstrapAtItsEnds(t *testing.T) {
	if got := metric.Bootstrap([]float64{1, 2, 4}, 0, 1); got != (metric.Interval{}) {
		t.Errorf("no rounds: %+v, want none", got)
	}
	one := metric.Bootstrap([]float64{1, 2, 4}, 1, 1)
	if one.Low != one.High || one.Low < 1 || one.Low > 4 {
		t.Errorf("one round: %+v, want one mean between 1 and 4", one)
	}
	if got, want := metric.Bootstrap([]float64{3, 3, 3}, 100, 1), (metric.Interval{Low: 3, High: 3}); got != want {
		t.Errorf("equal figures: %+v, want %+v", got, want)
	}
	if got := metric.Bootstrap(make([]float64, 5), 100, 1); got != (metric.Interval{}) {
		t.Errorf("zeros: %+v, want zeros", got)
	}
}

// TestBLEUByHand has orders at their ends and texts at theirs.
func TestBLEUByHand(t *testing.T) {
	text := func(reference, generated []string) []metric.Text {
		return []metric.Text{{Reference: reference, Generated: generated}}
	}
	abcd := []string{"a", "b", "c", "d"}
	for order, fails := range map[int]bool{-1: true, 0: true, 1: false, metric.MaxOrder: false, metric.MaxOrder +
		1: true} {
		got, err := metric.BLEU(text(abcd, abcd), order, false)
		if (err != nil) != fails || !fails && math.Abs(got.Score-1) > 1e-12 {
			t.Errorf("BLEU-%d of equal texts = %v, %v; fails %t", order, got.Score, err, fails)
		}
	}
	for _, c := range []struct {
		name      string
		generated []string
		want      float64 // BLEU-2
	}{
		{"one word short", []string{"a", "b", "c"}, math.Exp(-1. / 3)},                  // all match; 4 / 3 words
		{"one word more", []string{"a", "b", "c", "d", "e"}, math.Sqrt(4. / 5 * 3 / 4)}, // no brevity penalty
		// the second "a" matches nothing
		{"a word twice", []string{"a", "a", "b", "c"}, math.Sqrt(3. / 4 * 2 / 3)},
		{"no pair", []string{"d", "c", "b", "a"}, 0},
		{"one word", []string{"a"}, 0}, // it has no pair
	} {
		if got, err := metric.BLEU(text(abcd, c.generated), 2, false); err != nil ||
			math.Abs(got.Score-c.want) > 1e-12 {
			t.Errorf("%s: BLEU-2 %v, %v; want %v", c.name, got.Score, err, c.want)
		}
	}
}

// TestROUGEByHand: sets of n-grams, so that a repeated one counts once; subsequences, so that gaps
// do not matter.
func TestROUGEByHand(t *testing.T) {
	texts := []metric.Text{{Reference: []string{"a", "b", "c", "d"}, Generated: []string{"a", "a", "x", "c", "d"}}}
	nearly := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-7 })
	for _, c := range []struct {
		name string
		of   func() (metric.Rouge, error)
		want metric.Rouge
	}{
		// The generated words are a, x, c, d; three of them are in the reference.
		{
			"1", func() (metric.Rouge, error) { return metric.ROUGEN(texts, 1) },
			metric.Rouge{F: 0.75, Precision: 0.75, Recall: 0.75},
		},
		// Of aa, ax, xc, cd one is among ab, bc, cd.
		{
			"2", func() (metric.Rouge, error) { return metric.ROUGEN(texts, 2) },
			metric.Rouge{F: 2. / 7, Precision: 0.25, Recall: 1. / 3},
		},
		// a, c, d: 3 of 5 and 3 of 4; beta is .6/.75 = .8, F = 1.64*.75*.6 / (.75 + .64*.6).
		{"L", func() (metric.Rouge, error) { return metric.ROUGEL(texts) }, metric.Rouge{
			F: 0.738 / 1.134, Precision: 0.6,
			Recall: 0.75,
		}},
	} {
		if got, err := c.of(); err != nil || !cmp.Equal(c.want, got, nearly) {
			t.Errorf("ROUGE-%s = %+v, %v; want %+v", c.name, got, err, c.want)
		}
	}
	// The reference's two additions of 1e-12, to thirteen digits.
	if got, err := metric.ROUGEL(texts); err != nil || math.Abs(got.F-0.6507936507929872) > 1e-13 {
		t.Errorf("ROUGE-L F = %.16f, %v; want %.16f", got.F, err, 0.6507936507929872)
	}
	if _, err := metric.ROUGEL(nil); !errors.Is(err, metric.ErrEmptyCorpus) {
		t.Errorf("ROUGE-L of nothing: error %v, want %v", err, metric.ErrEmptyCorpus)
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

// TestEachMetricHasWhatItNeeds: more is better in all of them, and each text metric fails on its
// own where there is no text.
func TestEachMetricHasWhatItNeeds(t *testing.T) {
	for _, row := range metric.Table() {
		if !row.Higher {
			t.Errorf("%s: less is better", row.Name)
		}
		if ranks := row.Input == metric.Rankings; ranks != (row.K > 0) || ranks != (row.Reference != nil) ||
			ranks != (row.Strict != nil) ||
			ranks == (row.Corpus != nil) {
			t.Errorf("%s has not what its kind needs", row.Name)
		}
		if row.Corpus == nil {
			continue
		}
		if _, err := row.Corpus(nil); !errors.Is(err, metric.ErrEmptyCorpus) {
			t.Errorf("%s of no texts: error %v, want %v", row.Name, err, metric.ErrEmptyCorpus)
		}
	}
}

func TestMeanAndDeviationOfFew(t *testing.T) {
	for _, c := range []struct {
		values          []float64
		mean, deviation float64
	}{
		{nil, 0, 0}, {[]float64{4}, 4, 0}, {[]float64{1, 3}, 2, math.Sqrt2}, {[]float64{1, 2, 6}, 3, math.Sqrt(7)},
	} {
		if got := metric.Mean(c.values); got != c.mean {
			t.Errorf("mean of %v = %v, want %v", c.values, got, c.mean)
		}
		if got := metric.StdDev(c.values); math.Abs(got-c.deviation) > 1e-12 {
			t.Errorf("deviation of %v = %v, want %v", c.values, got, c.deviation)
		}
	}
}
