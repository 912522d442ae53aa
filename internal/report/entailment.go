package report

import "strconv"

// AddEntailments adds what the teacher found about explanations.
func (b *Builder) AddEntailments(entailments []Entailment) { b.report.Entailments = entailments }

// entailmentColumns returns the header of the table of entailment.
func entailmentColumns() []string {
	return []string{"entailment by the teacher", "texts", "precision", "recall", "control", "unusable replies"}
}

// cells formats the row of a method.
func (e Entailment) cells() []string {
	return []string{
		thousands(e.Texts), percent(e.Precision), percent(e.Recall), percent(e.Control), strconv.Itoa(e.Unusable),
	}
}

// entailmentNote explains the table of entailment.
const entailmentNote = "Precision: the share of explanations that the user's own text entails. Recall: the share of " +
	"users' own texts that the explanation entails. Control: the share of explanations that another user's text " +
	"entails; a teacher whose precision is no higher cannot tell."

// entailments writes what the teacher found.
func (t *text) entailments(entailments []Entailment) {
	if len(entailments) == 0 {
		return
	}
	rows := [][]string{entailmentColumns()}
	for _, e := range entailments {
		rows = append(rows, append([]string{e.Method}, e.cells()...))
	}
	t.line("")
	t.grid(rows)
	t.wrap("  ", entailmentNote)
}

// entailmentCaveats adds a caveat if the teacher cannot tell a user's text from another's.
func (r *Report) entailmentCaveats() {
	var names []string
	for _, e := range r.Entailments {
		if e.Texts > 0 && e.Precision <= e.Control {
			names = append(names, e.Method)
		}
	}
	if len(names) > 0 {
		r.warn(Caution, "The teacher's entailment says nothing about %s: it finds as many explanations entailed by "+
			"another user's text as by the user's own.", listed(names))
	}
}
