package report

import (
	"fmt"
	"slices"
)

// seedIntervals writes each student's 95% intervals over seeds, for every metric of the table.
func (t *text) seedIntervals(table Table) {
	metrics := table.Metrics()
	rows := [][]string{append([]string{"95% over seeds (t)"}, metrics...)}
	for _, row := range table.Rows {
		if len(row.Trials) < 2 {
			continue
		}
		cells := []string{fmt.Sprintf("%s, %d seeds", row.Method, len(row.Trials))}
		for _, name := range metrics {
			cell, _ := row.Cell(name)
			if cell.Interval == nil {
				cells = append(cells, "-")
				continue
			}
			cells = append(cells, figure(cell.Interval.Low)+" to "+figure(cell.Interval.High))
		}
		rows = append(rows, cells)
	}
	if len(rows) > 1 {
		t.line("")
		t.grid(rows)
	}
}

// comparisons writes the table's tests: all tests between students, and those of the primary metric
// against the other rows. Each reason why a test was not possible is written once.
func (t *text) comparisons(table Table) {
	rows := [][]string{{"compared", "metric", "test", "n", "difference", "95% interval", "p", "p (Holm)", "effect"}}
	var notes []string
	for _, c := range table.Comparisons {
		switch {
		case c.Note != "":
			if !slices.Contains(notes, c.Note) {
				notes = append(notes, c.Note)
			}
		case c.Metric == table.primary() || table.student(c.Other):
			rows = append(rows, []string{
				c.Student + " against " + c.Other, c.Metric, string(c.Test),
				fmt.Sprintf("%s %s", thousands(c.N), c.Over), signed(c.Difference),
				fmt.Sprintf("%s to %s", signed(c.Interval.Low), signed(c.Interval.High)), pValue(c.P), pValue(c.Holm),
				fmt.Sprintf("%.2f", c.Effect),
			})
		}
	}
	if len(rows) > 1 {
		t.line("")
		t.grid(rows)
		t.wrap("  ", "p (Holm) is corrected for all comparisons of this task by the same test, "+table.secondary()+
			"'s too; below 0.05 a difference counts. Effect: the difference in standard deviations.")
	}
	for _, note := range notes {
		t.wrap("  ", capital(note)+".")
	}
}

// student reports whether the row of the method is a student or a fusion.
func (t Table) student(method string) bool {
	return slices.ContainsFunc(t.Rows, func(row Row) bool { return row.servable() && row.Method == method })
}

// published writes the comparison with the published trials, which is marked as such.
func (t *text) published(p *Published) {
	if p == nil {
		return
	}
	t.line("\nPublished · %s · the ten trials of RDRec and of POD in the reference's t_test.py · not run here",
		p.Data)
	for _, note := range p.Notes {
		t.wrap("  ", note)
	}
	if len(p.Rows) == 0 {
		return
	}
	rows := [][]string{{
		"method", "metric", "here", "published", "difference", "95% interval", "p", "p (Holm)", "effect",
	}}
	var caveats []string
	for _, row := range p.Rows {
		cells := []string{
			fmt.Sprintf("%s %s", row.Task, row.Method), row.Metric, row.Ours.String(),
			row.PublishedMethod + " " + row.Theirs.String(), signed(row.Difference),
		}
		if row.Note != "" {
			rows = append(rows, append(cells, "", "", "", ""))
		} else {
			interval := fmt.Sprintf("%s to %s", signed(row.Interval.Low), signed(row.Interval.High))
			rows = append(rows, append(cells, interval,
				pValue(row.P), pValue(row.Holm), fmt.Sprintf("%.2f", row.Effect)))
		}
		for _, words := range []string{row.Caveat, row.Note} {
			if words != "" && !slices.Contains(caveats, row.Task+" "+row.Metric+": "+words) {
				caveats = append(caveats, row.Task+" "+row.Metric+": "+words)
			}
		}
	}
	t.grid(rows)
	for _, caveat := range caveats {
		t.wrap("  ", caveat+".")
	}
}

// String returns the mean, the standard deviation and the number of trials.
func (s MeanSD) String() string {
	if s.N < 2 {
		return fmt.Sprintf("%s (%d)", figure(s.Mean), s.N)
	}
	return fmt.Sprintf("%s ±%s (%d)", figure(s.Mean), figure(s.SD), s.N)
}
