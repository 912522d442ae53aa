package metric

import (
	"errors"
	"fmt"
	"math"
	"sort"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// ErrTooFew reports that a sample is too small for a t-test, which needs two values on each side.
var ErrTooFew = errors.New("a comparison needs at least two values on each side")

// Test is the result of a two-sided t-test. If neither sample varies, T and P are as in scipy: NaN
// for equal means, otherwise an infinite T and P 0.
type Test struct {
	T float64
	P float64
	// DF is the degrees of freedom.
	DF float64
	// Difference is the difference of means, and Error its standard error.
	Difference, Error float64
	// Effect is the difference of means in standard deviations: Cohen's d with the pooled
	// deviation, or with the deviation of the differences in a paired test.
	Effect float64
}

// Interval returns the 95% interval of the difference of means.
func (t Test) Interval() Interval {
	half := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: t.DF}.Quantile(0.975) * t.Error
	return Interval{Low: t.Difference - half, High: t.Difference + half}
}

// StudentT tests two independent samples and assumes equal variances, as the reference's script
// does.
func StudentT(a, b []float64) (Test, error) {
	if err := checkSizes(a, b); err != nil {
		return Test{}, fmt.Errorf("student's t-test: %w", err)
	}
	na, nb := float64(len(a)), float64(len(b))
	pooled := pooledVariance(a, b)
	difference := stat.Mean(a, nil) - stat.Mean(b, nil)
	return twoSided(difference, math.Sqrt(pooled*(1/na+1/nb)), na+nb-2, math.Sqrt(pooled)), nil
}

// Welch tests two independent samples whose variances may differ.
func Welch(a, b []float64) (Test, error) {
	if err := checkSizes(a, b); err != nil {
		return Test{}, fmt.Errorf("welch's t-test: %w", err)
	}
	na, nb := float64(len(a)), float64(len(b))
	va, vb := stat.Variance(a, nil)/na, stat.Variance(b, nil)/nb
	df := (va + vb) * (va + vb) / (va*va/(na-1) + vb*vb/(nb-1))
	if va+vb == 0 {
		df = na + nb - 2
	}
	difference := stat.Mean(a, nil) - stat.Mean(b, nil)
	return twoSided(difference, math.Sqrt(va+vb), df, math.Sqrt(pooledVariance(a, b))), nil
}

// Paired tests whether a[i] - b[i] is zero on average: the same user, or the same seed, on both
// sides.
func Paired(a, b []float64) (Test, error) {
	if len(a) != len(b) {
		return Test{}, fmt.Errorf("paired t-test of %d and %d values: lengths differ", len(a), len(b))
	}
	if err := checkSizes(a, b); err != nil {
		return Test{}, fmt.Errorf("paired t-test: %w", err)
	}
	differences := subtract(a, b)
	n, deviation := float64(len(differences)), stat.StdDev(differences, nil)
	return twoSided(stat.Mean(differences, nil), deviation/math.Sqrt(n), n-1, deviation), nil
}

// OneSample tests whether the mean of a is a fixed value, such as the score of a method without
// randomness.
func OneSample(a []float64, value float64) (Test, error) {
	fixed := make([]float64, len(a))
	for i := range fixed {
		fixed[i] = value
	}
	test, err := Paired(a, fixed)
	if err != nil {
		return Test{}, fmt.Errorf("one-sample t-test: %w", errors.Unwrap(err))
	}
	return test, nil
}

// Holm corrects the p-values of several tests (Holm, 1979). If differences with a corrected p-value
// below alpha are taken as real, the probability of any error among all tests is at most alpha.
func Holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(i, j int) bool { return p[order[i]] < p[order[j]] })
	corrected := make([]float64, len(p))
	highest := 0.0
	for rank, index := range order {
		highest = max(highest, min(1, p[index]*float64(len(p)-rank)))
		corrected[index] = highest
	}
	return corrected
}

// Mean returns the average, summed in order; 0 for no values.
func Mean(values []float64) float64 {
	sum := 0.0
	for _, value := range values {
		sum += value
	}
	return sum / max(1, float64(len(values)))
}

// StdDev returns the sample standard deviation; 0 for fewer than two values.
func StdDev(values []float64) float64 {
	if len(values) < 2 {
		return 0
	}
	return stat.StdDev(values, nil)
}

func checkSizes(a, b []float64) error {
	if len(a) < 2 || len(b) < 2 {
		return fmt.Errorf("%d and %d: %w", len(a), len(b), ErrTooFew)
	}
	return nil
}

func twoSided(difference, errorOfMean, df, stdDev float64) Test {
	t := difference / errorOfMean // as in scipy: 0/0 is NaN, 1/0 is infinite
	test := Test{T: t, DF: df, Difference: difference, Error: errorOfMean, Effect: difference / stdDev}
	switch {
	case math.IsNaN(t):
		test.P = math.NaN()
	case math.IsInf(t, 0):
		test.P = 0
	default:
		test.P = 2 * distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}.CDF(-math.Abs(t))
	}
	return test
}

func pooledVariance(a, b []float64) float64 {
	na, nb := float64(len(a)), float64(len(b))
	return ((na-1)*stat.Variance(a, nil) + (nb-1)*stat.Variance(b, nil)) / (na + nb - 2)
}

func subtract(a, b []float64) []float64 {
	differences := make([]float64, len(a))
	for i := range a {
		differences[i] = a[i] - b[i]
	}
	return differences
}
