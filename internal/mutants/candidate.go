package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Candidate is one mutation that the rewritten package can switch on.
type Candidate struct {
	ID       int    // within its package, from 1
	Package  string // folder
	File     string // from the root of the module
	Line     int
	Column   int
	Function string // the enclosing declaration, as T.Method or Func
	Kind     string
	Before   string // source, on one line
	After    string
	ordinal  int // among the candidates of the same key, from 1
}

// String returns a mutant's position and change.
func (c *Candidate) String() string {
	return fmt.Sprintf("%s:%d:%d: %s: %s -> %s", c.File, c.Line, c.Column, c.Kind, c.Before, c.After)
}

// Key identifies a mutant without its line, so that an edit elsewhere in the file does not change
// it.
func (c *Candidate) Key() string {
	key := fmt.Sprintf("%s: %s: %s: %s -> %s", c.File, c.Function, c.Kind, c.Before, c.After)
	if c.ordinal > 1 {
		key += fmt.Sprintf(" (%d)", c.ordinal)
	}
	return key
}

// number sets the ordinal of candidates whose keys would otherwise be equal.
func number(list []*Candidate) {
	seen := map[string]int{}
	for _, c := range list {
		c.ordinal = 0
		key := c.Key()
		seen[key]++
		c.ordinal = seen[key]
	}
}

// choose returns the mutants to try, in the order of the source.
func (s *settings) choose(all []*Candidate) ([]*Candidate, error) {
	if s.only != "" {
		return onLine(all, s.only)
	}
	chosen := slices.Clone(all)
	if s.count > 0 {
		chosen = sample(all, s.count, s.seed)
	}
	return chosen, nil
}

// sample returns n of the candidates, at most one of a line, so that each candidate is as likely as
// any other.
func sample(all []*Candidate, n int, seed uint64) []*Candidate {
	order := rand.New(rand.NewPCG(seed, 0)).Perm(len(all))
	type line struct {
		file string
		line int
	}
	taken := map[line]bool{}
	var indices []int
	for _, i := range order {
		at := line{all[i].File, all[i].Line}
		if len(indices) < n && !taken[at] {
			taken[at] = true
			indices = append(indices, i)
		}
	}
	slices.Sort(indices)
	chosen := make([]*Candidate, len(indices))
	for i, index := range indices {
		chosen[i] = all[index]
	}
	return chosen
}

func onLine(all []*Candidate, at string) ([]*Candidate, error) {
	file, digits, _ := strings.Cut(at, ":")
	line, err := strconv.Atoi(digits)
	if err != nil {
		return nil, fmt.Errorf("-only %q is not file:line", at)
	}
	var chosen []*Candidate
	for _, c := range all {
		if c.File == path.Clean(file) && c.Line == line {
			chosen = append(chosen, c)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("-only %q has no mutants", at)
	}
	slices.SortFunc(chosen, func(a, b *Candidate) int { return cmp.Compare(a.ID, b.ID) })
	return chosen, nil
}

func folderOf(at string) string {
	file, _, _ := strings.Cut(at, ":")
	return path.Dir(path.Clean(file))
}
