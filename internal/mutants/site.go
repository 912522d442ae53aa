package main

import (
	"cmp"
	"slices"
	"strings"
)

// site is a rewritten place of the source, with the mutations that can be switched on there.
type site struct {
	file       *file
	candidates []*Candidate
	edits      []edit
}

// edit replaces the bytes from offset to end by text. An edit never adds or removes a line.
type edit struct {
	offset, end int
	line        int
	text        string
	form        form
	order       int // sites from the outside in
}

// form orders the edits at one offset.
type form int

const (
	after   form = iota // ends what is before the offset: the inner site first
	between             // replaces an operator
	before              // begins what is after the offset: the outer site first
)

func (s *site) covers(line int) bool {
	return slices.ContainsFunc(s.edits, func(e edit) bool { return e.line == line })
}

func compareEdits(a, b edit) int {
	order := cmp.Compare(a.order, b.order)
	if a.form == after {
		order = -order
	}
	return cmp.Or(cmp.Compare(a.offset, b.offset), cmp.Compare(a.form, b.form), order)
}

// rewrite returns a file's text with all its sites rewritten.
func (s *source) rewrite(f *file) []byte {
	var edits []edit
	for _, site := range s.sites {
		if site.file == f {
			edits = append(edits, site.edits...)
		}
	}
	slices.SortStableFunc(edits, compareEdits)
	var b strings.Builder
	done := 0
	for _, e := range edits {
		b.Write(f.text[done:e.offset])
		b.WriteString(e.text)
		done = e.end
	}
	b.Write(f.text[done:])
	return []byte(b.String())
}

// oneLine returns source with each run of white space as one space, cut where it is long.
func oneLine(text string) string {
	const longest = 90
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > longest {
		return string(runes[:longest-1]) + "…"
	}
	return text
}
