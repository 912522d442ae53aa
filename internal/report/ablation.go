package report

import (
	"fmt"

	"rdrec/internal/metric"
)

// ablate tests every ablation against its student or its fusion: on the same users by a paired
// bootstrap and, with enough trials, on the same seeds. Holm's correction covers the ablations
// separately, because each measures the effect of one switch.
func (t *Table) ablate(seed int64) {
	t.Ablations = nil
	for _, row := range t.Rows {
		if row.Kind != AblationRow {
			continue
		}
		for _, base := range t.Rows {
			if !base.servable() || base.Method != row.Base {
				continue
			}
			for _, name := range t.comparedMetrics() {
				t.Ablations = append(t.Ablations, t.compareUsers(row, base, name, seed))
				test, err := metric.Paired(row.perTrial(name), base.perTrial(name))
				if err == nil && row.sameSeeds(base) {
					t.Ablations = append(t.Ablations, seedComparison(row, base, test, nil).labelled(PairedSeeds, name))
				}
			}
		}
	}
}

// shownAblation is a row of the table of ablations.
type shownAblation struct {
	Comparison
	// Figure is the score of the ablation, and Base that of its student.
	Figure, Base string
	// Range is the 95% interval of the difference, or why there is none.
	Range string
}

// ablations returns the rows of the table of ablations.
func ablations(t Table) []shownAblation {
	shown := make([]shownAblation, len(t.Ablations))
	for i, c := range t.Ablations {
		shown[i] = shownAblation{
			Comparison: c, Figure: t.mean(c.Student, c.Metric), Base: t.mean(c.Other, c.Metric), Range: c.Note,
		}
		if c.Interval != nil {
			shown[i].Range = signed(c.Interval.Low) + " to " + signed(c.Interval.High)
		}
	}
	return shown
}

// mean returns the formatted score of a row.
func (t Table) mean(method, name string) string {
	for _, row := range t.Rows {
		if row.Method != method {
			continue
		}
		if cell, found := row.Cell(name); found {
			return figure(cell.Mean)
		}
	}
	return "-"
}

// ablations writes the effect of each switch.
func (t *text) ablations(table Table) {
	if len(table.Ablations) == 0 {
		return
	}
	rows := [][]string{{
		"changed", "metric", "changed", "as it is", "difference", "95% interval", "over", "p", "p (Holm)",
	}}
	for _, a := range ablations(table) {
		rows = append(rows, []string{
			a.Student, a.Metric, a.Figure, a.Base, signed(a.Difference), a.Range,
			fmt.Sprintf("%s %s", thousands(a.N), a.Over),
			pValue(a.P), pValue(a.Holm),
		})
	}
	t.line("")
	t.grid(rows)
	t.wrap("  ", "Difference: changed minus as it is, on the same "+table.unit()+" (paired bootstrap) or seeds "+
		"(paired t-test). p (Holm) is corrected for this table's rows by the same test.")
}
