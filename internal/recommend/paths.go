package recommend

import (
	"cmp"
	"slices"
)

// Found is an item that a constrained search found.
type Found struct {
	Item int
	// Score is the sum of the log-probabilities of its tokens and the end token, with a softmax
	// over the tokens of items.
	Score float64
}

// path is an unfinished path in a row's trie.
type path struct {
	node  int32
	token int32 // the last one, 0 at the root
	score float32
}

// paths is one row of a constrained search. Unlike a group of beam search, it counts every item
// that it reaches, it ends when no better item is possible, and its paths are always distinct.
type paths struct {
	constraint Constraint
	active     []path
	found      []Found
	numBeams   int // the number of active paths
	numItems   int // the number of items to find
}

// newPaths returns a row before its first step.
func newPaths(constraint Constraint, numBeams, numItems int) *paths {
	return &paths{
		constraint: constraint, active: make([]path, 1), numBeams: max(numBeams, numItems), numItems: numItems,
	}
}

// step is a continuation of the path with index parent.
type step struct {
	path
	parent int
}

// advance takes one step and returns the index of each new path's parent. logProb returns the
// log-probability of a token after the path with an index. Ties are broken by the parent's index,
// then by the token.
func (p *paths) advance(end int32, logProb func(beam int, token int32) float32) []int {
	var next []step
	for beam, a := range p.active {
		if item := p.constraint.Item(a.node); item != 0 {
			p.found = append(p.found, Found{Item: item, Score: float64(a.score + logProb(beam, end))})
		}
		p.constraint.Next(a.node, func(token, child int32) {
			next = append(next, step{path{child, token, a.score + logProb(beam, token)}, beam})
		})
	}
	slices.SortStableFunc(p.found, func(a, b Found) int { return cmp.Compare(b.Score, a.Score) })
	p.found = p.found[:min(len(p.found), p.numItems)]
	slices.SortStableFunc(next, func(a, b step) int { return cmp.Compare(b.score, a.score) })
	next = next[:min(len(next), p.numBeams)]
	parents := make([]int, len(next))
	p.active = p.active[:0]
	for i, n := range next {
		parents[i] = n.parent
		p.active = append(p.active, n.path)
	}
	return parents
}

// done reports whether no path can lead to a better item than those found: scores only decrease.
func (p *paths) done() bool {
	if len(p.active) == 0 {
		return true
	}
	return len(p.found) == p.numItems && p.found[p.numItems-1].Score >= float64(p.active[0].score)
}
