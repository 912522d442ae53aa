package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// intro describes the run for a reader who has never seen one.
func intro(r Report) string {
	stats := r.Data.Stats
	trained := "The run trained no student"
	if n := len(r.Students); n > 0 {
		trained = fmt.Sprintf("The run trained %s (%s)", plural(n, "recommender"), listed(r.Methods))
	}
	data := fmt.Sprintf(" on the histories of %s with %s", plural(stats.Users, "user"), plural(stats.Items, "item"))
	compared := 0
	for _, row := range r.rows(BaselineRow, ModelRow, RuleRow) {
		if !row.servable() {
			compared++
		}
	}
	if compared == 0 {
		return trained + data + "."
	}
	return fmt.Sprintf("%s%s, to predict each user's next item, and compared the rankings with those of %s on the "+
		"same users.", trained, data, plural(compared, "simpler method"))
}

// concernCounts counts the caveats by concern, the most serious first: "1 data leak, 3 caution".
func concernCounts(caveats []Caveat) string {
	var words []string
	for _, row := range concerns() {
		count := 0
		for _, c := range caveats {
			if string(c.Concern) == row.Name {
				count++
			}
		}
		if count > 0 {
			words = append(words, fmt.Sprintf("%s (%d)", strings.ToLower(row.Value), count))
		}
	}
	return listed(words)
}

// shownMethods is the table of a task's methods, the best first.
type shownMethods struct {
	Task, Title, Primary, Note string
	// Against is the method that the verdict is about, if it is evaluated on the task.
	Against string
	// Columns are the metrics besides the primary one.
	Columns []string
	Rows    []shownMethod
}

// shownMethod is a row of [shownMethods].
type shownMethod struct {
	Method, About, Score, SD, Interval string
	Served                             bool
	Bar                                whiskers
	// Outcome and Difference are those of the served method against this one.
	Outcome                        Outcome
	Difference, DifferenceInterval string
	Cells                          []string
}

// overviewMetrics are the metrics of the table of methods besides the primary one.
func overviewMetrics() []string { return []string{"HR@1", "HR@5", "NDCG@5", "HR@10"} }

// methodTable returns the methods of a task without ablations.
func methodTable(r Report, t Table) shownMethods {
	shown := shownMethods{
		Task: t.Task, Primary: primaryMetric,
		Title: fmt.Sprintf("%s: %s, %s", capital(t.Task), t.Setting, plural(t.Users, "user")),
	}
	for _, name := range overviewMetrics() {
		if slices.Contains(t.Metrics(), name) {
			shown.Columns = append(shown.Columns, name)
		}
	}
	if t.has(r.Verdict.Method) {
		shown.Against = r.Verdict.Method
	}
	highest := 0.0
	for _, row := range t.Rows {
		if cell, found := row.Cell(primaryMetric); found {
			highest = max(highest, cell.Mean, upper(cell.Interval))
		}
	}
	rows := slices.DeleteFunc(slices.Clone(t.Rows), func(row Row) bool { return row.Kind == AblationRow })
	slices.SortStableFunc(rows, func(a, b Row) int { return cmp.Compare(t.score(b.Method), t.score(a.Method)) })
	for _, row := range rows {
		shown.Rows = append(shown.Rows, shown.row(t, row, highest))
	}
	shown.Note = methodNote(t, shown.Against)
	return shown
}

// row formats a row of the table of methods.
func (s shownMethods) row(t Table, row Row, highest float64) shownMethod {
	one := shownMethod{Method: row.Method, Served: row.Method == s.Against, About: aboutKind(row), Score: "–"}
	if cell, found := row.Cell(primaryMetric); found {
		one.Score = figure(cell.Mean)
		if cell.Trials > 1 {
			one.SD = "± " + figure(cell.SD)
		}
		one.Bar = newWhiskers(cell.Mean, cell.Interval, highest)
		one.Bar.Class = string(row.Kind)
		if one.Served {
			one.Bar.Class = "served"
		}
		if cell.Interval != nil {
			one.Interval = figure(cell.Interval.Low) + " to " + figure(cell.Interval.High)
		}
	}
	if on := t.standing(s.Against, row.Method); s.Against != "" && on.Outcome != "" {
		cell := on.cell()
		one.Outcome, one.Difference, one.DifferenceInterval = on.Outcome, cell.Difference, cell.Interval
	}
	for _, name := range s.Columns {
		one.Cells = append(one.Cells, textCell(row, name, "%.4f"))
	}
	return one
}

// methodNote explains the table of methods.
func methodNote(t Table, against string) string {
	note := fmt.Sprintf("The line in a bar is the 95%% interval over %s.", t.unit())
	if t.trials() > 1 {
		note = "Mean ± standard deviation over trials; the line in a bar is the 95% interval over trials, or over " +
			t.unit() + " for methods with one trial."
	}
	if against == "" {
		return note
	}
	return fmt.Sprintf("%s “%s” is better or worse than a method if their difference on the same %s is significant "+
		"(paired bootstrap, p < %.2f after Holm's correction); otherwise it is uncertain: it may be chance.",
		note, against, t.unit(), Alpha)
}

// aboutKind describes a row in a few words.
func aboutKind(row Row) string {
	kind := map[RowKind]string{
		FusionRow: "a mix of methods", StudentRow: "student", BaselineRow: "baseline", ModelRow: "trained baseline",
		RuleRow: "reads item ids only",
	}[row.Kind]
	switch {
	case len(row.Trials) > 1:
		kind += ", " + plural(len(row.Trials), "trial")
	case row.Kind == BaselineRow && row.About != "":
		kind += ": " + row.About
	case row.Kind == StudentRow && row.About != "":
		kind += ", " + row.About
	}
	return kind
}

// outcomeSign is a sign beside an outcome, which color alone must not tell.
func outcomeSign(o Outcome) string {
	return map[Outcome]string{Better: "▲", Helps: "▲", Worse: "▼", Harms: "▼", Undecidable: "≈"}[o]
}

// whiskers is a bar with its interval, in percent of its width.
type whiskers struct {
	At, From, Wide float64
	// Mark is a baseline's value, 0 for none.
	Mark  float64
	Class string
}
