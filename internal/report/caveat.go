package report

import (
	"fmt"
	"slices"
	"strings"

	"rdrec/internal/audit"
	"rdrec/internal/baseline"
	"rdrec/internal/spec"
)

// Thresholds of the caveats.
const (
	lowGrounding   = 0.5  // share of words from the review below which the teacher mostly hallucinates
	highQuarantine = 0.05 // share of quarantined replies above which there is a caveat
)

// Conclude sets the verdict and the caveats from the rest of the report, the most serious caveat
// first. Call it last.
func (r *Report) Conclude() {
	r.Verdict, r.Caveats = nil, nil
	for _, table := range r.Tables {
		for _, row := range table.Rows {
			if row.Kind == StudentRow {
				r.Verdict = append(r.Verdict, verdict(table, row))
			}
		}
	}
	r.baselineCaveats()
	r.idLeakCaveats()
	r.auditCaveats()
	r.trainingCaveats()
	r.rationaleCaveats()
	r.protocolCaveats()
	order := []audit.Level{audit.Leak, audit.Caution, audit.Fine}
	slices.SortStableFunc(r.Caveats, func(a, b Caveat) int {
		return slices.Index(order, a.Level) - slices.Index(order, b.Level)
	})
}

func (r *Report) warn(level audit.Level, format string, args ...any) {
	r.Caveats = append(r.Caveats, Caveat{level, fmt.Sprintf(format, args...)})
}

// verdict returns a student's hit rates and the rows that it beats.
func verdict(table Table, row Row) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s task: %s", capital(table.Task), row.Method)
	first, hasFirst := row.Cell("HR@1")
	ten, hasTen := row.Cell("HR@10")
	if hasFirst && hasTen {
		fmt.Fprintf(&b, " has an HR@1 of %s and an HR@10 of %s (%s users%s).",
			figure(first.Mean), figure(ten.Mean), thousands(table.Users), bounds(ten))
	}
	words := map[standing][]string{}
	for _, other := range table.Rows {
		if stands, _ := table.against(row.Method, other.Method); stands != unknown {
			words[stands] = append(words[stands], other.Method)
		}
	}
	for _, part := range []struct {
		stands standing
		say    string
	}{{better, "It beats %s"}, {equal, "It cannot be told apart from %s"}, {worse, "It does worse than %s"}} {
		if len(words[part.stands]) > 0 {
			fmt.Fprintf(&b, " "+part.say+" on %s.", listed(words[part.stands]), primaryMetric)
		}
	}
	return b.String()
}

func bounds(cell Cell) string {
	if cell.Interval == nil {
		return ""
	}
	return fmt.Sprintf("; 95%% interval %s to %s", figure(cell.Interval.Low), figure(cell.Interval.High))
}

// baselineCaveats adds a caveat for each simpler row that a student does not beat.
func (r *Report) baselineCaveats() {
	for _, table := range r.Tables {
		for _, row := range table.Rows {
			if row.Kind != StudentRow && row.Kind != ModelRow {
				continue
			}
			for _, other := range table.Rows {
				r.baselineCaveat(table, row, other)
			}
		}
	}
}

func (r *Report) baselineCaveat(table Table, row, other Row) {
	stands, c := table.against(row.Method, other.Method)
	if other.Kind == StudentRow || (stands != equal && stands != worse) {
		return
	}
	mine, _ := row.Cell(primaryMetric)
	theirs, _ := other.Cell(primaryMetric)
	simpler := "which needs no model"
	if other.Kind == ModelRow {
		simpler = "a small transformer that reads item sequences only"
	}
	against := fmt.Sprintf("%s %s against %s, p = %s",
		primaryMetric, figure(mine.Mean), figure(theirs.Mean), pValue(c.Holm))
	switch {
	case other.Kind == RuleRow:
		r.warn(audit.Leak, "%s does not beat the rule that reads only item ids (%s task: %s): "+
			"it has not shown that it learned more than the item ids reveal.", row.Method, table.Task, against)
	case stands == worse:
		r.warn(audit.Caution, "%s does worse than %s, %s (%s task: %s).",
			row.Method, other.Method, simpler, table.Task, against)
	default:
		r.warn(audit.Caution, "%s cannot be told apart from %s, %s (%s task: %s).",
			row.Method, other.Method, simpler, table.Task, against)
	}
}

// idLeakCaveats adds a caveat for each task whose item ids alone reveal the answer among the
// candidates: the rule is significantly above chance and popularity.
func (r *Report) idLeakCaveats() {
	const name = "HR@10"
	for _, table := range r.Tables {
		if table.Candidates <= 10 {
			continue
		}
		chance, popular := 10/float64(table.Candidates), 0.0
		for _, row := range table.Rows {
			if cell, found := row.Cell(name); found && row.Method == baseline.Popularity {
				popular = cell.Mean
			}
		}
		for _, row := range table.Rows {
			cell, found := row.Cell(name)
			if row.Kind != RuleRow || !found || cell.Interval == nil {
				continue
			}
			if cell.Interval.Low <= max(chance, popular) {
				continue
			}
			r.warn(audit.Leak, "The item ids leak the candidates of the %s task: the rule that reads nothing else "+
				"has an %s of %s, popularity %s, chance %s. Scores of this task also measure the item indexing.",
				table.Task, name, figure(cell.Mean), figure(popular), figure(chance))
		}
	}
}

// auditCaveats adds the findings of the audit, without those that are fine.
func (r *Report) auditCaveats() {
	if r.Audit == nil {
		return
	}
	for _, finding := range r.Audit.Findings {
		if finding.Level != audit.Fine {
			r.warn(finding.Level, "%s. %s", finding.Title, finding.Text)
		}
	}
}

// trainingCaveats adds caveats about short trainings and single trials, one for all students that
// share it.
func (r *Report) trainingCaveats() {
	var improving, stoppedEarly, fromRandom, notices []string
	for _, s := range r.Students {
		name := fmt.Sprintf("%s (seed %d) after %s", s.Method, s.Seed, plural(s.Epochs, "epoch"))
		if s.stillImproving() {
			improving = append(improving, name)
		}
		if s.StoppedEarly && r.Protocol == spec.Paper {
			stoppedEarly = append(stoppedEarly, name)
		}
		if s.Pretrained == "" && !slices.Contains(fromRandom, s.Size) {
			fromRandom = append(fromRandom, s.Size)
		}
		for _, notice := range s.Notices {
			if !slices.Contains(notices, notice) {
				notices = append(notices, notice)
			}
		}
	}
	r.warnStudents(improving, "Under-trained: the validation loss was still falling when training ended, %s. "+
		"Longer training may well do better.")
	r.warnStudents(stoppedEarly, "Stopped early, %s: in protocol paper the patience never resets after an "+
		"improvement, as in the reference.")
	r.warnStudents(fromRandom, "The student (%s) starts from random weights; "+
		"the paper's starts from a pretrained T5.")
	for _, notice := range notices {
		r.warn(audit.Caution, "%s", notice)
	}
	if r.Trials < 2 && len(r.Students) > 0 {
		r.warn(audit.Caution, "One seed only: how much the scores vary from seed to seed is unknown, "+
			"and no comparison over seeds is possible.")
	}
}

// stillImproving reports whether training ended while the validation loss was still falling.
func (s Student) stillImproving() bool {
	return !s.StoppedEarly && s.BestEpoch == s.Epochs && s.Epochs > 0
}

// warnStudents adds a caveat about students or sizes, if there are any.
func (r *Report) warnStudents(names []string, format string) {
	if len(names) > 0 {
		r.warn(audit.Caution, format, listed(names))
	}
}

// rationaleCaveats adds caveats about the quality of the rationales.
func (r *Report) rationaleCaveats() {
	t := r.Teacher
	if t == nil || t.Wanted == 0 {
		return
	}
	if t.Model == "copy" {
		r.warn(audit.Caution, "There was no teacher: each rationale is the explanation itself.")
		return
	}
	if t.Wanted < t.Explanations {
		r.warn(audit.Caution, "Only %s of %s explanations were distilled: the rationale task saw that part of the "+
			"data.", thousands(t.Wanted), thousands(t.Explanations))
	}
	if quarantined := float64(t.Quarantined) / float64(t.Wanted); quarantined > highQuarantine {
		r.warn(audit.Caution, "%s of the teacher's replies could not be used (%s of %s).",
			percent(quarantined), thousands(t.Quarantined), thousands(t.Wanted))
	}
	if t.Grounded < lowGrounding {
		r.warn(audit.Caution, "The teacher, %s, mostly hallucinates: %s of its rationales' content words occur in the "+
			"review. They show that the pipeline works, not what users prefer.", t.Model, percent(t.Grounded))
	}
}

// protocolCaveats adds notes and caveats about the protocol.
func (r *Report) protocolCaveats() {
	if r.Protocol == spec.Paper && len(r.Tables) > 0 {
		r.warn(audit.Fine, "Protocol paper counts as the reference does: an item recommended twice counts twice, "+
			"text that is not an item becomes a random one, and padding takes part in loss and attention "+
			"(docs/deviations.md lists all deviations). Protocol clean does not.")
	}
	if len(r.Switches) > 0 {
		r.warn(audit.Fine, "The spec changes switches of protocol %s: %s.", r.Protocol, listed(r.Switches))
	}
	if n := r.Data.Indexing; r.Protocol == spec.Clean && n.Leaks {
		r.warn(audit.Caution, "The spec has protocol clean, but held-out items influence the item ids "+
			"(data.indexing %s: %s). Use random, sequential, collaborative or semantic.", n.Name, n.About)
	}
}
