package report

import (
	"fmt"
	"slices"

	"rdrec/internal/audit"
	"rdrec/internal/baseline"
	"rdrec/internal/dataset"
	"rdrec/internal/spec"
)

// Thresholds of the caveats.
const (
	lowGrounding   = 0.5  // share of words from the review below which the teacher mostly hallucinates
	highQuarantine = 0.05 // share of quarantined replies above which there is a caveat
)

// Conclude sets the verdict, the standings and the caveats from the rest of the report, the most
// serious caveat first. Call it last.
func (r *Report) Conclude() {
	r.Caveats, r.Standings = nil, r.standings()
	r.studentCaveats()
	r.baselineCaveats()
	r.idLeakCaveats()
	r.importCaveats()
	r.auditCaveats()
	r.degenerateCaveats()
	r.trainingCaveats()
	r.rationaleCaveats()
	r.textCaveats()
	r.entailmentCaveats()
	r.protocolCaveats()
	sortCaveats(r.Caveats)
	r.Verdict = r.conclude()
}

func (r *Report) warn(about Concern, format string, args ...any) {
	r.Caveats = append(r.Caveats, Caveat{about, fmt.Sprintf(format, args...)})
}

// studentCaveats adds, for each student, one caveat about the methods that are better and one about
// those that it cannot be told apart from.
func (r *Report) studentCaveats() {
	for _, row := range r.served() {
		if lost := r.found(row.Method, Worse); len(lost) > 0 {
			r.warn(WeakStudent, "%s does worse %s.%s",
				row.Method, r.byTask(lost, inWords("than %s")), unlessRuleBeaten(row.Method, lost))
		}
		if tied := r.found(row.Method, Undecidable); len(tied) > 0 {
			r.warn(Uncertain, "%s cannot be told apart %s: the difference in %s may be chance.%s",
				row.Method, r.byTask(tied, inWords("from %s")), primaryMetric, unlessRuleBeaten(row.Method, tied))
		}
	}
}

// unlessRuleBeaten returns what it means that a student does not beat the rule, if that is so.
func unlessRuleBeaten(student string, methods map[string][]Standing) string {
	for _, found := range methods {
		if slices.ContainsFunc(found, func(s Standing) bool { return s.Kind == RuleRow }) {
			return fmt.Sprintf(" Because the rule reads only item ids, %s has not shown that it learned more than the "+
				"item ids reveal.", student)
		}
	}
	return ""
}

// baselineCaveats adds caveats about the methods that students are compared with: baselines that
// the spec leaves out, and a trained model that does not beat the rule.
func (r *Report) baselineCaveats() {
	if missing := r.leftOut(); len(r.Standings) > 0 && len(missing) > 0 {
		r.warn(Uncertain, "Not compared with %s, which the spec leaves out: a simpler method may do as well.",
			listed(missing))
	}
	for _, table := range r.Tables {
		for _, row := range table.Rows {
			for _, rule := range table.Rows {
				on := table.standing(row.Method, rule.Method)
				if row.Kind == ModelRow && rule.Kind == RuleRow && on.Outcome != Better && on.Outcome != "" {
					r.warn(Caution, "%s does not beat the rule that reads only item ids (%s task: %s %s against "+
						"%s): a comparison with it shows little.",
						row.Method, table.Task, primaryMetric, figure(on.Score), figure(on.OtherScore))
				}
			}
		}
	}
}

// leftOut returns the default baselines that are in no table; the rule is no competitor.
func (r *Report) leftOut() (missing []string) {
	compared := r.rows(BaselineRow)
	defaults := spec.Default().Baselines
	for _, b := range baseline.Table() {
		used := slices.ContainsFunc(compared, func(row Row) bool { return row.Method == b.Name })
		if slices.Contains(defaults, b.Name) && b.Name != baseline.Rule && !used {
			missing = append(missing, b.Name)
		}
	}
	return missing
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
			r.warn(DataLeak, "The item ids leak the candidates of the %s task: the rule that reads nothing else "+
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
			r.warn(concernOf(finding.Level), "%s. %s", finding.Title, finding.Text)
		}
	}
}

// minCoverage is the share of reviews with text below which few have an explanation.
const minCoverage = 0.2

// importCaveats adds caveats about raw reviews that may have been misread.
func (r *Report) importCaveats() {
	d := r.Data
	if d.OddTimes > 0 {
		r.warn(Caution, "%s of %s reviews are dated before %d or after %d: the order of the items may be wrong. "+
			"Check data.reviews.time_format.",
			thousands(d.OddTimes), thousands(d.Rows), dataset.FirstYear, dataset.LastYear)
	}
	if d.Replaced > 0 {
		r.warn(Caution, "The texts of %s of %s reviews lost characters that are not UTF-8. Check "+
			"data.reviews.encoding.",
			thousands(d.Replaced), thousands(d.Rows))
	}
	if d.Texts > 0 && float64(d.Explained) < minCoverage*float64(d.Texts) {
		r.warn(Caution, "Only %s of %s reviews with text have an explanation, by the word lists of language %s. Check "+
			"data.reviews.language.",
			thousands(d.Explained), thousands(d.Texts), d.Language)
	}
	if d.Untitled > 0 {
		r.warn(Note, "%s of %s items have no title in the metadata.", thousands(d.Untitled), thousands(d.Stats.Items))
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
		r.warn(Caution, "%s", notice)
	}
	if r.Trials < 2 && len(r.Standings) > 0 {
		r.warn(Uncertain, "One seed only: how much the scores vary from seed to seed is unknown, "+
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
		r.warn(Caution, format, listed(names))
	}
}

// rationaleCaveats adds caveats about the quality of the rationales.
func (r *Report) rationaleCaveats() {
	t := r.Teacher
	if t == nil || t.Wanted == 0 {
		return
	}
	if t.Model == "copy" {
		r.warn(Caution, "There was no teacher: each rationale is the explanation itself.")
		return
	}
	if t.Wanted < t.Explanations {
		r.warn(Caution, "Only %s of %s explanations were distilled: the rationale task saw that part of the "+
			"data.", thousands(t.Wanted), thousands(t.Explanations))
	}
	if quarantined := float64(t.Quarantined) / float64(t.Wanted); quarantined > highQuarantine {
		r.warn(Caution, "%s of the teacher's replies could not be used (%s of %s).",
			percent(quarantined), thousands(t.Quarantined), thousands(t.Wanted))
	}
	if t.Grounded < lowGrounding {
		r.warn(Caution, "The teacher, %s, mostly hallucinates: %s of its rationales' content words occur in the "+
			"review. They show that the pipeline works, not what users prefer.", t.Model, percent(t.Grounded))
	}
}

// protocolCaveats adds notes and caveats about the protocol.
func (r *Report) protocolCaveats() {
	if r.Protocol == spec.Paper && len(r.Tables) > 0 {
		r.warn(Note, "Protocol paper counts as the reference does: an item recommended twice counts twice, "+
			"text that is not an item becomes a random one, and padding takes part in loss and attention "+
			"(docs/deviations.md lists all deviations). Protocol clean does not.")
	}
	if len(r.Switches) > 0 {
		r.warn(Note, "The spec changes switches of protocol %s: %s.", r.Protocol, listed(r.Switches))
	}
	if n := r.Data.Indexing; r.Protocol == spec.Clean && n.Leaks {
		r.warn(Caution, "The spec has protocol clean, but held-out items influence the item ids "+
			"(data.indexing %s: %s). Use random, sequential, collaborative or semantic.", n.Name, n.About)
	}
}
