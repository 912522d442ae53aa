package metric_test

import (
	"errors"
	"math"
	"testing"

	"rdrec/internal/metric"
)

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
