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
	ungrounded = 0.5  // share of a rationale's words from its review, below which the teacher mostly invents
	unusable   = 0.05 // share of replies given up, above which the reader should know
)

// Conclude sets the verdict and the caveats from everything else in the report, the gravest caveat first. Call it last.
func (r *Report) Conclude() {
	r.Verdict, r.Caveats = nil, nil
	for _, table := range r.Tables {
		for _, row := range table.Rows {
			if row.Kind == StudentRow {
				r.Verdict = append(r.Verdict, verdict(table, row))
			}
		}
	}
	r.beaten()
	r.given()
	r.audited()
	r.trained()
	r.taught()
	r.protocol()
	order := []audit.Level{audit.Leak, audit.Caution, audit.Fine}
	slices.SortStableFunc(r.Caveats, func(a, b Caveat) int {
		return slices.Index(order, a.Level) - slices.Index(order, b.Level)
	})
}

func (r *Report) warn(level audit.Level, format string, args ...any) {
	r.Caveats = append(r.Caveats, Caveat{level, fmt.Sprintf(format, args...)})
}

// verdict says how often a student is right and what it beats.
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
			fmt.Fprintf(&b, " "+part.say+" on %s.", listed(words[part.stands]), judged)
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

// beaten says which simpler rows a student does not beat.
func (r *Report) beaten() {
	for _, table := range r.Tables {
		for _, row := range table.Rows {
			if row.Kind != StudentRow && row.Kind != ModelRow {
				continue
			}
			for _, other := range table.Rows {
				r.notBeaten(table, row, other)
			}
		}
	}
}

func (r *Report) notBeaten(table Table, row, other Row) {
	stands, c := table.against(row.Method, other.Method)
	if other.Kind == StudentRow || (stands != equal && stands != worse) {
		return
	}
	mine, _ := row.Cell(judged)
	theirs, _ := other.Cell(judged)
	simpler := "which needs no model"
	if other.Kind == ModelRow {
		simpler = "a small transformer that reads item sequences only"
	}
	against := fmt.Sprintf("%s %s against %s, p = %s", judged, figure(mine.Mean), figure(theirs.Mean), pValue(c.Holm))
	switch {
	case other.Kind == RuleRow:
		r.warn(audit.Leak, "%s does not beat the rule that reads nothing but item numbers (%s task: %s): it has not shown that it learnt "+
			"more than the numbering gives away.", row.Method, table.Task, against)
	case stands == worse:
		r.warn(audit.Caution, "%s does worse than %s, %s (%s task: %s).", row.Method, other.Method, simpler, table.Task, against)
	default:
		r.warn(audit.Caution, "%s cannot be told apart from %s, %s (%s task: %s).",
			row.Method, other.Method, simpler, table.Task, against)
	}
}

// given says where item numbers alone give the answer away among candidates: the rule is then far above chance and above popularity.
func (r *Report) given() {
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
			if row.Kind != RuleRow || !found || cell.Interval == nil || cell.Interval.Low <= max(chance, popular) {
				continue
			}
			r.warn(audit.Leak, "The item numbers give candidates of the %s task away: the rule that reads nothing else has an %s of %s, popularity %s, "+
				"chance %s. Figures of this task measure the numbering too.", table.Task, name, figure(cell.Mean), figure(popular), figure(chance))
		}
	}
}

// audited takes over what the audit found, but not what it looked for in vain.
func (r *Report) audited() {
	if r.Audit == nil {
		return
	}
	for _, finding := range r.Audit.Findings {
		if finding.Level != audit.Fine {
			r.warn(finding.Level, "%s. %s", finding.Title, finding.Text)
		}
	}
}

// trained says what short or single training means, once for all students that share it.
func (r *Report) trained() {
	var falling, impatient, scratch, notices []string
	for _, s := range r.Students {
		name := fmt.Sprintf("%s (seed %d) after %s", s.Method, s.Seed, plural(s.Epochs, "epoch"))
		if s.falling() {
			falling = append(falling, name)
		}
		if s.StoppedEarly && r.Protocol == spec.Paper {
			impatient = append(impatient, name)
		}
		if s.From == "" && !slices.Contains(scratch, s.Size) {
			scratch = append(scratch, s.Size)
		}
		for _, notice := range s.Notices {
			if !slices.Contains(notices, notice) {
				notices = append(notices, notice)
			}
		}
	}
	r.warnOf(falling, "Under-trained: the validation loss was still falling when training ended, %s. Longer training may well do better.")
	r.warnOf(impatient, "Stopped early, %s: in protocol paper the patience never resets after an improvement, as in the reference.")
	r.warnOf(scratch, "The student (%s) started from random weights; the paper's starts from a pretrained T5.")
	for _, notice := range notices {
		r.warn(audit.Caution, "%s", notice)
	}
	if r.Trials < 2 && len(r.Students) > 0 {
		r.warn(audit.Caution, "One seed only: how much the figures vary from seed to seed is not known, and no comparison over seeds can be made.")
	}
}

// falling says whether training ended while the validation loss was still getting better.
func (s Student) falling() bool { return !s.StoppedEarly && s.Best == s.Epochs && s.Epochs > 0 }

// warnOf is a caution about some students or sizes, if there are any.
func (r *Report) warnOf(whom []string, format string) {
	if len(whom) > 0 {
		r.warn(audit.Caution, format, listed(whom))
	}
}

// taught says what the rationales are worth.
func (r *Report) taught() {
	t := r.Teacher
	if t == nil || t.Wanted == 0 {
		return
	}
	if t.Model == "copy" {
		r.warn(audit.Caution, "There was no teacher: each rationale is the explanation itself.")
		return
	}
	if t.Wanted < t.Explanations {
		r.warn(audit.Caution, "Only %s of %s explanations were distilled: the rationale task saw that part of the data.",
			thousands(t.Wanted), thousands(t.Explanations))
	}
	if lost := float64(t.Quarantined) / float64(t.Wanted); lost > unusable {
		r.warn(audit.Caution, "%s of the teacher's replies could not be used (%s of %s).",
			percent(lost), thousands(t.Quarantined), thousands(t.Wanted))
	}
	if t.Grounded < ungrounded {
		r.warn(audit.Caution, "The teacher, %s, mostly invents: %s of its rationales' content words stand in the review. They show that the "+
			"pipeline works, not what users prefer.", t.Model, percent(t.Grounded))
	}
}

// protocol says how protocol paper counts.
func (r *Report) protocol() {
	if r.Protocol == spec.Paper && len(r.Tables) > 0 {
		r.warn(audit.Fine, "Protocol paper counts as the reference does: an item recommended twice counts twice, text that is no item becomes a "+
			"random one, and padding takes part in loss and attention (docs/deviations.md lists it all). Protocol clean does not.")
	}
	if len(r.Fixes) > 0 {
		r.warn(audit.Fine, "This is not protocol %s as its row has it: the spec has %s.", r.Protocol, listed(r.Fixes))
	}
	if n := r.Data.Numbering; r.Protocol == spec.Clean && n.Leaks {
		r.warn(audit.Caution, "Protocol clean was asked for, but items keep numbers that held-out items had a part in (data.numbering %s: %s). "+
			"Take random, sequential, collaborative or semantic.", n.Name, n.About)
	}
}
