package report

import (
	"fmt"
	"slices"

	"rdrec/internal/metric"
)

// Outcome is the result of comparing a student with another method, by the primary metric over the
// same users.
type Outcome string

// The outcomes. The zero value means that no comparison was possible.
const (
	Better Outcome = "better"
	Worse  Outcome = "worse"
	// Undecidable means that the difference may be chance.
	Undecidable Outcome = "uncertain"
)

// Standing is a student beside one other method on every task that both are evaluated on.
type Standing struct {
	Student string  `json:"student"`
	Other   string  `json:"other"`
	Kind    RowKind `json:"kind"` // of Other
	// Tasks has an element for each table of the report, in their order.
	Tasks []TaskStanding `json:"tasks"`
}

// TaskStanding is the outcome on one task.
type TaskStanding struct {
	Task   string `json:"task"`
	Metric string `json:"metric"`
	// Missing is set if the student is not evaluated on the task; all that follows is then zero.
	Missing bool `json:"missing,omitempty"`
	// Score and OtherScore are means over trials; Difference is Score minus OtherScore, with its
	// 95% interval over users and its p-value after Holm's correction.
	Score      float64          `json:"score"`
	OtherScore float64          `json:"other_score"`
	Difference float64          `json:"difference"`
	Interval   *metric.Interval `json:"interval,omitempty"`
	Holm       float64          `json:"holm"`
	Outcome    Outcome          `json:"outcome,omitempty"`
}

// served returns the rows that the verdict is about: the fusions, or the students where there are
// none.
func (r *Report) served() []Row {
	if fusions := r.rows(FusionRow); len(fusions) > 0 {
		return fusions
	}
	return r.rows(StudentRow)
}

// standings compares every fusion and every student with every other row but ablations, in the
// order of the tables.
func (r *Report) standings() (all []Standing) {
	for _, student := range r.rows(FusionRow, StudentRow) {
		for _, other := range r.rows(FusionRow, StudentRow, BaselineRow, ModelRow, RuleRow) {
			s := Standing{Student: student.Method, Other: other.Method, Kind: other.Kind}
			compared := false
			for _, table := range r.Tables {
				on := table.standing(student.Method, other.Method)
				compared = compared || on.Outcome != ""
				s.Tasks = append(s.Tasks, on)
			}
			if compared {
				all = append(all, s)
			}
		}
	}
	return all
}

// rows returns one row of each method of these kinds, in the order of the tables.
func (r *Report) rows(kinds ...RowKind) (rows []Row) {
	seen := map[string]bool{}
	for _, kind := range kinds {
		for _, table := range r.Tables {
			for _, row := range table.Rows {
				if row.Kind == kind && !seen[row.Method] {
					seen[row.Method] = true
					rows = append(rows, row)
				}
			}
		}
	}
	return rows
}

// standing returns the outcome of comparing a student with another row on the table's task.
func (t Table) standing(student, other string) TaskStanding {
	s := TaskStanding{Task: t.Task, Metric: primaryMetric, Missing: !t.has(student)}
	if s.Missing {
		return s
	}
	s.Score, s.OtherScore = t.score(student), t.score(other)
	for _, c := range t.Comparisons {
		if c.Metric != primaryMetric || c.Over != "users" || c.Student != student || c.Other != other || c.Note != "" {
			continue
		}
		s.Difference, s.Interval, s.Holm = c.Difference, c.Interval, c.Holm
		switch {
		case c.Holm >= Alpha:
			s.Outcome = Undecidable
		case c.Difference > 0:
			s.Outcome = Better
		default:
			s.Outcome = Worse
		}
		return s
	}
	return s
}

// has reports whether a method has a row.
func (t Table) has(method string) bool {
	return slices.ContainsFunc(t.Rows, func(row Row) bool { return row.Method == method })
}

// score returns the primary metric of a method; 0 if it has none.
func (t Table) score(method string) float64 {
	for _, row := range t.Rows {
		if row.Method == method {
			cell, _ := row.Cell(primaryMetric)
			return cell.Mean
		}
	}
	return 0
}

// found returns the methods with an outcome against the student, by task.
func (r *Report) found(student string, outcome Outcome) map[string][]Standing {
	methods := map[string][]Standing{}
	for _, s := range r.Standings {
		for _, on := range s.Tasks {
			if s.Student == student && on.Outcome == outcome {
				methods[on.Task] = append(methods[on.Task], s)
			}
		}
	}
	return methods
}

// named returns the other method for a sentence.
func (s Standing) named() string {
	if s.Kind == RuleRow {
		return "the item-id rule"
	}
	return s.Other
}

// inWords returns a function that puts the names of the other methods into a format.
func inWords(format string) func([]Standing) string {
	return func(standings []Standing) string { return fmt.Sprintf(format, names(standings)) }
}

// names returns the other methods for a sentence: "popularity and the item-id rule".
func names(standings []Standing) string {
	words := make([]string, len(standings))
	for i, s := range standings {
		words[i] = s.named()
	}
	return listed(words)
}

// shownStandings is the table of comparisons: for each student a row with its scores, and below it
// a row for each method that it is compared with.
type shownStandings struct {
	// Tasks are the tasks with a column, and Several is set if there are several students.
	Tasks   []string
	Several bool
	Rows    []shownStanding
}

type shownStanding struct {
	Method string
	// Student is set for the row of the student itself.
	Student bool
	// Cells has an element for each task.
	Cells []standingCell
}

// standingCell is formatted; a dash stands for what is not known.
type standingCell struct {
	Score, Difference, Interval string
	Outcome                     Outcome
}

// standingTable returns the table of comparisons; nil if there is none.
func standingTable(r Report) *shownStandings {
	if len(r.Standings) == 0 {
		return nil
	}
	shown := &shownStandings{}
	for _, on := range r.Standings[0].Tasks {
		shown.Tasks = append(shown.Tasks, on.Task)
	}
	student, students := "", 0
	for _, s := range r.Standings {
		if s.Student != student {
			student, students = s.Student, students+1
			shown.Rows = append(shown.Rows, studentStanding(s))
		}
		row := shownStanding{Method: s.Other}
		for _, on := range s.Tasks {
			row.Cells = append(row.Cells, on.cell())
		}
		shown.Rows = append(shown.Rows, row)
	}
	shown.Several = students > 1
	return shown
}

// studentStanding returns the row of the student itself.
func studentStanding(s Standing) shownStanding {
	row := shownStanding{Method: s.Student, Student: true}
	for _, on := range s.Tasks {
		cell := standingCell{Score: figure(on.Score)}
		if on.Missing {
			cell.Score = "–"
		}
		row.Cells = append(row.Cells, cell)
	}
	return row
}

// cell formats the outcome on a task.
func (s TaskStanding) cell() standingCell {
	if s.Outcome == "" {
		return standingCell{Score: "–"}
	}
	cell := standingCell{Score: figure(s.OtherScore), Outcome: s.Outcome, Difference: signed(s.Difference)}
	if s.Interval != nil {
		cell.Interval = signed(s.Interval.Low) + " to " + signed(s.Interval.High)
	}
	return cell
}

// standingNote explains the table of comparisons.
func standingNote(shown shownStandings) string {
	who := "The student"
	if shown.Several {
		who = "Each student, in the rows below it,"
	}
	return who + " is better or worse if the difference, with its 95% interval over the same users, is significant " +
		"(paired bootstrap, p < 0.05 after Holm's correction); otherwise it is uncertain: it may be chance."
}
