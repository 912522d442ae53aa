package metric

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"

	"gonum.org/v1/gonum/stat/distuv"
)

// Resamples is the default number of bootstrap resamples.
const Resamples = 1000

// Interval is a 95% interval of a mean.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Bootstrap resamples the values with replacement and returns the middle 95% of the means (the
// percentile method). The same values, resamples and seed give the same interval. No values give a
// zero interval.
func Bootstrap(values []float64, resamples int, seed int64) Interval {
	if len(values) == 0 || resamples < 1 {
		return Interval{}
	}
	means := resample(values, resamples, seed)
	return Interval{Low: quantile(means, 0.025), High: quantile(means, 0.975)}
}

// Difference is a paired test of two methods on the same users.
type Difference struct {
	Mean     float64  `json:"mean"`
	Interval Interval `json:"interval"`
	// P is the p-value. That of [BootstrapPaired] is the two-sided share of resamples on the other
	// side of zero, at least 1/(resamples+1).
	P float64 `json:"p"`
}

// BootstrapPaired resamples users and computes the mean of a - b.
func BootstrapPaired(a, b []float64, resamples int, seed int64) (Difference, error) {
	if len(a) != len(b) {
		return Difference{}, fmt.Errorf("paired bootstrap of %d and %d values: lengths differ", len(a), len(b))
	}
	if err := checkSizes(a, b); err != nil {
		return Difference{}, fmt.Errorf("paired bootstrap: %w", err)
	}
	differences := subtract(a, b)
	means := resample(differences, resamples, seed)
	below := sort.SearchFloat64s(means, 0)
	above := len(means) - sort.Search(len(means), func(i int) bool { return means[i] > 0 })
	// A mean of exactly zero favors neither side, so it counts for both.
	other := min(len(means)-below, len(means)-above)
	return Difference{
		Mean:     Mean(differences),
		Interval: Interval{Low: quantile(means, 0.025), High: quantile(means, 0.975)},
		P:        min(1, 2*float64(other+1)/float64(len(means)+1)),
	}, nil
}

// MeanInterval returns the 95% t interval of a mean over trials (seeds). It needs at least two.
func MeanInterval(values []float64) (Interval, error) {
	if len(values) < 2 {
		return Interval{}, fmt.Errorf("interval of %d trials: %w", len(values), ErrTooFew)
	}
	n := float64(len(values))
	half := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 1}.Quantile(0.975) * StdDev(values) / math.Sqrt(n)
	return Interval{Low: Mean(values) - half, High: Mean(values) + half}, nil
}

// resample returns the sorted means of the resamples. Most values are zero, so the number of other
// values in a resample is sampled first (binomial), then the values themselves. The distribution is
// the same and sampling takes a tenth of the time.
func resample(values []float64, resamples int, seed int64) []float64 {
	source := rand.NewPCG(uint64(seed), 0x626f6f74)
	random := rand.New(source)
	others := slices.DeleteFunc(slices.Clone(values), func(value float64) bool { return value == 0 })
	sampled := distuv.Binomial{N: float64(len(values)), P: float64(len(others)) / float64(len(values)), Src: source}
	means := make([]float64, resamples)
	for round := range means {
		hits := len(others)
		if hits > 0 && hits < len(values) {
			hits = int(sampled.Rand())
		}
		sum := 0.0
		for range hits {
			sum += others[random.IntN(len(others))]
		}
		means[round] = sum / float64(len(values))
	}
	sort.Float64s(means)
	return means
}

// quantile interpolates between the two nearest sorted values.
func quantile(sorted []float64, q float64) float64 {
	index := q * float64(len(sorted)-1)
	low := int(index)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (index-float64(low))*(sorted[high]-sorted[low])
}
