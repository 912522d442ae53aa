package recommend

import (
	"context"
	"fmt"
	"math"

	"rdrec/internal/t5"
	"rdrec/internal/torch"
)

// deviceTrie is the tries of a batch as one flat table on the device, one behind the other: that of
// the whole catalogue once for all rows, or each row's candidates. Numbers of nodes and edges count
// through.
type deviceTrie struct {
	first, degree *torch.Tensor // [nodeOf], a node's first edge and how many it has
	column, child *torch.Tensor // [edges], the token's place in the alphabet, and the node that it leads to
	item          *torch.Tensor // [nodeOf], the item that ends here, 0 none
	allowed, end  *torch.Tensor // [rows, nodes], where a row may go, and where an item may end for it
	root          *torch.Tensor // [rows, 1]
	maxDegree     []int64       // the most edges that a node of a depth has
}

// newDeviceTrie lays the tables of all constraints out.
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
			first, degree, item = append(first, edges+int64(t.first[node])), append(degree, int64(t.first[node+1]-t.first[node])), append(item, int64(ends))
		}
		for edge, to := range t.child {
			column, child = append(column, int64(catalog.column[t.token[edge]])), append(child, int64(base[t])+int64(to))
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
	d.first, d.degree, d.column, d.child, d.item = int64s(first), int64s(degree), int64s(column), int64s(child), int64s(item)
	d.allowed, d.end, d.root = bools(allowed), bools(end), int64s(root).View(-1, 1)
	return d
}

// maxDegree is the most edges that a node has, for each depth.
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

// deviceSearch is a batch on its way down its tries. It ranks as [paths] does, and nothing of it is
// read before the end; a place that no path has scores minus infinity.
type deviceSearch struct {
	trie        *deviceTrie
	alphabet    *torch.Tensor // [letters]
	rows, width int64
	numItems    int64
	node, score *torch.Tensor // [rows, paths]
	found       *torch.Tensor // [rows, want], items, 0 none
	best        *torch.Tensor // [rows, want], their scores
}

// searchOnDevice walks on the device. Rows that are done stay, as asking for them would take a
// wait; the deepest item says how many steps there are.
func searchOnDevice(ctx context.Context, m *t5.Model, d *t5.Decoding, catalog *Catalog, w ItemSearch) ([][]Found, error) {
	s := torch.NewScope()
	defer s.Close()
	device, rows := m.Device(), int64(len(w.Constraints))
	search := &deviceSearch{
		trie: newDeviceTrie(s, catalog, w.Constraints, device), rows: rows, width: int64(max(w.NumBeams, w.NumItems)), numItems: int64(w.NumItems),
		alphabet: s.FromInt64(catalog.tokens, int64(len(catalog.tokens))).ToDevice(device),
		score:    s.Zeros(torch.Float32, device, rows, 1),
		found:    s.Zeros(torch.Int64, device, rows, int64(w.NumItems)),
		best:     s.Full(math.Inf(-1), torch.Float32, device, rows, int64(w.NumItems)),
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
		logProbs := d.LogProbs(hidden).View(rows, search.node.Dim(1), -1) // [rows, paths, letters]
		search.finish(logProbs)
		if search.trie.maxDegree[depth] == 0 {
			break
		}
		tokens, parents = search.advance(s, logProbs, search.trie.maxDegree[depth])
	}
	return search.read(), nil
}

// finish ends paths at items, and keeps the best of those and of the ones that ended before.
func (w *deviceSearch) finish(logProbs *torch.Tensor) {
	end := w.trie.end.Gather(1, w.node)                                                                     // [rows, paths]
	score := w.score.Add(logProbs.Select(2, 0)).MaskedFill(end.LogicalNot(), math.Inf(-1))                  // the end token is the alphabet's first
	item := w.trie.item.IndexSelect(0, w.node.Reshape(-1)).View(w.rows, -1).MaskedFill(end.LogicalNot(), 0) // [rows, paths]
	sorted, order := torch.Cat(1, w.best, score).SortStable(true)
	w.best = sorted.Narrow(1, 0, w.numItems)
	w.found = torch.Cat(1, w.found, item).Gather(1, order.Narrow(1, 0, w.numItems))
}

// advance takes one step along the best edges, and returns the tokens that the student is fed and
// the sequences that they go on from. No path has more edges than widest. Ties are broken as in
// [paths]: candidates lie in the order of places and tokens, which sorting keeps.
func (w *deviceSearch) advance(s *torch.Scope, logProbs *torch.Tensor, maxDegree int64) (tokens, parents *torch.Tensor) {
	count, device := w.node.Dim(1), w.node.Device()
	ofNode := func(table *torch.Tensor) *torch.Tensor { // [rows, paths, 1]
		return table.IndexSelect(0, w.node.Reshape(-1)).View(w.rows, count, 1)
	}
	number := s.Arange(maxDegree, device).View(1, 1, maxDegree)
	missing := number.Sub(ofNode(w.trie.degree)).GreaterNumber(-1)              // [rows, paths, widest]
	edge := ofNode(w.trie.first).Add(number).MaskedFill(missing, 0).Reshape(-1) // [rows * paths * widest]
	column := w.trie.column.IndexSelect(0, edge)
	child := w.trie.child.IndexSelect(0, edge).View(w.rows, count*maxDegree)
	allowed := w.trie.allowed.Gather(1, child)
	score := w.score.Unsqueeze(2).Add(logProbs.Gather(2, column.View(w.rows, count, maxDegree))). // [rows, paths, widest]
													MaskedFill(missing, math.Inf(-1)).View(w.rows, count*maxDegree).MaskedFill(allowed.LogicalNot(), math.Inf(-1))
	sorted, order := score.SortStable(true)
	width := min(w.width, count*maxDegree)
	order = order.Narrow(1, 0, width)
	w.score, w.node = sorted.Narrow(1, 0, width), child.Gather(1, order)
	tokens = w.alphabet.IndexSelect(0, column.View(w.rows, -1).Gather(1, order).Reshape(-1))
	beams := s.Arange(w.rows*count, device).RepeatInterleave(maxDegree, 0).View(w.rows, -1) // of each candidate's parent
	return tokens, beams.Gather(1, order).Reshape(-1)
}

// parseTexts brings what was found to the host.
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
