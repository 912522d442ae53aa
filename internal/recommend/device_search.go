package recommend

import (
	"context"
	"fmt"
	"math"

	"rdrec/internal/t5"
	"rdrec/internal/torch"
)

// deviceSearch is the state of a search on the device. It ranks as [paths] does, and nothing is
// copied to the host before the end; unused paths have a score of minus infinity.
type deviceSearch struct {
	trie        *deviceTrie
	tokens      *torch.Tensor // [tokens], the tokens of the catalog
	rows, width int64
	numItems    int64
	node, score *torch.Tensor // [rows, paths]
	found       *torch.Tensor // [rows, items], 0 for none
	best        *torch.Tensor // [rows, items], their scores
}

// searchOnDevice searches the tries on the device. Rows that are done stay in the batch, because
// detecting them would require synchronization; the depth of the tries is the number of steps.
func searchOnDevice(
	ctx context.Context, m *t5.Model, d *t5.Decoding, catalog *Catalog, w ItemSearch,
) ([][]Found, error) {
	s := torch.NewScope()
	defer s.Close()
	device, rows := m.Device(), int64(len(w.Constraints))
	search := &deviceSearch{
		trie: newDeviceTrie(s, catalog, w.Constraints, device), tokens: s.Use(catalog.onDevice(device).tokens),
		rows: rows, width: int64(max(w.NumBeams, w.NumItems)), numItems: int64(w.NumItems),
		score: s.Zeros(torch.Float32, device, rows, 1),
		found: s.Zeros(torch.Int64, device, rows, int64(w.NumItems)),
		best:  s.Full(math.Inf(-1), torch.Float32, device, rows, int64(w.NumItems)),
	}
	search.node = search.trie.root
	tokens, parents := s.Full(float64(m.Config.Start), torch.Int64, device, rows), (*torch.Tensor)(nil)
	for depth := range search.trie.maxDegree {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		hidden, err := d.HiddenOn(s, tokens, parents)
		if err != nil {
			return nil, fmt.Errorf("decoding step %d: %w", depth+1, err)
		}
		logProbs := d.LogProbs(hidden).View(rows, search.node.Dim(1), -1) // [rows, paths, tokens]
		search.finish(logProbs)
		if search.trie.maxDegree[depth] == 0 {
			break
		}
		tokens, parents = search.advance(s, logProbs, search.trie.maxDegree[depth])
	}
	return search.read(), nil
}

// finish ends paths at items, and keeps the best of these items and those found before.
func (w *deviceSearch) finish(logProbs *torch.Tensor) {
	item := w.trie.item.In(w.node).IndexSelect(0, w.node.Reshape(-1)).View(w.rows, -1)
	item = item.MaskedFill(w.trie.lookUp(w.trie.excluded, w.node), 0)
	endLogProbs := logProbs.Select(2, 0) // the end token is the first of the catalog's tokens
	score := w.score.Add(endLogProbs).MaskedFill(item.LogicalNot(), math.Inf(-1))
	sorted, order := torch.Cat(1, w.best, score).SortStable(true)
	w.best = sorted.Narrow(1, 0, w.numItems)
	w.found = torch.Cat(1, w.found, item).Gather(1, order.Narrow(1, 0, w.numItems))
}

// advance takes one step along the best edges and returns the decoder's next tokens and the
// sequences that they continue. No node has more than maxDegree edges. Ties are broken as in
// [paths]: candidates are in the order of paths and tokens, and the sort is stable.
func (w *deviceSearch) advance(
	s *torch.Scope, logProbs *torch.Tensor, maxDegree int64,
) (tokens, parents *torch.Tensor) {
	count, device := w.node.Dim(1), w.node.Device()
	ofNode := func(table *torch.Tensor) *torch.Tensor { // [rows, paths, 1]
		return table.In(w.node).IndexSelect(0, w.node.Reshape(-1)).View(w.rows, count, 1)
	}
	number := s.Arange(maxDegree, device).View(1, 1, maxDegree)
	exists := number.Less(ofNode(w.trie.degree))                     // [rows, paths, maxDegree]
	edge := ofNode(w.trie.first).Add(number).Mul(exists).Reshape(-1) // [rows * paths * maxDegree], 0 for none
	column := w.trie.column.In(edge).IndexSelect(0, edge)
	child := w.trie.child.In(edge).IndexSelect(0, edge).View(w.rows, count*maxDegree)
	child = child.Where(exists.View(w.rows, -1), w.trie.root)                 // the root is closed
	edgeLogProbs := logProbs.Gather(2, column.View(w.rows, count, maxDegree)) // [rows, paths, maxDegree]
	score := w.score.Unsqueeze(2).Add(edgeLogProbs).View(w.rows, count*maxDegree)
	score = score.MaskedFill(w.trie.lookUp(w.trie.closed, child), math.Inf(-1))
	sorted, order := score.SortStable(true)
	width := min(w.width, count*maxDegree)
	order = order.Narrow(1, 0, width)
	w.score, w.node = sorted.Narrow(1, 0, width), child.Gather(1, order)
	tokens = w.tokens.IndexSelect(0, column.View(w.rows, -1).Gather(1, order).Reshape(-1))
	candidateParents := s.Arange(w.rows*count, device).RepeatInterleave(maxDegree, 0).View(w.rows, -1)
	return tokens, candidateParents.Gather(1, order).Reshape(-1)
}

// read copies the found items to the host.
func (w *deviceSearch) read() [][]Found {
	read := torch.Cat(0, w.found, w.best.To(torch.Float64).ViewAs(torch.Int64)).Int64s()
	items, scores := read[:len(read)/2], read[len(read)/2:]
	found := make([][]Found, w.rows)
	for i, item := range items {
		if item != 0 {
			row := int64(i) / w.numItems
			score := math.Float64frombits(uint64(scores[i])) //nolint:gosec // bits
			found[row] = append(found[row], Found{Item: int(item), Score: score})
		}
	}
	return found
}
