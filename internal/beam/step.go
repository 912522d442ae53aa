package beam

import (
	"context"
	"fmt"

	"rdrec/internal/torch"
)

// vocabulary is the size and the special tokens of the student's vocabulary.
type vocabulary struct {
	size       int
	start, end int32
}

// row is one row of the batch: its groups of beams share the row's encoding.
type row struct{ groups []*group }

func (r *row) done() bool {
	for _, g := range r.groups {
		if !g.done {
			return false
		}
	}
	return true
}

// search is the state of decoding a batch.
type search struct {
	Config
	vocabulary vocabulary
	decoder    Decoder
	rows       []*row // the rows that are not done
	groupSize  int    // beams per group
	groups     int    // groups searched per row
}

// run searches a number of rows and returns the best sequences of each. The configuration must be
// valid. It is transformers' beam_search and group_beam_search with three differences that change
// no result: equal groups are searched once, all start beams are one, and rows that are done leave
// the batch.
func run(ctx context.Context, d Decoder, v vocabulary, rows int, c Config) ([][]Hypothesis, error) {
	groups, copies := c.groupCounts()
	s := &search{Config: c, vocabulary: v, decoder: d, groupSize: c.NumBeams / c.NumBeamGroups, groups: groups}
	all := make([]*row, rows)
	for i := range all {
		all[i] = &row{groups: make([]*group, groups)}
		for g := range all[i].groups {
			all[i].groups[g] = newGroup(s.groupSize, c.EarlyStopping)
		}
	}
	s.rows = all
	if err := s.steps(ctx); err != nil {
		return nil, err
	}
	found := make([][]Hypothesis, rows)
	for i, r := range all {
		for _, g := range r.groups {
			g.finalize()
		}
		found[i] = bestHypotheses(r.groups, copies, c.NumReturnSequences)
	}
	return found, nil
}

// steps decodes until all rows are done or the sequences have the maximum length.
func (s *search) steps(ctx context.Context) error {
	tokens := make([]int64, len(s.rows))
	for i := range tokens {
		tokens[i] = int64(s.vocabulary.start)
	}
	var parents []int64
	for length := 1; length < s.MaxLength && len(s.rows) > 0; length++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		chosen, err := s.step(tokens, parents)
		if err != nil {
			return fmt.Errorf("decoding step %d: %w", length, err)
		}
		tokens, parents = s.dropFinished(chosen, len(tokens)/len(s.rows))
	}
	return nil
}

// step runs the decoder once, advances every group and returns the new beams of each row.
func (s *search) step(tokens, parents []int64) ([][]successor, error) {
	scope := torch.NewScope()
	defer scope.Close()
	hidden, err := s.decoder.Hidden(scope, tokens, parents)
	if err != nil {
		return nil, err
	}
	beams := len(tokens) / len(s.rows) // per row; 1 in the first step
	chosen := make([][]successor, len(s.rows))
	for g := range s.groups {
		candidates, err := s.candidates(hidden, g, beams, lastTokens(chosen))
		if err != nil {
			return nil, err
		}
		for i, r := range s.rows {
			next := r.groups[g].extend(candidates[i], s.vocabulary.end, beams, g*s.groupSize)
			chosen[i] = append(chosen[i], next...)
		}
	}
	return chosen, nil
}

// successor is a new beam: its last token and the index of its parent among the row's beams.
type successor struct {
	token  int32
	parent int
}

// extend advances a group and returns its new beams. A group that is done continues with padding,
// as in the reference, because the diversity penalty of the row's other groups counts its tokens
// (docs/deviations.md 9).
func (g *group) extend(candidates []candidate, end int32, beams, offset int) []successor {
	next := make([]successor, len(g.beams))
	if g.done {
		for i := range next {
			next[i].parent = min(offset, beams-1)
		}
		return next
	}
	for i, parent := range g.advance(candidates, end) {
		tokens := g.beams[i].tokens
		next[i] = successor{token: tokens[len(tokens)-1], parent: min(offset+parent, beams-1)}
	}
	return next
}

func lastTokens(chosen [][]successor) [][]int32 {
	tokens := make([][]int32, len(chosen))
	for i, successors := range chosen {
		for _, next := range successors {
			tokens[i] = append(tokens[i], next.token)
		}
	}
	return tokens
}

// candidates returns the best candidates of group g in each row. beams is the number of beams per
// row, and chosen holds the tokens that the earlier groups chose in this step.
func (s *search) candidates(hidden *torch.Tensor, g, beams int, chosen [][]int32) ([][]candidate, error) {
	c := chunk{group: g, size: min(s.groupSize, beams)}
	if beams > 1 {
		c.offset = g * s.groupSize
	}
	limit := max(1, maxSequences/c.size)
	all := make([][]candidate, 0, len(s.rows))
	for from := 0; from < len(s.rows); from += limit {
		to := min(from+limit, len(s.rows))
		c.from, c.rows, c.chosen = from, s.rows[from:to], chosen[from:to]
		scored, err := s.scoreChunk(hidden.View(int64(len(s.rows)), int64(beams), -1), c)
		if err != nil {
			return nil, err
		}
		all = append(all, scored...)
	}
	return all, nil
}

// maxSequences is the maximum number of sequences that are scored at a time. It bounds memory
// (twice 128 KiB per sequence for T5's vocabulary); the head is faster with more sequences.
const maxSequences = 2048

// chunk is a part of a group: size sequences of each of its rows, from index offset among the row's
// beams.
type chunk struct {
	group, size, offset int
	from                int
	rows                []*row
	chosen              [][]int32
}

// scoreChunk returns the candidates of a chunk's rows. hidden is [rows, beams, model].
func (s *search) scoreChunk(hidden *torch.Tensor, c chunk) ([][]candidate, error) {
	scope := torch.NewScope()
	defer scope.Close()
	rows, size := int64(len(c.rows)), int64(c.size)
	hidden = scope.Use(hidden).Narrow(0, int64(c.from), rows).Narrow(1, int64(c.offset), size)
	logProbs := s.decoder.LogProbs(hidden.Reshape(rows*size, -1))
	current := make([]beam, 0, rows*size)
	for _, r := range c.rows {
		current = append(current, r.groups[c.group].beams[:c.size]...)
	}
	s.suppressTokens(logProbs, current, s.vocabulary.end)
	if s.hasDiversityPenalty() && c.group > 0 {
		s.applyDiversityPenalty(logProbs, c.chosen)
	}
	if s.hasRepetitionPenalty() {
		s.applyRepetitionPenalty(logProbs, current, s.vocabulary.start)
	}
	return topCandidates(logProbs, current, len(c.rows), 2*s.groupSize)
}

// dropFinished drops the rows that are done and returns the decoder's next inputs. beams is the
// number of beams per row so far.
func (s *search) dropFinished(chosen [][]successor, beams int) (tokens, parents []int64) {
	var remaining []*row
	var rowIDs []int
	for i, r := range s.rows {
		if r.done() {
			continue
		}
		for _, l := range chosen[i] {
			tokens = append(tokens, int64(l.token))
			parents = append(parents, int64(len(remaining)*beams+l.parent))
		}
		remaining, rowIDs = append(remaining, r), append(rowIDs, i)
	}
	if len(remaining) < len(s.rows) && len(remaining) > 0 {
		s.decoder.Keep(rowIDs)
	}
	s.rows = remaining
	return tokens, parents
}
