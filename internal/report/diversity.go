package report

import (
	"fmt"
	"slices"
	"strings"

	"rdrec/internal/metric"
)

// degenerateLists returns why a student's lists are degenerate, by task, from the first trial that
// has a finding; empty if they are not.
func (r *Report) degenerateLists(student string) map[string]string {
	found := map[string]string{}
	for _, table := range r.Tables {
		for _, row := range table.Rows {
			if row.Method != student {
				continue
			}
			for _, trial := range row.Trials {
				if findings := table.degenerate(trial); len(findings) > 0 && found[table.Task] == "" {
					found[table.Task] = clauses(findings)
				}
			}
		}
	}
	return found
}

// degenerate returns the findings about a trial's lists. A first item that is as frequent as the
// most frequent target is none.
func (t Table) degenerate(trial Trial) []metric.Degeneracy {
	return slices.DeleteFunc(trial.Diversity.Findings(), func(d metric.Degeneracy) bool {
		return d.Measure == "first_share" && d.Value <= t.TargetShare
	})
}

// degenerateTexts returns why a student's explanations are degenerate, from the first trial that
// has a finding; empty if they are not.
func (r *Report) degenerateTexts(student string) string {
	for _, result := range r.Explanations {
		if findings := result.Diversity.Findings(); result.Method == student && len(findings) > 0 {
			return clauses(findings)
		}
	}
	return ""
}

// clauses joins findings in a sentence.
func clauses(findings []metric.Degeneracy) string {
	words := make([]string, len(findings))
	for i, finding := range findings {
		words[i] = finding.Text
	}
	return strings.Join(words, "; ")
}

// degenerateCaveats adds a caveat for each student whose lists or texts ignore the input.
func (r *Report) degenerateCaveats() {
	for _, row := range r.rows(FusionRow, StudentRow) {
		found := r.degenerateLists(row.Method)
		for _, table := range r.Tables {
			if why := found[table.Task]; why != "" {
				r.warn(Degenerate, "The lists of %s hardly depend on the user (%s task): %s.",
					row.Method, table.Task, why)
			}
		}
	}
	for _, student := range r.explainers() {
		if why := r.degenerateTexts(student); why != "" {
			r.warn(Degenerate, "The explanations of %s are degenerate: %s.", student, why)
		}
	}
}

// explainers returns the students that explained, in the order of the report.
func (r *Report) explainers() (methods []string) {
	for _, result := range r.Explanations {
		if result.Kind != BaselineRow && !slices.Contains(methods, result.Method) {
			methods = append(methods, result.Method)
		}
	}
	return methods
}

// shownDiversity is the diversity of a row's lists, with the mean over trials of each value.
type shownDiversity struct {
	Method, DistinctFirst, FirstShare, ListShare, Recommended, Coverage string
	Kind                                                                RowKind
}

// diversities returns the diversity of each row that was measured.
func diversities(t Table) (shown []shownDiversity) {
	for _, row := range t.Rows {
		mean := func(of func(metric.ListDiversity) float64) float64 {
			values := make([]float64, len(row.Trials))
			for i, trial := range row.Trials {
				values[i] = of(trial.Diversity)
			}
			return metric.Mean(values)
		}
		count := func(of func(metric.ListDiversity) int) string {
			return thousands(int(mean(func(d metric.ListDiversity) float64 { return float64(of(d)) }) + 0.5))
		}
		if mean(func(d metric.ListDiversity) float64 { return float64(d.Users) }) == 0 {
			continue
		}
		shown = append(shown, shownDiversity{
			Method: row.Method, Kind: row.Kind,
			DistinctFirst: count(func(d metric.ListDiversity) int { return d.DistinctFirst }),
			FirstShare:    percent(mean(func(d metric.ListDiversity) float64 { return d.FirstShare })),
			ListShare:     percent(mean(func(d metric.ListDiversity) float64 { return d.ListShare })),
			Recommended: fmt.Sprintf("%s of %s", count(func(d metric.ListDiversity) int { return d.Recommended }),
				count(func(d metric.ListDiversity) int { return d.Items })),
			Coverage: percent(mean(func(d metric.ListDiversity) float64 { return d.Coverage })),
		})
	}
	return shown
}

// diversity writes how much the lists of different users differ.
func (t *text) diversity(table Table) {
	shown := diversities(table)
	rows := make([][]string, 0, 1+len(shown))
	rows = append(rows, []string{
		"lists", "distinct first", "same first item", "same list", "items recommended", "coverage",
	})
	for _, d := range shown {
		rows = append(rows, []string{d.Method, d.DistinctFirst, d.FirstShare, d.ListShare, d.Recommended, d.Coverage})
	}
	if len(rows) > 1 {
		t.line("")
		t.grid(rows)
		t.wrap("  ", diversityNote(table))
	}
}

// diversityNote explains the table of diversity with its limits.
func diversityNote(t Table) string {
	return fmt.Sprintf("Same first item, same list: the share of users with the most frequent one. Coverage: the "+
		"share of the catalog that is recommended to anyone. Degenerate: a share above %s, or fewer items than %s of "+
		"those that have room in the lists. For comparison, %s of the users have the most frequent target.",
		percent(metric.MaxFirstShare), percent(metric.MinCoverage), percent(t.TargetShare))
}
