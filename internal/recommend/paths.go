package recommend

import (
	"cmp"
	"slices"
)

// Found is an item that a constrained search ended at.
type Found struct {
	Item int
	// Score is the sum of the log-probabilities of its tokens and the end token, among the tokens
	// that spell items.
	Score float64
}

// path is a way down a row's trie that has not ended.
type path struct {
	node  int32
	token int32 // the last one, 0 at the root
	score float32
}

// paths is one row of a constrained search: unlike a [group], whatever it ends at counts, it ends
// when nothing better can come, and no two of its paths are ever equal.
type paths struct {
	constraint Constraint
	active     []path
	found      []Found
	numBeams   int // how many paths go on
	numItems   int // how many items are asked for
}

// newPaths returns a row before its first step.
func newPaths(constraint Constraint, width, want int) *paths {
	return &paths{constraint: constraint, active: make([]path, 1), numBeams: max(width, want), numItems: want}
}

// step is one way to go on, from the path at place parent.
type step struct {
	path
	parent int
}

// advance takes one step; logProb is the log-probability of a token after the path at a place. It
// returns the place of each new path's parent. Ties are broken by the parent's place, then by the
// token.
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

// done says whether no path can lead to anything better than what was found: scores only fall.
func (p *paths) done() bool {
	if len(p.active) == 0 {
		return true
	}
	return len(p.found) == p.numItems && p.found[p.numItems-1].Score >= float64(p.active[0].score)
}
