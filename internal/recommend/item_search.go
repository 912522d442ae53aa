package recommend

import (
	"context"
	"fmt"
	"math"
	"slices"

	"rdrec/internal/beam"
	"rdrec/internal/t5"
	"rdrec/internal/task"
	"rdrec/internal/torch"
)

// Catalog contains all items as the student encodes them, for constrained decoding. After a search,
// it keeps tensors on the student's device until [Catalog.Free]. Use it from one goroutine at a
// time.
type Catalog struct {
	*Trie
	tokens []int64       // the end token, then the tokens of all items
	column map[int32]int // by token: its index in tokens
	end    int32
	cached *deviceCatalog // nil until a search
}

// NewCatalog returns the catalog of items, given the tokens of each without the end token, and that
// token.
func NewCatalog(encodings map[int][]int32, end int32) (*Catalog, error) {
	trie, err := NewTrie(encodings)
	if err != nil {
		return nil, fmt.Errorf("catalog: %w", err)
	}
	c := &Catalog{Trie: trie, tokens: []int64{int64(end)}, column: map[int32]int{end: 0}, end: end}
	for _, token := range trie.Tokens() {
		if token == end {
			return nil, fmt.Errorf("catalog: an item's tokens contain the end token %d", end)
		}
		c.column[token] = len(c.tokens)
		c.tokens = append(c.tokens, int64(token))
	}
	return c, nil
}

// SearchItems decodes a batch to items: for each row w.NumItems, or fewer if the constraint allows
// fewer. They are best first, and valid and distinct by construction. The softmax is over the
// tokens of items only, so other tokens do not lower an item's probability.
func SearchItems(
	ctx context.Context, m *t5.Model, batch task.Batch, catalog *Catalog, w ItemSearch,
) ([][]Found, error) {
	if len(w.Constraints) != batch.Size {
		return nil, fmt.Errorf("item search: %d constraints for %d rows", len(w.Constraints), batch.Size)
	}
	if w.NumBeams < 1 || w.NumItems < 1 {
		return nil, fmt.Errorf("item search: %d items with %d beams: at least 1 is needed", w.NumItems, w.NumBeams)
	}
	backend := w.backend
	switch {
	case backend != nil:
	case m.Device() == torch.CPU:
		backend = searchOnCPU
	default:
		backend = searchOnDevice
	}
	var found [][]Found
	err := torch.Run(func(*torch.Scope) (err error) {
		torch.NoGrad(func() {
			var d *t5.Decoding
			opt := t5.DecodeOptions{
				NumBeams: max(w.NumBeams, w.NumItems), MaxLength: catalog.Depth() + 2, MaskCross: w.MaskCross,
				AllowedTokens: catalog.onDevice(m.Device()).tokens,
			}
			if d, err = m.Start(batch, opt); err != nil {
				return
			}
			defer d.Close()
			found, err = backend(ctx, m, d, catalog, w)
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("item search over %d rows: %w", batch.Size, err)
	}
	for _, row := range found {
		if slices.ContainsFunc(row, func(f Found) bool { return math.IsNaN(f.Score) }) {
			return nil, fmt.Errorf("item search over %d rows: %w", batch.Size, beam.ErrNaN)
		}
	}
	return found, nil
}

// searchOnCPU copies the log-probabilities of each step and searches the tries on the host. Rows
// that are done leave the batch.
func searchOnCPU(
	ctx context.Context, m *t5.Model, d *t5.Decoding, catalog *Catalog, w ItemSearch,
) ([][]Found, error) {
	searches := make([]*paths, len(w.Constraints))
	for i, constraint := range w.Constraints {
		searches[i] = newPaths(constraint, w.NumBeams, w.NumItems)
	}
	err := searchAll(ctx, d, catalog, slices.Clone(searches), m.Config.Start)
	found := make([][]Found, len(searches))
	for i, search := range searches {
		found[i] = search.found
	}
	return found, err
}

// ItemSearch holds the arguments of [SearchItems].
type ItemSearch struct {
	// Constraints has one element per row.
	Constraints []Constraint
	// NumBeams is the number of active paths in a row, raised to NumItems if lower; NumItems is the
	// number of items to find.
	NumBeams, NumItems int
	// MaskCross masks padding in cross-attention.
	MaskCross bool
	// backend is the implementation; nil means the GPU if the model is on one, else the host.
	backend searchBackend
}

// searchBackend searches the tries of all rows of a batch, on the host or on the device.
type searchBackend func(
	ctx context.Context, m *t5.Model, d *t5.Decoding, catalog *Catalog, w ItemSearch,
) ([][]Found, error)

// searchAll searches the tries of all rows, token by token.
func searchAll(ctx context.Context, d beam.Decoder, catalog *Catalog, rows []*paths, start int64) error {
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
		width, columns := len(tokens)/len(rows), len(catalog.tokens)
		next := make([][]int, len(rows))
		for i, row := range rows {
			next[i] = row.advance(catalog.end, func(beam int, token int32) float32 {
				return scores[(i*width+beam)*columns+catalog.column[token]]
			})
		}
		rows, tokens, parents = nextInputs(d, rows, next, width)
	}
	return nil
}

// logProbs runs the decoder once and returns log-probabilities on the host, [sequences * tokens].
func logProbs(d beam.Decoder, tokens, parents []int64) ([]float32, error) {
	scope := torch.NewScope()
	defer scope.Close()
	hidden, err := d.Hidden(scope, tokens, parents)
	if err != nil {
		return nil, err
	}
	return d.LogProbs(hidden).Float32s(), nil
}

// nextInputs drops the rows that are done and returns the others and the decoder's next inputs: in
// each row as many sequences as the row with the most paths has. A row with fewer paths is filled
// with padding, whose scores are ignored.
func nextInputs(d beam.Decoder, rows []*paths, next [][]int, width int) (remaining []*paths, tokens, parents []int64) {
	var rowIDs []int
	maxWidth := 0
	for i, row := range rows {
		if !row.done() {
			rowIDs, remaining, maxWidth = append(rowIDs, i), append(remaining, row), max(maxWidth, len(row.active))
		}
	}
	if len(remaining) == 0 {
		return nil, nil, nil
	}
	if len(remaining) < len(rows) {
		d.Keep(rowIDs)
	}
	for row, i := range rowIDs {
		for j := range maxWidth {
			token, parent := int64(0), 0
			if j < len(next[i]) {
				token, parent = int64(rows[i].active[j].token), next[i][j]
			}
			tokens = append(tokens, token)
			parents = append(parents, int64(row*width+parent))
		}
	}
	return remaining, tokens, parents
}
