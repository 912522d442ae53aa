package style_test

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"sync"
	"testing"
)

// table is the list of retired words. It is the one file that may hold them, besides the glossary's
// column.
const table = "internal/style/retired.tsv"

// scope is the form in which a word is retired.
type scope string

const (
	identifiers scope = "identifier"
	prose       scope = "prose"
	both        scope = "both"
)

// rule retires a word.
type rule struct {
	term, replacement string
	pattern           *regexp.Regexp
	scope             scope
	paths             []string // prefixes that end in "/", suffixes that begin with "*"; "*" is every file
	literals          []string // one of them is in every text that the pattern matches; none means unknown
}

// covers reports whether the rule applies to a file.
func (r rule) covers(file string) bool {
	return slices.ContainsFunc(r.paths, func(p string) bool {
		if suffix, ok := strings.CutPrefix(p, "*"); ok {
			return strings.HasSuffix(file, suffix)
		}
		return strings.HasPrefix(file, p)
	})
}

// mayMatch reports whether a lower-case text can contain the word. It saves running the pattern.
func (r rule) mayMatch(lower string) bool {
	return r.literals == nil ||
		slices.ContainsFunc(r.literals, func(s string) bool { return strings.Contains(lower, s) })
}

// matches returns the positions of the word in a text: the group "word" of the pattern, or all of
// it.
// An alternative without that group is an accepted use.
func (r rule) matches(text string) [][]int {
	group := max(0, r.pattern.SubexpIndex("word"))
	var all [][]int
	for _, at := range r.pattern.FindAllStringSubmatchIndex(text, -1) {
		if at[2*group] >= 0 {
			all = append(all, at[2*group:2*group+2])
		}
	}
	return all
}

// rules reads the table.
func rules(t *testing.T) []rule {
	t.Helper()
	var all []rule
	for i, line := range strings.Split(strings.TrimSpace(read(t, table)), "\n") {
		if i == 0 {
			continue
		}
		cells := strings.Split(line, "\t")
		if len(cells) != 5 {
			t.Fatalf("%s:%d: %d cells, want 5", table, i+1, len(cells))
		}
		r, err := newRule(cells)
		if err != nil {
			t.Fatalf("%s:%d: %v", table, i+1, err)
		}
		all = append(all, r)
	}
	return all
}

func newRule(cells []string) (rule, error) {
	r := rule{
		term: cells[0], scope: scope(cells[2]), paths: strings.Split(cells[3], ","), replacement: cells[4],
	}
	if r.scope != identifiers && r.scope != prose && r.scope != both {
		return rule{}, fmt.Errorf("unknown scope %q", r.scope)
	}
	// A phrase may span lines, so each space of a pattern matches any white space.
	source := "(?im)" + strings.ReplaceAll(strings.ReplaceAll(cells[1], " ?", `\s?`), " ", `\s+`)
	var err error
	if r.pattern, err = regexp.Compile(source); err != nil {
		return rule{}, err
	}
	parsed, err := syntax.Parse(source, syntax.Perl)
	if err != nil {
		return rule{}, err
	}
	r.literals = required(parsed.Simplify())
	return r, nil
}

// required returns lower-case strings of which every match contains at least one; nil if there are
// none of use.
func required(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		return []string{strings.ToLower(string(re.Rune))}
	case syntax.OpCapture, syntax.OpPlus:
		return required(re.Sub[0])
	case syntax.OpConcat:
		var best []string
		for _, sub := range re.Sub {
			if found := required(sub); found != nil && (best == nil || shortest(found) > shortest(best)) {
				best = found
			}
		}
		return best
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			found := required(sub)
			if found == nil {
				return nil
			}
			all = append(all, found...)
		}
		return all
	default:
		return nil
	}
}

func shortest(all []string) int {
	n := len(all[0])
	for _, s := range all[1:] {
		n = min(n, len(s))
	}
	return n
}

// check returns the retired words of a file.
func check(rules []rule, file, text string) ([]finding, error) {
	cut, err := pieces(file, text)
	if err != nil {
		return nil, err
	}
	lower := make([]string, len(cut))
	for i, p := range cut {
		lower[i] = strings.ToLower(p.text)
	}
	whole := strings.Join(lower, "\n")
	var all []finding
	for _, r := range rules {
		if !r.covers(file) || !r.mayMatch(whole) {
			continue
		}
		for i, p := range cut {
			if p.identifier && r.scope == prose || !p.identifier && r.scope == identifiers || !r.mayMatch(lower[i]) {
				continue
			}
			for _, at := range r.matches(p.text) {
				found := strings.Join(strings.Fields(p.text[at[0]:at[1]]), " ")
				if p.identifier && found != p.text {
					found += " (in the name " + p.text + ")"
				}
				line := p.line + strings.Count(p.text[:at[0]], "\n")
				all = append(all, finding{file, line, fmt.Sprintf("retired: %s; use: %s", found, r.replacement)})
			}
		}
	}
	return all, nil
}

func TestVocabulary(t *testing.T) {
	rules := rules(t)
	var mu sync.Mutex
	var all []finding
	var wait sync.WaitGroup
	files := textFiles(t)
	const workers = 4
	for w := range workers {
		wait.Go(func() {
			for i := w; i < len(files); i += workers {
				found, err := check(rules, files[i], read(t, files[i]))
				mu.Lock()
				if err != nil {
					t.Error(err)
				}
				all = append(all, found...)
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	report(t, all)
}
