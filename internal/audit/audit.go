// Package audit looks for properties of a dataset that inflate its scores. In: a dataset; out: an
// [Audit] with measurements and findings. Steps: rank with a rule that reads only item ids, compare
// item ids with the order in which items appear, count users with equal sequences, count
// explanations that leak test pairs, and check the time stamps. It trains nothing and changes
// nothing; the same dataset and seed give the same audit.
package audit

import (
	"fmt"
	"io"
	"strings"

	"rdrec/internal/baseline"
	"rdrec/internal/dataset"
	"rdrec/internal/metric"
)

// Audit is the result for one dataset.
type Audit struct {
	Name string `json:"name"`
	// Users is the number of users that leave-one-out evaluates. All counts of users are of these.
	Users int `json:"users"`
	// Rule and Popularity are the scores of the two model-free rankings of all items, counted as
	// the reference does. Popularity counts training items; the rule completes its list with the
	// items that occur most often before the test item.
	Rule       []metric.Score `json:"rule"`
	Popularity []metric.Score `json:"popularity"`
	Indexing   Indexing       `json:"indexing"`
	Sequences  Sequences      `json:"sequences"`
	Overlap    Overlap        `json:"overlap"`
	Timestamps Timestamps     `json:"timestamps"`
	// Findings describe the measurements, the most severe first.
	Findings []Finding `json:"findings"`
}

// Level is the severity of a finding.
type Level string

// The levels of findings, the most severe first.
const (
	Leak    Level = "leak"    // the input reveals test data
	Caution Level = "caution" // the scores mean less than they seem to
	Fine    Level = "fine"    // checked, and not found
)

// Finding is the result of one check.
type Finding struct {
	Level Level `json:"level"`
	// Title is a few words, Text a sentence or two with the numbers.
	Title string `json:"title"`
	Text  string `json:"text"`
}

// Run audits d. The confidence intervals of the scores are bootstrapped from the seed.
func Run(d *dataset.Dataset, seed int64) Audit {
	users := baseline.Users(d, 0)
	a := Audit{
		Name: d.Name, Users: len(users),
		Rule:       scores(d, users, baseline.Rule, seed),
		Popularity: scores(d, users, baseline.Popularity, seed),
		Indexing:   indexing(d, users),
		Sequences:  sequences(users),
		Overlap:    overlap(d, users),
		Timestamps: timestamps(users),
	}
	a.Findings = a.findings()
	return a
}

// scores ranks ten items for every user, as the rule's published scores do.
func scores(d *dataset.Dataset, users []dataset.User, name string, seed int64) []metric.Score {
	row, found := baseline.Find(name)
	if !found {
		return nil
	}
	return metric.ScoreRankings(baseline.Sequential(users, row.Fit(d), 10), false, seed)
}

// Figure returns the value of a metric among scores, and whether it is there.
func Figure(scores []metric.Score, name string) (float64, bool) {
	for _, score := range scores {
		if score.Metric == name {
			return score.Value, true
		}
	}
	return 0, false
}

// Text writes the audit for a terminal.
func (a Audit) Text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Leak audit of %s: %s users, leave one out, all items\n\n", a.Name, thousands(a.Users))
	fmt.Fprintf(&b, "%-22s", "")
	for _, score := range a.Rule {
		fmt.Fprintf(&b, " %8s", score.Metric)
	}
	for _, row := range []struct {
		name   string
		scores []metric.Score
	}{{"rule (item ids)", a.Rule}, {"popularity", a.Popularity}} {
		fmt.Fprintf(&b, "\n%-22s", row.name)
		for _, score := range row.scores {
			fmt.Fprintf(&b, " %8.4f", score.Value)
		}
	}
	b.WriteString("\n\n")
	for _, m := range a.measurements() {
		fmt.Fprintf(&b, "%-62s %s\n", m.name, m.value)
	}
	b.WriteString("\n")
	for _, finding := range a.Findings {
		fmt.Fprintf(&b, "%-8s %s. %s\n", strings.ToUpper(string(finding.Level)), finding.Title, finding.Text)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// measurement is one line of the text output.
type measurement struct{ name, value string }

// measurements returns the numbers behind the findings.
func (a Audit) measurements() []measurement {
	n, s, o, t := a.Indexing, a.Sequences, a.Overlap, a.Timestamps
	of := func(part, total int) string {
		return fmt.Sprintf("%s of %s (%s)", thousands(part), thousands(total), percent(ratio(part, total)))
	}
	return []measurement{
		{
			"rank correlation of item id with first position",
			fmt.Sprintf("%.4f over %s items", n.Spearman, thousands(n.Items)),
		},
		{"test items whose id is the user's highest plus one", of(n.NextIDHits, a.Users)},
		{"users with the sequence of another user", of(s.Shared, s.Users)},
		{"users whose test item is already in their history", of(s.Repeated, a.Users)},
		{"explanations", thousands(o.Explanations)},
		{"test pairs with a training explanation", of(o.Train, o.Users)},
		{"validation pairs with a training explanation", of(o.Validation, o.Users)},
		{"pairs with explanations in several splits", thousands(o.InMultipleSplits)},
		{"sequences with time stamps", of(t.Users, s.Users)},
		{"of them out of chronological order", of(t.OutOfOrder, t.Users)},
		{"of them with a tie in time before the test item", of(t.Tied, t.Users)},
	}
}
