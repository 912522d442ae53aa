package report

import (
	"cmp"
	"slices"

	"rdrec/internal/audit"
)

// Concern is what a caveat is about. A leak, a weak student and an undecided comparison are three
// different things with three different remedies: other data, a better student, more users or
// seeds.
type Concern string

// The concerns, the most serious first.
const (
	DataLeak    Concern = "leak"       // the data reveal test items, whatever the model
	Degenerate  Concern = "degenerate" // the output ignores the input
	WeakStudent Concern = "weak"       // a simpler method is better
	Uncertain   Concern = "uncertain"  // a comparison is not decided
	Caution     Concern = "caution"    // the scores mean less than they seem to
	Note        Concern = "note"       // worth knowing
)

// concerns returns every concern with its name for people, in the order of the page.
func concerns() []Pair {
	return []Pair{
		{string(DataLeak), "Data leak"},
		{string(Degenerate), "Degenerate output"},
		{string(WeakStudent), "Weak student"},
		{string(Uncertain), "Uncertain"},
		{string(Caution), "Caution"},
		{string(Note), "Note"},
	}
}

// String returns the concern for people.
func (c Concern) String() string {
	for _, row := range concerns() {
		if row.Name == string(c) {
			return row.Value
		}
	}
	return string(c)
}

// rank returns the concern's place in the order of the page.
func (c Concern) rank() int {
	return slices.IndexFunc(concerns(), func(row Pair) bool { return row.Name == string(c) })
}

// Caveat is something that a reader must know before acting on the scores.
type Caveat struct {
	Concern Concern `json:"concern"`
	Text    string  `json:"text"`
}

// sortCaveats puts the most serious caveats first and keeps the order of equally serious ones.
func sortCaveats(caveats []Caveat) {
	slices.SortStableFunc(caveats, func(a, b Caveat) int { return cmp.Compare(a.Concern.rank(), b.Concern.rank()) })
}

// leading is how many caveats the page shows before its first figure.
const leading = 3

// Leading returns the caveats to show before the first figure.
func (r Report) Leading() []Caveat { return r.Caveats[:min(leading, len(r.Caveats))] }

// Further returns the caveats that are folded.
func (r Report) Further() []Caveat { return r.Caveats[min(leading, len(r.Caveats)):] }

// concernOf returns the concern of an audit's finding.
func concernOf(level audit.Level) Concern {
	return map[audit.Level]Concern{audit.Leak: DataLeak, audit.Caution: Caution, audit.Fine: Note}[level]
}
