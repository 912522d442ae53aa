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
	// Student and Other are rows' methods.
	Student string `json:"student"`
	Other   string `json:"other"`
	// Over is what was resampled or repeated: "users" or "seeds"; Test is how.
	Over string `json:"over"`
	Test Test   `json:"test"`
	// N is how many users, or seeds of each.
	N int `json:"n"`
	// Difference is the student's mean less the other's; Interval its 95% interval.
	Difference float64          `json:"difference"`
	Interval   *metric.Interval `json:"interval,omitempty"`
	// T and DF are the t-test's statistic and degrees of freedom; 0 over users.
	T  float64 `json:"t,omitempty"`
	DF float64 `json:"df,omitempty"`
	// P is two-sided; Holm is P corrected for all comparisons of the table by the same test.
	P    float64 `json:"p"`
	Holm float64 `json:"holm"`
	// Effect is the difference in standard deviations: of users' or seeds' differences where they
	// are paired, else Cohen's d.
	Effect float64 `json:"effect"`
	// Note says why a comparison could not be made; the figures are then 0 but P and Holm, which
	// are 1.
	Note string `json:"note,omitempty"`
}

// Test is how two rows are compared.
type Test string

// The tests of a table. Each asks a question of its own, so each is a family of its own for Holm's
// correction.
const (
	// Bootstrap resamples users: would other users of this shop see the same difference?
	Bootstrap Test = "paired bootstrap"
	// Welch takes seeds as two independent samples: would other seeds?
	Welch Test = "Welch's t"
	// PairedSeeds pairs the trials of the same seed.
	PairedSeeds Test = "paired t"
	// OneSample compares seeds with the one figure of a row that has no seed.
	OneSample Test = "one-sample t"
)

// Alpha is the p-value below which a difference counts.
const Alpha = 0.05

// comparedMetrics are the metrics that comparisons are made on; judged is the one that verdicts
// speak of.
const primaryMetric = "NDCG@10"

func comparedMetrics() []string { return []string{"HR@10", primaryMetric} }

// resamples is how often users are resampled: with 1,000 no p-value is below 0.002, too coarse for
// a corrected one.
const resamples = 10_000

// Compare tests every student against every other row, and another trained model against the rule:
// on the same users by a paired bootstrap, and over seeds by Welch's t-test and, where both ran
// with the same seeds, by a paired one; against a row without seeds by a one-sample t-test. The
// p-values of the same test are corrected together. It needs the scores' Each, which report.json
// does not hold.
func (t *Table) Compare(seed int64) {
	t.Comparisons = nil
	for i, row := range t.Rows {
		for j, other := range t.Rows {
			if !needsComparison(row, other) || i == j || (other.Kind == StudentRow && j < i) {
				continue
			}
			for _, name := range comparedMetrics() {
				t.Comparisons = append(t.Comparisons, compareUsers(row, other, name, seed))
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

// needsComparison says whether row is tested against other: students against all rows but their
// ablations, another model against the rule alone.
func needsComparison(row, other Row) bool {
	return (row.Kind == StudentRow && other.Kind != AblationRow) || (row.Kind == ModelRow && other.Kind == RuleRow)
}

// correct sets Holm from P over the comparisons by one test that could be made.
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

func compareUsers(row, other Row, name string, seed int64) Comparison {
	c := Comparison{Metric: name, Student: row.Method, Other: other.Method, Over: "users", Test: Bootstrap, P: 1, Holm: 1}
	a, b := row.perUser(name), other.perUser(name)
	c.N = len(a)
	difference, err := metric.BootstrapPaired(a, b, resamples, seed)
	if err != nil {
		c.Note = "needs the same two users or more on both sides"
		return c
	}
	c.Difference, c.Interval, c.P = difference.Mean, &difference.Interval, difference.P
	if test, err := metric.Paired(a, b); err == nil && finite(test.Effect) {
		c.Effect = test.Effect
	}
	return c
}

// compareSeeds compares two rows by each test over seeds that fits them.
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

// seedComparison puts a t-test's outcome into words and figures.
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

// labelled says which test of which metric a comparison is.
func (c Comparison) labelled(test Test, name string) Comparison {
	c.Test, c.Metric = test, name
	if c.Note == noVariance {
		c.Note = fmt.Sprintf("%s against %s over seeds: %s on %s, so no t-test can be made", c.Student, c.Other, noVariance, name)
	}
	return c
}

// noVariance is why a t-test has nothing to measure a difference by.
const noVariance = "the trials do not vary"

// tooFew says plainly that seeds can't be compared.
func tooFew(row, other Row) string {
	if other.deterministic() {
		return fmt.Sprintf("no comparison over seeds can be made: it needs two trials, and %s has %d", row.Method, len(row.Trials))
	}
	return fmt.Sprintf("no comparison over seeds can be made: it needs two trials of each, and %s has %d, %s %d",
		row.Method, len(row.Trials), other.Method, len(other.Trials))
}

// deterministic says whether a row is a method without randomness: its one figure is the same with
// every seed.
func (r Row) deterministic() bool {
	return (r.Kind == BaselineRow || r.Kind == RuleRow) && len(r.Trials) < 2
}

// sameSeeds says whether two rows' trials have the same seeds in the same order.
func (r Row) sameSeeds(other Row) bool {
	return slices.EqualFunc(r.Trials, other.Trials, func(a, b Trial) bool { return a.Seed == b.Seed })
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// standing is how a student stands against another row.
type standing int

const (
	unknown standing = iota
	better
	equal
	worse
)

// against is how the student stands on the judged metric, over users.
func (t Table) against(student, other string) (standing, Comparison) {
	for _, c := range t.Comparisons {
		if c.Metric != primaryMetric || c.Over != "users" || c.Student != student || c.Other != other || c.Note != "" {
			continue
		}
		switch {
		case c.Holm >= Alpha:
			return equal, c
		case c.Difference > 0:
			return better, c
		default:
			return worse, c
		}
	}
	return unknown, Comparison{}
}
