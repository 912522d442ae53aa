package recommend

import (
	"cmp"
	"math"
	"slices"
)

// Hypothesis is one decoded sequence.
type Hypothesis struct {
	// Tokens are what was generated: neither the start token nor the end token.
	Tokens []int32
	// Score is the sum of the tokens' log-probabilities by their number, the end token's counted in
	// both (protocol paper).
	Score float64
}

// candidate is one way to go on: a beam of the group and its next token, with the sum of
// log-probabilities up to there.
type candidate struct {
	beam  int
	token int32
	score float32
}

// beam is a sequence that has not ended.
type beam struct {
	tokens []int32
	score  float32
}

// group is the beams of one row that compete with each other, and what they have finished:
// transformers' BeamHypotheses and the group's part of BeamSearchScorer (REFERENCE.md 9).
type group struct {
	beams         []beam
	hypotheses    []Hypothesis
	worst         float64 // the lowest score of ended
	earlyStopping bool    // done as soon as enough sequences have ended
	done          bool
}

// newGroup returns a group before its first step. All beams hold the empty sequence; only the first
// may go on, or they would all find the same.
func newGroup(size int, early bool) *group {
	beams := make([]beam, size)
	for i := range beams[1:] {
		beams[i+1].score = -1e9
	}
	return &group{beams: beams, earlyStopping: early, worst: 1e9}
}

// advance takes one step: candidates are twice as many as beams, best first. It returns the place
// of each new beam's parent. An end token ends a sequence only when it is among the best as many
// candidates as there are beams; the others are passed over, so the beams always fill up.
func (g *group) advance(candidates []candidate, end int32) []int {
	size := len(g.beams)
	parents, next := make([]int, 0, size), make([]beam, 0, size)
	for rank, c := range candidates {
		parent := g.beams[c.beam]
		if c.token == end {
			if rank < size {
				g.add(parent.tokens, float64(c.score), len(parent.tokens)+1)
			}
			continue
		}
		parents = append(parents, c.beam)
		next = append(next, beam{tokens: append(slices.Clone(parent.tokens), c.token), score: c.score})
		if len(next) == size {
			break
		}
	}
	length := len(g.beams[0].tokens) + 1
	g.beams = next
	g.done = g.finished(float64(candidates[0].score), length)
	return parents
}

// finished says whether no more steps are needed after a step that made sequences of length tokens,
// the best of them with the sum best.
func (g *group) finished(best float64, length int) bool {
	if len(g.hypotheses) < len(g.beams) {
		return false
	}
	return g.earlyStopping || g.worst >= best/float64(length)
}

// add keeps an ended sequence if it is among the best as many as there are beams.
func (g *group) add(tokens []int32, sum float64, length int) {
	score := sum / float64(length)
	if len(g.hypotheses) >= len(g.beams) && score <= g.worst {
		return
	}
	g.hypotheses = append(g.hypotheses, Hypothesis{Tokens: tokens, Score: score})
	if len(g.hypotheses) <= len(g.beams) {
		g.worst = min(g.worst, score)
		return
	}
	lowest := 0
	for i, h := range g.hypotheses {
		if h.Score < g.hypotheses[lowest].Score {
			lowest = i
		}
	}
	g.hypotheses = slices.Delete(g.hypotheses, lowest, lowest+1)
	g.worst = math.Inf(1)
	for _, h := range g.hypotheses {
		g.worst = min(g.worst, h.Score)
	}
}

// finalize ends the beams of a group that met the length limit before it was done.
func (g *group) finalize() {
	if g.done {
		return
	}
	for _, b := range g.beams {
		g.add(b.tokens, float64(b.score), len(b.tokens))
	}
}

// bestHypotheses returns the n best sequences of a row's groups, each of which stands for copies
// equal groups. Of equal scores the one that ended last comes first, as when Python sorts upwards
// and takes from the end.
func bestHypotheses(groups []*group, copies, n int) []Hypothesis {
	var all []Hypothesis
	for _, g := range groups {
		for range copies {
			all = append(all, g.hypotheses...)
		}
	}
	slices.Reverse(all)
	slices.SortStableFunc(all, func(a, b Hypothesis) int { return cmp.Compare(b.Score, a.Score) })
	return all[:n]
}
