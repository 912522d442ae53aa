package recommend

import (
	"context"
	"fmt"
	"math"
	"slices"

	"rdrec/internal/t5"
	"rdrec/internal/task"
	"rdrec/internal/torch"
)

// Catalogue is all items as the student spells them, ready for constrained decoding.
type Catalogue struct {
	*Trie
	alphabet []int64       // the end token, then the tokens that spell items
	column   map[int32]int // of a token in alphabet
	end      int32
}

// NewCatalogue makes the catalogue of items spelt as tokens without the end token, which is end.
func NewCatalogue(spellings map[int][]int32, end int32) (*Catalogue, error) {
	trie, err := NewTrie(spellings)
	if err != nil {
		return nil, fmt.Errorf("catalogue: %w", err)
	}
	c := &Catalogue{Trie: trie, alphabet: []int64{int64(end)}, column: map[int32]int{end: 0}, end: end}
	for _, token := range trie.Alphabet() {
		if token == end {
			return nil, fmt.Errorf("catalogue: an item is spelt with the end token %d", end)
		}
		c.column[token] = len(c.alphabet)
		c.alphabet = append(c.alphabet, int64(token))
	}
	return c, nil
}

// SearchItems decodes a batch to items: for each row, as many as want (or as its constraint has), best first, valid and different by
// construction. beams paths go on side by side. Probabilities are among the tokens that spell items, so what the student would
// rather say that is no item takes nothing from one.
func SearchItems(
	ctx context.Context, m *t5.Model, batch task.Batch, catalogue *Catalogue, w Walk,
) ([][]Found, error) {
	if len(w.Constraints) != batch.Size {
		return nil, fmt.Errorf("item search: %d constraints for %d rows", len(w.Constraints), batch.Size)
	}
	if w.Beams < 1 || w.Want < 1 {
		return nil, fmt.Errorf("item search: %d items with %d beams: at least 1 is needed", w.Want, w.Beams)
	}
	by := w.by
	switch {
	case by != nil:
	case m.Device() == torch.CPU:
		by = onHost
	default:
		by = onDevice
	}
	var found [][]Found
	err := torch.Run(func(*torch.Scope) (err error) {
		torch.NoGrad(func() {
			var d *t5.Decoding
			opt := t5.Decode{
				Beams: max(w.Beams, w.Want), MaxTokens: catalogue.Depth() + 2, MaskCross: w.MaskCross, Tokens: catalogue.alphabet,
			}
			if d, err = m.Start(batch, opt); err != nil {
				return
			}
			defer d.Close()
			found, err = by(ctx, m, d, catalogue, w)
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("item search over %d rows: %w", batch.Size, err)
	}
	for _, row := range found {
		if slices.ContainsFunc(row, func(f Found) bool { return math.IsNaN(f.Score) }) {
			return nil, fmt.Errorf("item search over %d rows: %w", batch.Size, errNaN)
		}
	}
	return found, nil
}

// onHost reads the alphabet's scores of each step and walks on the host; rows that are done leave the batch.
func onHost(ctx context.Context, m *t5.Model, d *t5.Decoding, catalogue *Catalogue, w Walk) ([][]Found, error) {
	walks := make([]*paths, len(w.Constraints))
	for i, constraint := range w.Constraints {
		walks[i] = newPaths(constraint, w.Beams, w.Want)
	}
	err := walkAll(ctx, d, catalogue, slices.Clone(walks), m.Config.Start)
	found := make([][]Found, len(walks))
	for i, walk := range walks {
		found[i] = walk.found
	}
	return found, err
}

// Walk says what [SearchItems] looks for.
type Walk struct {
	// Constraints are one a row.
	Constraints []Constraint
	// Beams is how many paths go on side by side in a row, at least Want; Want is how many items are looked for.
	Beams, Want int
	// MaskCross hides padding from cross-attention.
	MaskCross bool
	// by is how; nil is on the device where that is a GPU.
	by walking
}

// walking takes all rows of a batch down their tries, on the host or on the device.
type walking func(ctx context.Context, m *t5.Model, d *t5.Decoding, catalogue *Catalogue, w Walk) ([][]Found, error)

// walkAll takes all rows down their tries, token by token.
func walkAll(ctx context.Context, d decoder, catalogue *Catalogue, rows []*paths, start int64) error {
	tokens := slices.Repeat([]int64{start}, len(rows))
	var parents []int64
	for length := 1; len(rows) > 0; length++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		scores, err := logProbs(d, tokens, parents)
		if err != nil {
			return fmt.Errorf("decoding step %d: %w", length, err)
		}
		width, letters := len(tokens)/len(rows), len(catalogue.alphabet)
		next := make([][]int, len(rows))
		for i, row := range rows {
			next[i] = row.advance(catalogue.end, func(place int, token int32) float32 {
				return scores[(i*width+place)*letters+catalogue.column[token]]
			})
		}
		rows, tokens, parents = feed(d, rows, next, width)
	}
	return nil
}

// logProbs takes a step and returns log-probabilities on the host, [sequences * letters].
func logProbs(d decoder, tokens, parents []int64) ([]float32, error) {
	scope := torch.NewScope()
	defer scope.Close()
	hidden, err := d.Hidden(scope, tokens, parents)
	if err != nil {
		return nil, err
	}
	return d.LogProbs(hidden).Float32s(), nil
}

// feed drops the rows that are done and returns the others and what the decoder is fed next: as many sequences a row as the row with
// the most paths has. A row with fewer repeats its first parent with padding, which leads nowhere.
func feed(d decoder, rows []*paths, next [][]int, width int) (left []*paths, tokens, parents []int64) {
	var kept []int
	wide := 0
	for i, row := range rows {
		if !row.done() {
			kept, left, wide = append(kept, i), append(left, row), max(wide, len(row.alive))
		}
	}
	if len(left) == 0 {
		return nil, nil, nil
	}
	if len(left) < len(rows) {
		d.Keep(kept)
	}
	for place, i := range kept {
		for j := range wide {
			token, parent := int64(0), 0
			if j < len(next[i]) {
				token, parent = int64(rows[i].alive[j].token), next[i][j]
			}
			tokens = append(tokens, token)
			parents = append(parents, int64(place*width+parent))
		}
	}
	return left, tokens, parents
}
