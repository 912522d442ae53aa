package metric_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/metric"
)

func TestStrictNeverExceedsOne(t *testing.T) {
	cases := map[string]struct {
		list      metric.List
		k         int
		hit, gain float64
	}{
		"hit first":         {metric.List{Items: []int{5, 2}, Truth: []int{5}}, 1, 1, 1},
		"hit third":         {metric.List{Items: []int{1, 2, 5}, Truth: []int{5}}, 5, 1, 0.5},
		"miss":              {metric.List{Items: []int{1, 2}, Truth: []int{5}}, 5, 0, 0},
		"nothing":           {metric.List{Truth: []int{5}}, 5, 0, 0},
		"duplicate hit":     {metric.List{Items: []int{5, 5, 5}, Truth: []int{5}}, 5, 1, 1},
		"duplicates before": {metric.List{Items: []int{1, 1, 2, 2, 5}, Truth: []int{5}}, 3, 1, 0.5},
		"one of two truths": {metric.List{Items: []int{6}, Truth: []int{5, 6}}, 1, 0.5, 1},
		"ideal has both":    {metric.List{Items: []int{6, 1}, Truth: []int{5, 6}}, 2, 0.5, 1 / (1 + 1/math.Log2(3))},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := metric.StrictHitRate(c.list, c.k); got != c.hit {
				t.Errorf("hit = %v, want %v", got, c.hit)
			}
			if got := metric.StrictNDCG(c.list, c.k); math.Abs(got-c.gain) > 1e-12 {
				t.Errorf("gain = %v, want %v", got, c.gain)
			}
		})
	}
}

func TestRankFollowsTheTable(t *testing.T) {
	lists := []metric.List{
		{Items: []int{3, 3, 1}, Truth: []int{3}},
		{Items: []int{1, 2}, Truth: []int{2}},
		{Truth: []int{9}},
	}
	for _, strict := range []bool{false, true} {
		scores := metric.ScoreRankings(lists, strict, 1)
		names := make([]string, 0, len(scores))
		for _, score := range scores {
			names = append(names, score.Metric)
			if score.N != 3 || len(score.Each) != 3 || score.Value < score.Interval.Low ||
				score.Value > score.Interval.High {
				t.Errorf("score %+v, interval %+v", score, *score.Interval)
			}
		}
		if diff := cmp.Diff(metric.Names(metric.Rankings), names); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(scores, metric.ScoreRankings(lists, strict, 1)); diff != "" {
			t.Errorf("same lists, same seed: %s", diff)
		}
	}
	if got, want := metric.ScoreRankings(lists, false, 1)[1].Value, 1.0; got != want { // (2 + 1 + 0) / 3
		t.Errorf("the reference's HR@5 = %v, want %v", got, want)
	}
	if got, want := metric.ScoreRankings(lists, true, 1)[1].Value, 2.0/3; got != want {
		t.Errorf("strict HR@5 = %v, want %v", got, want)
	}
	if metric.ScoreRankings(nil, true, 1) != nil {
		t.Error("no lists have scores")
	}
}

func TestExplain(t *testing.T) {
	words := strings.Fields("the soap smells nice today")
	scores, err := metric.ScoreTexts([]metric.Text{{Reference: words, Generated: words}})
	if err != nil {
		t.Fatal(err)
	}
	for _, score := range scores {
		if score.N != 1 || math.Abs(score.Value-100) > 1e-5 {
			t.Errorf("%s of equal texts = %v, n %d", score.Metric, score.Value, score.N)
		}
	}
	for name, texts := range map[string][]metric.Text{
		"no texts": nil, "nothing generated": {{Reference: words}}, "no references": {{Generated: words}},
	} {
		if _, err := metric.ScoreTexts(texts); !errors.Is(err, metric.ErrEmptyCorpus) {
			t.Errorf("%s: error %v, want %v", name, err, metric.ErrEmptyCorpus)
		}
	}
	if _, err := metric.BLEU(nil, 5, false); err == nil {
		t.Error("BLEU-5 was computed")
	}
}

// The expected figures are scipy 1.17.1's ttest_ind(equal_var=False) and ttest_rel.
func TestWelchAndPaired(t *testing.T) {
	a, b := []float64{2.1, 2.5, 2.8, 3.9, 4.4}, []float64{1.9, 2.2, 2.9, 3.1, 3.3}
	welch, err := metric.Welch(a, b)
	checkTest(t, "welch", welch, err, metric.Test{
		T: 0.9004043365892119, P: 0.39921641108619205, DF: 6.676611522376413, Difference: 0.46,
		Error: 0.5108815909777921, Effect: 0.5694657037429589,
	})
	paired, err := metric.Paired(a, b)
	checkTest(t, "paired", paired, err, metric.Test{
		T: 2.1309088512155654, P: 0.10010553271165178, DF: 4, Difference: 0.46, Error: 0.2158703314492291,
		Effect: 0.9529714090347978,
	})
	for name, test := range map[string]func(a, b []float64) (metric.Test, error){
		"student": metric.StudentT, "welch": metric.Welch, "paired": metric.Paired,
	} {
		if _, err := test([]float64{1}, []float64{2}); !errors.Is(err, metric.ErrTooFew) {
			t.Errorf("%s of one figure a side: error %v, want %v", name, err, metric.ErrTooFew)
		}
	}
	if _, err := metric.Paired(a, b[:3]); err == nil {
		t.Error("unequal lengths were paired")
	}
}

func checkTest(t *testing.T, name string, got metric.Test, err error, want metric.Test) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	nearly := cmp.Comparer(func(x, y float64) bool { return math.Abs(x-y) < 1e-10 })
	if diff := cmp.Diff(want, got, nearly); diff != "" {
		t.Errorf("%s: %s", name, diff)
	}
}

func TestHolm(t *testing.T) {
	cases := map[string]struct{ p, want []float64 }{
		"none":       {nil, []float64{}},
		"one":        {[]float64{0.04}, []float64{0.04}},
		"ordered":    {[]float64{0.01, 0.02, 0.5}, []float64{0.03, 0.04, 0.5}},
		"shuffled":   {[]float64{0.5, 0.01, 0.02}, []float64{0.5, 0.03, 0.04}},
		"monotone":   {[]float64{0.02, 0.021}, []float64{0.04, 0.04}},
		"capped":     {[]float64{0.6, 0.7}, []float64{1, 1}},
		"equal ones": {[]float64{0.01, 0.01}, []float64{0.02, 0.02}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, metric.Holm(c.p)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestBootstrap(t *testing.T) {
	values := make([]float64, 400) // a hit rate of 0.25: standard error 0.0217
	for i := range values {
		if i%4 == 0 {
			values[i] = 1
		}
	}
	got := metric.Bootstrap(values, metric.Resamples, 7)
	if math.Abs(got.Low-0.2075) > 0.01 || math.Abs(got.High-0.2925) > 0.01 {
		t.Errorf("interval %+v, want about 0.2075 to 0.2925", got)
	}
	if got != metric.Bootstrap(values, metric.Resamples, 7) {
		t.Error("the same seed gave another interval")
	}
	if (metric.Bootstrap(nil, metric.Resamples, 7) != metric.Interval{}) {
		t.Error("nothing has an interval")
	}
}

func TestBootstrapPaired(t *testing.T) {
	a, b, worse := make([]float64, 200), make([]float64, 200), make([]float64, 200)
	for i := range a {
		a[i], b[i], worse[i] = float64(i%2), float64((i+1)%2), float64(i%2)-0.5
	}
	same, err := metric.BootstrapPaired(a, a, metric.Resamples, 1)
	if err != nil || same.P != 1 || same.Mean != 0 {
		t.Errorf("a against itself = %+v, %v", same, err)
	}
	mixed, err := metric.BootstrapPaired(a, b, metric.Resamples, 1)
	if err != nil || mixed.P < 0.2 {
		t.Errorf("equal means = %+v, %v", mixed, err)
	}
	sure, err := metric.BootstrapPaired(a, worse, metric.Resamples, 1)
	if err != nil || sure.P > 0.01 || sure.Mean != 0.5 || sure.Interval.Low != 0.5 {
		t.Errorf("better for every user = %+v, %v", sure, err)
	}
	if _, err := metric.BootstrapPaired(a, b[:5], metric.Resamples, 1); err == nil {
		t.Error("unequal lengths were paired")
	}
}

func TestMeanInterval(t *testing.T) {
	got, err := metric.MeanInterval([]float64{1, 2, 3})
	if err != nil || math.Abs(got.Low+0.48413771) > 1e-6 || math.Abs(got.High-4.48413771) > 1e-6 {
		t.Errorf("interval %+v, %v", got, err)
	}
	if _, err := metric.MeanInterval([]float64{1}); !errors.Is(err, metric.ErrTooFew) {
		t.Errorf("error %v, want %v", err, metric.ErrTooFew)
	}
}

// The expected intervals are those of scipy 1.17.1's confidence_interval.
func TestIntervalsOfDifferences(t *testing.T) {
	a, b := []float64{0.0512, 0.0479, 0.0533}, []float64{0.0461, 0.0455, 0.0490}
	welch, errWelch := metric.Welch(a, b)
	paired, errPaired := metric.Paired(a, b)
	one, errOne := metric.OneSample(a, 0.0450)
	if err := errors.Join(errWelch, errPaired, errOne); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		got    metric.Test
		p      float64
		effect float64
		want   metric.Interval
	}{
		{"welch", welch, 0.11709042129482286, 1.6838253372125767, metric.Interval{
			Low: -0.001640832055563807, High: 0.009507498722230454,
		}},
		{"paired", paired, 0.039029318613648306, 2.836177931138459, metric.Interval{
			Low: 0.00048822449197941705, High: 0.007378442174687249,
		}},
		{"one sample", one, 0.06621502447938536, 2.1306832392748696, metric.Interval{
			Low: 0.04403785044038016 - 0.045, High: 0.05756214955961982 - 0.045,
		}},
	} {
		got := c.got.Interval()
		if math.Abs(got.Low-c.want.Low) > 1e-12 || math.Abs(got.High-c.want.High) > 1e-12 {
			t.Errorf("%s: interval %+v, want %+v", c.name, got, c.want)
		}
		if math.Abs(c.got.P-c.p) > 1e-10 || math.Abs(c.got.Effect-c.effect) > 1e-9 {
			t.Errorf("%s: %+v, want p %g and effect %g", c.name, c.got, c.p, c.effect)
		}
	}
	if _, err := metric.OneSample(a[:1], 0.045); !errors.Is(err, metric.ErrTooFew) {
		t.Errorf("error %v, want %v", err, metric.ErrTooFew)
	}
}

// A resample of figures that are mostly zero must be spread as one that draws user after user: the
// error of the mean of 40 hits among 1,000 users is sqrt(.04*.96/1000), 0.0062.
func TestBootstrapOfMostlyZeros(t *testing.T) {
	values := make([]float64, 1000)
	for i := range 40 {
		values[25*i] = 1
	}
	got := metric.Bootstrap(values, 10_000, 3)
	const half = 1.96 * 0.0061968
	if math.Abs(got.Low-(0.04-half)) > 0.0015 || math.Abs(got.High-(0.04+half)) > 0.0015 {
		t.Errorf("interval %+v, want about %.4f to %.4f", got, 0.04-half, 0.04+half)
	}
}
