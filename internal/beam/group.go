package beam

import (
	"cmp"
	"math"
	"slices"
)

// Hypothesis is one decoded sequence.
type Hypothesis struct {
	// Tokens are the generated tokens, without the start token and the end token.
	Tokens []int32
	// Score is the mean log-probability of the tokens, end token included (protocol paper).
	Score float64
}

// candidate is a continuation: a beam of the group and its next token, with the sum of the
// log-probabilities of all tokens so far.
type candidate struct {
	beam  int
	token int32
	score float32
}

// beam is an unfinished sequence.
type beam struct {
	tokens []int32
	score  float32
}

// group is the beams of one row that compete with each other, and their finished sequences:
// transformers' BeamHypotheses and the group's part of BeamSearchScorer (docs/deviations.md 9).
type group struct {
	beams         []beam
	hypotheses    []Hypothesis
	worst         float64 // the lowest score in hypotheses
	earlyStopping bool    // done once there are as many hypotheses as beams
	done          bool
}

// newGroup returns a group before its first step. All beams are the empty sequence, so the scores
// of all but the first exclude them; otherwise all beams would continue in the same way.
func newGroup(size int, earlyStopping bool) *group {
	beams := make([]beam, size)
	for i := range beams[1:] {
		beams[i+1].score = -1e9
	}
	return &group{beams: beams, earlyStopping: earlyStopping, worst: 1e9}
}

// advance takes one step and returns the index of each new beam's parent. There are twice as many
// candidates as beams, best first. With B beams, an end token finishes a sequence only if it is
// among the first B candidates; other end tokens are skipped, so there are always B new beams.
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

// finished reports whether the group needs no more steps, after a step whose sequences have length
// tokens and whose best candidate has the sum best.
func (g *group) finished(best float64, length int) bool {
	if len(g.hypotheses) < len(g.beams) {
		return false
	}
	return g.earlyStopping || g.worst >= best/float64(length)
}

// add keeps a finished sequence if it is among the best; a group keeps as many as it has beams.
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

// finalize finishes the beams of a group that reached the maximum length before it was done.
func (g *group) finalize() {
	if g.done {
		return
	}
	for _, b := range g.beams {
		g.add(b.tokens, float64(b.score), len(b.tokens))
	}
}

// bestHypotheses returns the n best sequences of a row's groups, each of which represents copies
// equal groups. Of equal scores the one that finished last comes first, as in Python, which sorts
// in ascending order and takes from the end.
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
