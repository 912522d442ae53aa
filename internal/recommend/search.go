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
	// Hidden feeds each sequence its next token. The sequences of a row lie together, equally many in each row; parents are the
	// places, among those of the step before, that each continues.
	Hidden(s *torch.Scope, tokens, parents []int64) (*torch.Tensor, error) // [sequences, model]
	// LogProbs is the log-probabilities of the token after, for some of Hidden's sequences.
	LogProbs(hidden *torch.Tensor) *torch.Tensor // [sequences, vocabulary]
	// Keep drops all rows but those numbered.
	Keep(rows []int)
}

// row is one row of a batch that is being searched: the groups of beams, which share the row's encoding.
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
	Beam
	vocabulary vocabulary
	decoder    decoder
	rows       []*row // those that are not done
	size       int    // beams a group
	searched   int    // groups a row
}

// run searches so many rows, with settings that were checked, and returns each one's best sequences. It is transformers' beam_search and group_beam_search with
// three differences that change no result: equal groups are one, all start beams are one, and rows that are done leave the batch.
func run(ctx context.Context, d decoder, v vocabulary, rows int, b Beam) ([][]Hypothesis, error) {
	searched, copies := b.groups()
	s := &search{Beam: b, vocabulary: v, decoder: d, size: b.Beams / b.Groups, searched: searched}
	all := make([]*row, rows)
	for i := range all {
		all[i] = &row{groups: make([]*group, searched)}
		for g := range all[i].groups {
			all[i].groups[g] = newGroup(s.size, b.Early)
		}
	}
	s.rows = all
	if err := s.steps(ctx); err != nil {
		return nil, err
	}
	found := make([][]Hypothesis, rows)
	for i, r := range all {
		for _, g := range r.groups {
			g.close()
		}
		found[i] = best(r.groups, copies, b.Return)
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
		tokens, parents = s.shrink(chosen, len(tokens)/len(s.rows))
	}
	return nil
}

// step runs the decoder once and advances every group. It returns each row's new beams.
func (s *search) step(tokens, parents []int64) ([][]link, error) {
	scope := torch.NewScope()
	defer scope.Close()
	hidden, err := s.decoder.Hidden(scope, tokens, parents)
	if err != nil {
		return nil, err
	}
	beams := len(tokens) / len(s.rows) // of a row: 1 in the first step
	chosen := make([][]link, len(s.rows))
	for g := range s.searched {
		candidates, err := s.candidates(hidden, g, beams, newest(chosen))
		if err != nil {
			return nil, err
		}
		for i, r := range s.rows {
			chosen[i] = append(chosen[i], r.groups[g].link(candidates[i], s.vocabulary.end, beams, g*s.size)...)
		}
	}
	return chosen, nil
}

// link is a new beam's token and the place of its parent among the row's beams.
type link struct {
	token  int32
	parent int
}

// link advances a group and says where its beams come from. A group that is done goes on with padding, as in the reference: the
// row's other groups count it (REFERENCE.md 9).
func (g *group) link(candidates []candidate, end int32, beams, offset int) []link {
	links := make([]link, len(g.beams))
	if g.done {
		for i := range links {
			links[i].parent = min(offset, beams-1)
		}
		return links
	}
	for i, parent := range g.advance(candidates, end) {
		links[i] = link{token: g.beams[i].tokens[len(g.beams[i].tokens)-1], parent: min(offset+parent, beams-1)}
	}
	return links
}

func newest(chosen [][]link) [][]int32 {
	tokens := make([][]int32, len(chosen))
	for i, links := range chosen {
		for _, l := range links {
			tokens[i] = append(tokens[i], l.token)
		}
	}
	return tokens
}

// candidates returns each row's best ways to go on in group g, after the tokens that the groups before it have just chosen; a row
// has so many beams.
func (s *search) candidates(hidden *torch.Tensor, g, beams int, chosen [][]int32) ([][]candidate, error) {
	p := part{group: g, size: min(s.size, beams)}
	if beams > 1 {
		p.offset = g * s.size
	}
	most := max(1, mostSequences/p.size)
	all := make([][]candidate, 0, len(s.rows))
	for from := 0; from < len(s.rows); from += most {
		to := min(from+most, len(s.rows))
		p.from, p.rows, p.chosen = from, s.rows[from:to], chosen[from:to]
		some, err := s.part(hidden.View(int64(len(s.rows)), int64(beams), -1), p)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// mostSequences are scored at a time. It bounds memory (twice 128 KiB each for T5's vocabulary); the head is quicker the more there are.
const mostSequences = 2048

// part is some rows of a group: size sequences of each, from place offset among the row's beams on.
type part struct {
	group, size, offset int
	from                int
	rows                []*row
	chosen              [][]int32
}

// part returns the candidates of some rows. hidden is [rows, beams, model].
func (s *search) part(hidden *torch.Tensor, p part) ([][]candidate, error) {
	scope := torch.NewScope()
	defer scope.Close()
	rows, size := int64(len(p.rows)), int64(p.size)
	hidden = scope.Use(hidden).Narrow(0, int64(p.from), rows).Narrow(1, int64(p.offset), size)
	logProbs := s.decoder.LogProbs(hidden.Reshape(rows*size, -1))
	current := make([]beam, 0, rows*size)
	for _, r := range p.rows {
		current = append(current, r.groups[p.group].beams[:p.size]...)
	}
	s.forbid(logProbs, current, s.vocabulary.end)
	if s.diverse() && p.group > 0 {
		s.diversify(logProbs, p.chosen)
	}
	if s.repetitive() {
		s.repeat(logProbs, current, s.vocabulary.start)
	}
	return pick(logProbs, current, len(p.rows), 2*s.size)
}

// shrink drops the rows that are done and returns what the decoder is fed next; so far a row had so many beams.
func (s *search) shrink(chosen [][]link, beams int) (tokens, parents []int64) {
	var left []*row
	var kept []int
	for i, r := range s.rows {
		if r.done() {
			continue
		}
		for _, l := range chosen[i] {
			tokens = append(tokens, int64(l.token))
			parents = append(parents, int64(len(left)*beams+l.parent))
		}
		left, kept = append(left, r), append(kept, i)
	}
	if len(left) < len(s.rows) && len(left) > 0 {
		s.decoder.Keep(kept)
	}
	s.rows = left
	return tokens, parents
}
