package recommend

import (
	"context"
	"fmt"

	"rdrec/internal/torch"
)

// vocabulary is what a search must know of the student's tokens.
type vocabulary struct {
	size       int
	start, end int32
}

// decoder is a batch that is being decoded: [t5.Decoding].
type decoder interface {
	// Hidden feeds each sequence its next token. The sequences of a row lie together, equally many
	// in each row; parents are the places, among those of the step before, that each continues.
	Hidden(s *torch.Scope, tokens, parents []int64) (*torch.Tensor, error) // [sequences, model]
	// LogProbs is the log-probabilities of the token after, for some of Hidden's sequences.
	LogProbs(hidden *torch.Tensor) *torch.Tensor // [sequences, vocabulary]
	// Keep drops all rows but those numbered.
	Keep(rows []int)
}

// row is one row of a batch that is being searched: the groups of beams, which share the row's
// encoding.
type row struct{ groups []*group }

func (r *row) done() bool {
	for _, g := range r.groups {
		if !g.done {
			return false
		}
	}
	return true
}

// search is a batch on its way.
type search struct {
	BeamConfig
	vocabulary vocabulary
	decoder    decoder
	rows       []*row // those that are not done
	groupSize  int    // beams a group
	groups     int    // groupCounts a row
}

// run searches so many rows, with settings that were checked, and returns each one's best
// sequences. It is transformers' beam_search and group_beam_search with three differences that
// change no result: equal groups are one, all start beams are one, and rows that are done leave the
// batch.
func run(ctx context.Context, d decoder, v vocabulary, rows int, b BeamConfig) ([][]Hypothesis, error) {
	groups, copies := b.groupCounts()
	s := &search{BeamConfig: b, vocabulary: v, decoder: d, groupSize: b.NumBeams / b.NumBeamGroups, groups: groups}
	all := make([]*row, rows)
	for i := range all {
		all[i] = &row{groups: make([]*group, groups)}
		for g := range all[i].groups {
			all[i].groups[g] = newGroup(s.groupSize, b.EarlyStopping)
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
		found[i] = bestHypotheses(r.groups, copies, b.NumReturnSequences)
	}
	return found, nil
}

// steps goes on until all rows are done or the sequences have their greatest length.
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

// step runs the decoder once and advances every group. It returns each row's new beams.
func (s *search) step(tokens, parents []int64) ([][]successor, error) {
	scope := torch.NewScope()
	defer scope.Close()
	hidden, err := s.decoder.Hidden(scope, tokens, parents)
	if err != nil {
		return nil, err
	}
	beams := len(tokens) / len(s.rows) // of a row: 1 in the first step
	chosen := make([][]successor, len(s.rows))
	for g := range s.groups {
		candidates, err := s.candidates(hidden, g, beams, lastTokens(chosen))
		if err != nil {
			return nil, err
		}
		for i, r := range s.rows {
			chosen[i] = append(chosen[i], r.groups[g].extend(candidates[i], s.vocabulary.end, beams, g*s.groupSize)...)
		}
	}
	return chosen, nil
}

// successor is a new beam's token and the place of its parent among the row's beams.
type successor struct {
	token  int32
	parent int
}

// successor advances a group and says where its beams come from. A group that is done goes on with
// padding, as in the reference: the row's other groups count it (REFERENCE.md 9).
func (g *group) extend(candidates []candidate, end int32, beams, offset int) []successor {
	links := make([]successor, len(g.beams))
	if g.done {
		for i := range links {
			links[i].parent = min(offset, beams-1)
		}
		return links
	}
	for i, parent := range g.advance(candidates, end) {
		links[i] = successor{token: g.beams[i].tokens[len(g.beams[i].tokens)-1], parent: min(offset+parent, beams-1)}
	}
	return links
}

func lastTokens(chosen [][]successor) [][]int32 {
	tokens := make([][]int32, len(chosen))
	for i, links := range chosen {
		for _, l := range links {
			tokens[i] = append(tokens[i], l.token)
		}
	}
	return tokens
}

// candidates returns each row's best ways to go on in group g, after the tokens that the groups
// before it have just chosen; a row has so many beams.
func (s *search) candidates(hidden *torch.Tensor, g, beams int, chosen [][]int32) ([][]candidate, error) {
	p := chunk{group: g, size: min(s.groupSize, beams)}
	if beams > 1 {
		p.offset = g * s.groupSize
	}
	limit := max(1, maxSequences/p.size)
	all := make([][]candidate, 0, len(s.rows))
	for from := 0; from < len(s.rows); from += limit {
		to := min(from+limit, len(s.rows))
		p.from, p.rows, p.chosen = from, s.rows[from:to], chosen[from:to]
		scored, err := s.scoreChunk(hidden.View(int64(len(s.rows)), int64(beams), -1), p)
		if err != nil {
			return nil, err
		}
		all = append(all, scored...)
	}
	return all, nil
}

// maxSequences are scored at a time. It bounds memory (twice 128 KiB each for T5's vocabulary); the
// head is quicker the more there are.
const maxSequences = 2048

// chunk is some rows of a group: size sequences of each, from place offset among the row's beams
// on.
type chunk struct {
	group, size, offset int
	from                int
	rows                []*row
	chosen              [][]int32
}

// chunk returns the candidates of some rows. hidden is [rows, beams, model].
func (s *search) scoreChunk(hidden *torch.Tensor, p chunk) ([][]candidate, error) {
	scope := torch.NewScope()
	defer scope.Close()
	rows, size := int64(len(p.rows)), int64(p.size)
	hidden = scope.Use(hidden).Narrow(0, int64(p.from), rows).Narrow(1, int64(p.offset), size)
	logProbs := s.decoder.LogProbs(hidden.Reshape(rows*size, -1))
	current := make([]beam, 0, rows*size)
	for _, r := range p.rows {
		current = append(current, r.groups[p.group].beams[:p.size]...)
	}
	s.suppressTokens(logProbs, current, s.vocabulary.end)
	if s.hasDiversityPenalty() && p.group > 0 {
		s.applyDiversityPenalty(logProbs, p.chosen)
	}
	if s.hasRepetitionPenalty() {
		s.applyRepetitionPenalty(logProbs, current, s.vocabulary.start)
	}
	return topCandidates(logProbs, current, len(p.rows), 2*s.groupSize)
}

// dropFinished drops the rows that are done and returns what the decoder is fed next; so far a row
// had so many beams.
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
