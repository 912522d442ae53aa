package style_test

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const glossary = "docs/glossary.md"

// entry is a row of the glossary.
type entry struct {
	term, meaning, source string
	retired               []string
	line                  int
}

// entries reads the glossary's table.
func entries(t *testing.T) []entry {
	t.Helper()
	var all []entry
	for i, line := range strings.Split(read(t, glossary), "\n") {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| ---") || strings.HasPrefix(line, "| term |") {
			continue
		}
		row := cells(line)
		if len(row) != 4 {
			t.Fatalf("%s:%d: %d cells, want term, meaning, source, retired", glossary, i+1, len(row))
		}
		e := entry{term: row[0], meaning: row[1], source: row[2], line: i + 1}
		for word := range strings.SplitSeq(row[3], ",") {
			e.retired = append(e.retired, strings.TrimSpace(word))
		}
		all = append(all, e)
	}
	if len(all) < 100 {
		t.Fatalf("%s has %d terms: it is read incorrectly", glossary, len(all))
	}
	return all
}

func TestGlossaryIsSortedAndComplete(t *testing.T) {
	t.Parallel()
	last := ""
	for _, e := range entries(t) {
		term := strings.ToLower(e.term)
		if term <= last {
			t.Errorf("%s:%d: %q after %q: terms are sorted and unique", glossary, e.line, e.term, last)
		}
		last = term
		if e.source == "" || !strings.HasSuffix(e.meaning, ".") {
			t.Errorf("%s:%d: %q needs a meaning that is a sentence, and a source", glossary, e.line, e.term)
		}
	}
}

// comment in parentheses behind a retired word, such as "fault (an error)".
var remark = regexp.MustCompile(` \(.*\)$`)

// TestRetiredNamesAreInTheGlossary checks that each retired name has a term in the glossary that
// replaces it.
func TestRetiredNamesAreInTheGlossary(t *testing.T) {
	t.Parallel()
	all := entries(t)
	for _, r := range rules(t) {
		if r.scope == prose {
			continue
		}
		word := remark.ReplaceAllString(r.term, "")
		if !slices.ContainsFunc(all, func(e entry) bool { return slices.Contains(e.retired, word) }) {
			t.Errorf("%s: no term replaces the retired %q (use: %s)", glossary, word, r.replacement)
		}
	}
}

// TestRetiredWordsOfTheGlossaryAreInTheTable is the other direction: what the glossary calls
// retired, the linter finds.
func TestRetiredWordsOfTheGlossaryAreInTheTable(t *testing.T) {
	t.Parallel()
	rules := rules(t)
	for _, e := range entries(t) {
		for _, word := range e.retired {
			if word == "" {
				continue
			}
			found := slices.ContainsFunc(rules, func(r rule) bool {
				return r.pattern.MatchString(word) || r.pattern.MatchString(words(word))
			})
			if !found {
				t.Errorf("%s:%d: no rule of %s finds the retired %q", glossary, e.line, table, word)
			}
		}
	}
}

var glossaryLink = regexp.MustCompile(`glossary\.md#([\w-]+)`)

// TestLinksIntoTheGlossaryResolve checks the anchors of links to single places of the glossary.
func TestLinksIntoTheGlossaryResolve(t *testing.T) {
	t.Parallel()
	page := read(t, glossary)
	anchors := anchorsOf(page)
	for _, m := range regexp.MustCompile(`<a id="([\w-]+)">`).FindAllStringSubmatch(page, -1) {
		anchors[m[1]] = true
	}
	for _, file := range textFiles(t) {
		if path.Ext(file) != ".md" && path.Ext(file) != ".go" {
			continue
		}
		for _, m := range glossaryLink.FindAllStringSubmatch(read(t, file), -1) {
			if !anchors[m[1]] {
				t.Errorf("%s links to %s, which %s does not have", file, m[0], glossary)
			}
		}
	}
	if !strings.Contains(read(t, "docs/README.md"), "(glossary.md)") {
		t.Errorf("docs/README.md does not link to the glossary")
	}
}
