package metric_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/metric"
)

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
