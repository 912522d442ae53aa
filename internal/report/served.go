package report

import (
	"fmt"
	"slices"
	"strings"

	"rdrec/internal/metric"
	"rdrec/internal/spec"
)

// newWhiskers returns the bar of a value with its interval, on a scale up to highest.
func newWhiskers(value float64, interval *metric.Interval, highest float64) whiskers {
	round := func(x float64) float64 { return float64(int(1000*x/max(highest, 1e-9)+0.5)) / 10 }
	bar := whiskers{At: round(max(0, value))}
	if interval != nil {
		low := max(0, interval.Low)
		bar.From, bar.Wide = round(low), round(max(0, interval.High-low))
	}
	return bar
}

// The outcomes of a part.
const (
	Helps Outcome = "helps"
	Harms Outcome = "harms"
)

// shownParts is what is served, and what each part or switch adds.
type shownParts struct {
	Heading, Text, Note string
	Rows                []partRow
}

// partRow is a part of the fusion, or a switch of the protocol.
type partRow struct {
	Part, Alone, Without, Adds, Interval, Holm string
	// Outcome is what the served method is against itself without the part.
	Outcome Outcome
}

// parts returns what is served; nil if nothing is evaluated.
func parts(r Report) *shownParts {
	if r.Verdict.Method == "" {
		return nil
	}
	shown := &shownParts{Heading: "What would be served, and what each part adds"}
	if r.Verdict.Decision == Serve {
		shown.Heading = "What is served, and what each part adds"
	}
	shown.Text = servedText(r)
	for _, t := range r.Tables {
		for _, c := range t.Ablations {
			if c.Other == r.Verdict.Method && c.Metric == t.primary() && c.Over == t.unit() {
				shown.Rows = append(shown.Rows, r.partRow(t, c))
			}
		}
	}
	if len(shown.Rows) > 0 {
		shown.Note = fmt.Sprintf("%s of %s, and of the same without the part (leave-one-out) on the same users. A "+
			"part adds the difference, with its 95%% interval; it helps if p < %.2f after Holm's correction.",
			primaryMetric, r.Verdict.Method, Alpha)
	}
	return shown
}

// servedText describes the served method.
func servedText(r Report) string {
	for _, f := range r.Fusions {
		if spec.FusionLabel(f.Method) == r.Verdict.Method {
			dropped := ""
			if len(f.Dropped) > 0 {
				dropped = " Left out, because the mix is as good without: " + listed(f.Dropped) + "."
			}
			return fmt.Sprintf("“%s” mixes the scores of %s, with weights fitted on the validation items of %s.%s",
				r.Verdict.Method, listed(f.Mix.Parts), plural(f.Users, "user"), dropped)
		}
	}
	for _, s := range r.Students {
		if method, _, _ := strings.Cut(r.Verdict.Method, ","); s.Method == method {
			return fmt.Sprintf("“%s” is one model, a T5 of %s parameters (%s), without a mix.",
				r.Verdict.Method, thousands(s.Parameters), s.Size)
		}
	}
	return fmt.Sprintf("“%s” is one model, without a mix.", r.Verdict.Method)
}

// partRow formats what the part that an ablation leaves out adds.
func (r Report) partRow(t Table, c Comparison) partRow {
	row := partRow{
		Part:  strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(c.Student, c.Other), " without "), ", "),
		Alone: "–", Without: t.mean(c.Student, c.Metric), Adds: signed(-c.Difference), Interval: "–",
		Holm: pValue(c.Holm),
	}
	for _, f := range r.Fusions {
		if spec.FusionLabel(f.Method) == c.Other && slices.Contains(f.Mix.Parts, row.Part) {
			row.Alone = t.mean(f.alone(row.Part), c.Metric)
		}
	}
	switch {
	case c.Note != "":
		row.Adds, row.Holm = "–", "–"
		return row
	case c.Holm >= Alpha:
		row.Outcome = Undecidable
	case c.Difference < 0:
		row.Outcome = Helps
	default:
		row.Outcome = Harms
	}
	if c.Interval != nil {
		row.Interval = signed(-c.Interval.High) + " to " + signed(-c.Interval.Low)
	}
	return row
}

// shownCoverage is the diversity of the lists of the first table.
type shownCoverage struct {
	Note string
	Rows []coverageRow
}

type coverageRow struct {
	shownDiversity
	Served bool
}

// coverageTable returns the diversity of each method of the first table, without ablations; nil if
// none was measured.
func coverageTable(r Report) *shownCoverage {
	if len(r.Tables) == 0 {
		return nil
	}
	table := r.Tables[0]
	shown := &shownCoverage{Note: fmt.Sprintf("%s task. Same first item, same list: the share of users with the most "+
		"frequent one; above %s the lists are degenerate. For comparison, %s of the users have the most frequent "+
		"target.",
		capital(table.Task), percent(metric.MaxFirstShare), percent(table.TargetShare))}
	for _, d := range diversities(table) {
		if d.Kind != AblationRow {
			shown.Rows = append(shown.Rows, coverageRow{d, d.Method == r.Verdict.Method})
		}
	}
	if len(shown.Rows) == 0 {
		return nil
	}
	return shown
}
