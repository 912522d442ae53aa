package recommend

import (
	"context"
	"fmt"
	"math"

	"rdrec/internal/t5"
	"rdrec/internal/torch"
)

// deviceTrie contains the tries of a batch as one flat table on the device, one after the other:
// the trie of the whole catalog once for all rows, or the candidates of each row. Nodes and edges
// are numbered consecutively.
type deviceTrie struct {
	first, degree *torch.Tensor // [nodes], a node's first edge and its number of edges
	column, child *torch.Tensor // [edges], the index of the token in the catalog, and the child
	item          *torch.Tensor // [nodes], the item that ends here, 0 for none
	allowed, end  *torch.Tensor // [rows, nodes], the nodes that a row can enter, and where an item can end
	root          *torch.Tensor // [rows, 1]
	maxDegree     []int64       // by depth: the maximum number of edges of a node
}

// newDeviceTrie builds the tables of all constraints.
func newDeviceTrie(s *torch.Scope, catalog *Catalog, constraints []Constraint, device torch.Device) *deviceTrie {
	var tries []*Trie
	base, nodes := map[*Trie]int{}, 0
	for _, c := range constraints {
		if t := c.baseTrie(); base[t] == 0 && (len(tries) == 0 || tries[0] != t) {
			base[t], tries = nodes, append(tries, t)
			nodes += len(t.item)
		}
	}
	var first, degree, column, child, item []int64
	d := &deviceTrie{}
	for _, t := range tries {
		edges := int64(len(column))
		for node, ends := range t.item {
			first = append(first, edges+int64(t.first[node]))
			degree = append(degree, int64(t.first[node+1]-t.first[node]))
			item = append(item, int64(ends))
		}
		for edge, to := range t.child {
			column = append(column, int64(catalog.column[t.token[edge]]))
			child = append(child, int64(base[t])+int64(to))
		}
		for depth, maxDegree := range t.maxDegree() {
			if depth == len(d.maxDegree) {
				d.maxDegree = append(d.maxDegree, 0)
			}
			d.maxDegree[depth] = max(d.maxDegree[depth], maxDegree)
		}
	}
	rows := len(constraints)
	allowed, end, root := make([]byte, rows*nodes), make([]byte, rows*nodes), make([]int64, rows)
	for row, c := range constraints {
		from := row*nodes + base[c.baseTrie()]
		to := from + len(c.baseTrie().item)
		c.fillMasks(allowed[from:to], end[from:to])
		root[row] = int64(base[c.baseTrie()])
	}
	int64s := func(data []int64) *torch.Tensor { return s.FromInt64(data, int64(len(data))).ToDevice(device) }
	bools := func(data []byte) *torch.Tensor {
		return s.FromBytes(data, torch.Uint8, int64(rows), int64(nodes)).ToDevice(device).NotEqualNumber(0)
	}
	d.first, d.degree, d.item = int64s(first), int64s(degree), int64s(item)
	d.column, d.child = int64s(column), int64s(child)
	d.allowed, d.end, d.root = bools(allowed), bools(end), int64s(root).View(-1, 1)
	return d
}

// maxDegree returns, for each depth, the maximum number of edges of a node.
func (t *Trie) maxDegree() []int64 {
	maxDegree := make([]int64, t.depth+1)
	depth := make([]int, len(t.item))
	for node := range t.item {
		if node > 0 {
			depth[node] = depth[t.parent[node]] + 1
		}
		maxDegree[depth[node]] = max(maxDegree[depth[node]], int64(t.first[node+1]-t.first[node]))
	}
	return maxDegree
}

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
		trie: newDeviceTrie(s, catalog, w.Constraints, device),
		rows: rows, width: int64(max(w.NumBeams, w.NumItems)), numItems: int64(w.NumItems),
		tokens: s.FromInt64(catalog.tokens, int64(len(catalog.tokens))).ToDevice(device),
		score:  s.Zeros(torch.Float32, device, rows, 1),
		found:  s.Zeros(torch.Int64, device, rows, int64(w.NumItems)),
		best:   s.Full(math.Inf(-1), torch.Float32, device, rows, int64(w.NumItems)),
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
	open := w.trie.end.Gather(1, w.node).LogicalNot() // [rows, paths]
	endLogProbs := logProbs.Select(2, 0)              // the end token is the first of the catalog's tokens
	score := w.score.Add(endLogProbs).MaskedFill(open, math.Inf(-1))
	item := w.trie.item.IndexSelect(0, w.node.Reshape(-1)).View(w.rows, -1).MaskedFill(open, 0)
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
		return table.IndexSelect(0, w.node.Reshape(-1)).View(w.rows, count, 1)
	}
	number := s.Arange(maxDegree, device).View(1, 1, maxDegree)
	missing := number.Sub(ofNode(w.trie.degree)).GreaterNumber(-1)              // [rows, paths, maxDegree]
	edge := ofNode(w.trie.first).Add(number).MaskedFill(missing, 0).Reshape(-1) // [rows * paths * maxDegree]
	column := w.trie.column.IndexSelect(0, edge)
	child := w.trie.child.IndexSelect(0, edge).View(w.rows, count*maxDegree)
	allowed := w.trie.allowed.Gather(1, child)
	edgeLogProbs := logProbs.Gather(2, column.View(w.rows, count, maxDegree)) // [rows, paths, maxDegree]
	score := w.score.Unsqueeze(2).Add(edgeLogProbs).MaskedFill(missing, math.Inf(-1))
	score = score.View(w.rows, count*maxDegree).MaskedFill(allowed.LogicalNot(), math.Inf(-1))
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
	items, scores := w.found.Int64s(), w.best.Float32s()
	found := make([][]Found, w.rows)
	for i, item := range items {
		if item != 0 {
			row := int64(i) / w.numItems
			found[row] = append(found[row], Found{Item: int(item), Score: float64(scores[i])})
		}
	}
	return found
}
