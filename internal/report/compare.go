package report

import (
	"fmt"
	"math"
	"slices"

	"rdrec/internal/metric"
)

// Comparison is a student against another row of the same table, or another trained model, named as
// Student, against the rule.
type Comparison struct {
	Metric string `json:"metric"`
	// Student and Other are the methods of the rows.
	Student string `json:"student"`
	Other   string `json:"other"`
	// Over is the unit of the test, "users", "texts" or "seeds".
	Over string `json:"over"`
	Test Test   `json:"test"`
	// N is the number of users or texts, or of seeds of each row.
	N int `json:"n"`
	// Difference is the student's mean minus the other's; Interval is its 95% interval.
	Difference float64          `json:"difference"`
	Interval   *metric.Interval `json:"interval,omitempty"`
	// T and DF are the t-test's statistic and degrees of freedom; 0 for a bootstrap.
	T  float64 `json:"t,omitempty"`
	DF float64 `json:"df,omitempty"`
	// P is two-sided; Holm is P corrected for all comparisons of the table by the same test.
	P    float64 `json:"p"`
	Holm float64 `json:"holm"`
	// Effect is the difference in standard deviations: of the differences in a paired test,
	// otherwise Cohen's d.
	Effect float64 `json:"effect"`
	// Note is why a comparison is not possible; then P and Holm are 1 and the other values 0.
	Note string `json:"note,omitempty"`
}

// Test is the test that compares two rows.
type Test string

// The tests of a table. Each answers a different question, so Holm's correction covers the
// comparisons by one test.
const (
	// Bootstrap resamples users: is the difference the same for other users of this shop?
	Bootstrap Test = "paired bootstrap"
	// Welch treats seeds as independent samples: is the difference the same for other seeds?
	Welch Test = "Welch's t"
	// PairedSeeds pairs the trials of the same seed.
	PairedSeeds Test = "paired t"
	// OneSample compares seeds with the score of a row without seeds.
	OneSample Test = "one-sample t"
)

// Alpha is the p-value below which a difference is significant.
const Alpha = 0.05

// primaryMetric is the metric of the verdict, and primaryTextMetric that of explanations.
const (
	primaryMetric     = "NDCG@10"
	primaryTextMetric = "ROUGE-1 F"
)

// primary returns the table's primary metric.
func (t Table) primary() string {
	if t.Task == explanationTask {
		return primaryTextMetric
	}
	return primaryMetric
}

// secondary returns the other metric of the table's comparisons.
func (t Table) secondary() string {
	if t.Task == explanationTask {
		return "FMR"
	}
	return "HR@10"
}

// comparedMetrics returns the metrics of the table's comparisons.
func (t Table) comparedMetrics() []string { return []string{t.secondary(), t.primary()} }

// unit is what the table's methods share, and what a bootstrap resamples.
func (t Table) unit() string {
	if t.Task == explanationTask {
		return "texts"
	}
	return "users"
}

// resamples is the number of bootstrap resamples. With 1,000, no p-value is below 0.002, which is
// too coarse for a correction.
const resamples = 10_000

// Compare tests every student against every other row, and another trained model against the rule.
// It uses a paired bootstrap over users and, over seeds, Welch's t-test, a paired t-test if both
// rows have the same seeds, or a one-sample t-test against a row without seeds. The p-values of
// each test are corrected together. It needs the scores of each user (Each), which report.json does
// not contain.
func (t *Table) Compare(seed int64) {
	t.Comparisons = nil
	for i, row := range t.Rows {
		for j, other := range t.Rows {
			if !needsComparison(row, other) || i == j || (other.Kind == row.Kind && j < i) {
				continue
			}
			for _, name := range t.comparedMetrics() {
				t.Comparisons = append(t.Comparisons, t.compareUsers(row, other, name, seed))
				t.Comparisons = append(t.Comparisons, compareSeeds(row, other, name)...)
			}
		}
	}
	t.ablate(seed)
	for _, test := range []Test{Bootstrap, Welch, PairedSeeds, OneSample} {
		correct(t.Comparisons, test)
		correct(t.Ablations, test)
	}
}

// needsComparison reports whether row is tested against other: a fusion against all rows except
// ablations, a student against these except fusions, another model against the rule only.
func needsComparison(row, other Row) bool {
	switch row.Kind {
	case FusionRow:
		return other.Kind != AblationRow
	case StudentRow:
		return other.Kind != AblationRow && other.Kind != FusionRow
	case ModelRow:
		return other.Kind == RuleRow
	default:
		return false
	}
}

// servable reports whether a row is of a model that can be served: a student or a fusion.
func (r Row) servable() bool { return r.Kind == StudentRow || r.Kind == FusionRow }

// correct sets Holm for the comparisons by one test.
func correct(comparisons []Comparison, test Test) {
	var p []float64
	for _, c := range comparisons {
		if c.Test == test && c.Note == "" {
			p = append(p, c.P)
		}
	}
	corrected := metric.Holm(p)
	for i, c := range comparisons {
		if c.Test == test && c.Note == "" {
			comparisons[i].Holm, corrected = corrected[0], corrected[1:]
		}
	}
}

// compareUsers compares two rows on the same users or texts.
func (t Table) compareUsers(row, other Row, name string, seed int64) Comparison {
	c := Comparison{
		Metric: name, Student: row.Method, Other: other.Method, Over: t.unit(), Test: Bootstrap, P: 1, Holm: 1,
	}
	a, b := row.perUser(name), other.perUser(name)
	c.N = len(a)
	difference, err := metric.BootstrapPaired(a, b, resamples, seed)
	if err != nil {
		c.Note = fmt.Sprintf("needs the same two %s or more on both sides", t.unit())
		return c
	}
	c.Difference, c.Interval, c.P = difference.Mean, &difference.Interval, difference.P
	if test, err := metric.Paired(a, b); err == nil && finite(test.Effect) {
		c.Effect = test.Effect
	}
	return c
}

// compareSeeds compares two rows by each applicable test over seeds.
func compareSeeds(row, other Row, name string) []Comparison {
	a, b := row.perTrial(name), other.perTrial(name)
	if other.deterministic() && len(b) == 1 {
		test, err := metric.OneSample(a, b[0])
		return []Comparison{seedComparison(row, other, test, err).labelled(OneSample, name)}
	}
	test, err := metric.Welch(a, b)
	found := []Comparison{seedComparison(row, other, test, err).labelled(Welch, name)}
	if err == nil && row.sameSeeds(other) {
		test, err := metric.Paired(a, b)
		found = append(found, seedComparison(row, other, test, err).labelled(PairedSeeds, name))
	}
	return found
}

// seedComparison returns the comparison of a t-test.
func seedComparison(row, other Row, test metric.Test, err error) Comparison {
	c := Comparison{Student: row.Method, Other: other.Method, Over: "seeds", P: 1, Holm: 1}
	c.N = len(row.Trials)
	if !other.deterministic() {
		c.N = min(c.N, len(other.Trials))
	}
	switch {
	case err != nil:
		c.Note = tooFew(row, other)
	case !finite(test.T):
		c.Note = noVariance
	default:
		interval := test.Interval()
		c.Difference, c.Interval, c.P, c.Effect = test.Difference, &interval, test.P, test.Effect
		c.T, c.DF = test.T, test.DF
	}
	return c
}

// labelled sets the test and the metric of a comparison.
func (c Comparison) labelled(test Test, name string) Comparison {
	c.Test, c.Metric = test, name
	if c.Note == noVariance {
		c.Note = fmt.Sprintf("%s against %s over seeds: %s on %s, so no t-test can be made",
			c.Student, c.Other, noVariance, name)
	}
	return c
}

// noVariance is the reason why a t-test is not possible.
const noVariance = "the trials do not vary"

// tooFew explains why seeds cannot be compared.
func tooFew(row, other Row) string {
	if other.deterministic() {
		return fmt.Sprintf("no comparison over seeds can be made: it needs two trials, and %s has %d",
			row.Method, len(row.Trials))
	}
	return fmt.Sprintf("no comparison over seeds can be made: it needs two trials of each, and %s has %d, %s %d",
		row.Method, len(row.Trials), other.Method, len(other.Trials))
}

// deterministic reports whether a row is a method without randomness, so its score is the same for
// every seed.
func (r Row) deterministic() bool {
	return (r.Kind == BaselineRow || r.Kind == RuleRow) && len(r.Trials) < 2
}

// sameSeeds reports whether the trials of two rows have the same seeds in the same order.
func (r Row) sameSeeds(other Row) bool {
	return slices.EqualFunc(r.Trials, other.Trials, func(a, b Trial) bool { return a.Seed == b.Seed })
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
