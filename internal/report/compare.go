package report

import (
	"math"

	"rdrec/internal/metric"
)

// Comparison is a student against another row of the same table.
type Comparison struct {
	Metric string `json:"metric"`
	// Student and Other are rows' methods.
	Student string `json:"student"`
	Other   string `json:"other"`
	// Over is what was resampled or repeated: "users" (paired bootstrap) or "seeds" (Welch's t-test).
	Over string `json:"over"`
	// N is how many users, or seeds of each.
	N int `json:"n"`
	// Difference is the student's mean less the other's; Interval its 95% interval, over users only.
	Difference float64          `json:"difference"`
	Interval   *metric.Interval `json:"interval,omitempty"`
	// P is two-sided; Holm is P corrected for all comparisons of the table.
	P    float64 `json:"p"`
	Holm float64 `json:"holm"`
	// Effect is the difference in standard deviations: of users' differences, or Cohen's d over seeds.
	Effect float64 `json:"effect"`
	// Note says why a comparison could not be made; the figures are then 0 but P and Holm, which are 1.
	Note string `json:"note,omitempty"`
}

// Alpha is the p-value below which a difference counts.
const Alpha = 0.05

// compared are the metrics that comparisons are made on; judged is the one that verdicts speak of.
const judged = "NDCG@10"

func compared() []string { return []string{"HR@10", judged} }

// Compare tests every student against every other row: on the same users by a paired bootstrap and, between students, over seeds by
// Welch's t-test. The p-values of the table are corrected together. It needs the scores' Each, which report.json does not hold.
func (t *Table) Compare(seed int64) {
	t.Comparisons = nil
	for i, row := range t.Rows {
		for j, other := range t.Rows {
			if row.Kind != StudentRow || i == j || (other.Kind == StudentRow && j < i) {
				continue
			}
			for _, name := range compared() {
				t.Comparisons = append(t.Comparisons, overUsers(row, other, name, seed))
				if other.Kind == StudentRow {
					t.Comparisons = append(t.Comparisons, overSeeds(row, other, name))
				}
			}
		}
	}
	t.correct()
}

// correct sets Holm from P over the comparisons that could be made.
func (t *Table) correct() {
	p := make([]float64, 0, len(t.Comparisons))
	for _, c := range t.Comparisons {
		if c.Note == "" {
			p = append(p, c.P)
		}
	}
	corrected := metric.Holm(p)
	for i := range t.Comparisons {
		if t.Comparisons[i].Note == "" {
			t.Comparisons[i].Holm, corrected = corrected[0], corrected[1:]
		}
	}
}

func overUsers(row, other Row, name string, seed int64) Comparison {
	c := Comparison{Metric: name, Student: row.Method, Other: other.Method, Over: "users", P: 1, Holm: 1}
	a, b := row.each(name), other.each(name)
	c.N = len(a)
	difference, err := metric.BootstrapPaired(a, b, rounds(len(a)), seed)
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

// rounds resamples small sets more often: with 1,000 rounds no p-value is below 0.002, too coarse for a corrected one.
func rounds(users int) int { return min(10_000, max(metric.Rounds, 20_000_000/max(users, 1))) }

func overSeeds(row, other Row, name string) Comparison {
	c := Comparison{Metric: name, Student: row.Method, Other: other.Method, Over: "seeds", P: 1, Holm: 1}
	a, b := row.values(name), other.values(name)
	c.N = min(len(a), len(b))
	test, err := metric.Welch(a, b)
	switch {
	case err != nil:
		c.Note = "needs two trials of each or more"
	case !finite(test.T):
		c.Note = "the trials do not vary"
	default:
		c.Difference, c.P, c.Effect = metric.Mean(a)-metric.Mean(b), test.P, test.Effect
	}
	return c
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
		if c.Metric != judged || c.Over != "users" || c.Student != student || c.Other != other || c.Note != "" {
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
