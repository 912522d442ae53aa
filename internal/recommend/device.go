package recommend

import (
	"context"
	"fmt"
	"math"

	"rdrec/internal/t5"
	"rdrec/internal/torch"
)

// deviceTrie is the tries of a batch as one flat table on the device, one behind the other: that of the whole catalogue once for all rows, or
// each row's candidates. Numbers of nodes and edges count through.
type deviceTrie struct {
	first, degree *torch.Tensor // [nodes], a node's first edge and how many it has
	column, child *torch.Tensor // [edges], the token's place in the alphabet, and the node that it leads to
	item          *torch.Tensor // [nodes], the item that ends here, 0 none
	enter, end    *torch.Tensor // [rows, nodes], where a row may go, and where an item may end for it
	root          *torch.Tensor // [rows, 1]
	widest        []int64       // the most edges that a node of a depth has
}

// newDeviceTrie lays the tables of all constraints out.
func newDeviceTrie(s *torch.Scope, catalogue *Catalogue, constraints []Constraint, device torch.Device) *deviceTrie {
	var tries []*Trie
	base, nodes := map[*Trie]int{}, 0
	for _, c := range constraints {
		if t := c.table(); base[t] == 0 && (len(tries) == 0 || tries[0] != t) {
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
			column, child = append(column, int64(catalogue.column[t.token[edge]])), append(child, int64(base[t])+int64(to))
		}
		for depth, widest := range t.widest() {
			if depth == len(d.widest) {
				d.widest = append(d.widest, 0)
			}
			d.widest[depth] = max(d.widest[depth], widest)
		}
	}
	rows := len(constraints)
	enter, end, root := make([]byte, rows*nodes), make([]byte, rows*nodes), make([]int64, rows)
	for row, c := range constraints {
		from := row*nodes + base[c.table()]
		to := from + len(c.table().item)
		c.mark(enter[from:to], end[from:to])
		root[row] = int64(base[c.table()])
	}
	numbers := func(data []int64) *torch.Tensor { return s.FromInt64(data, int64(len(data))).On(device) }
	marks := func(data []byte) *torch.Tensor {
		return s.FromBytes(data, torch.Uint8, int64(rows), int64(nodes)).On(device).IsNot(0)
	}
	d.first, d.degree, d.column, d.child, d.item = numbers(first), numbers(degree), numbers(column), numbers(child), numbers(item)
	d.enter, d.end, d.root = marks(enter), marks(end), numbers(root).View(-1, 1)
	return d
}

// widest is the most edges that a node has, for each depth.
func (t *Trie) widest() []int64 {
	widest := make([]int64, t.depth+1)
	depth := make([]int, len(t.item))
	for node := range t.item {
		if node > 0 {
			depth[node] = depth[t.up[node]] + 1
		}
		widest[depth[node]] = max(widest[depth[node]], int64(t.first[node+1]-t.first[node]))
	}
	return widest
}

// deviceWalk is a batch on its way down its tries. It ranks as [paths] does, and nothing of it is read before the end; a place that no path has
// scores minus infinity.
type deviceWalk struct {
	trie        *deviceTrie
	alphabet    *torch.Tensor // [letters]
	rows, width int64
	want        int64
	node, score *torch.Tensor // [rows, paths]
	found       *torch.Tensor // [rows, want], items, 0 none
	best        *torch.Tensor // [rows, want], their scores
}

// onDevice walks on the device. Rows that are done stay, as asking for them would take a wait; the deepest item says how many steps there are.
func onDevice(ctx context.Context, m *t5.Model, d *t5.Decoding, catalogue *Catalogue, w Walk) ([][]Found, error) {
	s := torch.NewScope()
	defer s.Close()
	device, rows := m.Device(), int64(len(w.Constraints))
	walk := &deviceWalk{
		trie: newDeviceTrie(s, catalogue, w.Constraints, device), rows: rows, width: int64(max(w.Beams, w.Want)), want: int64(w.Want),
		alphabet: s.FromInt64(catalogue.alphabet, int64(len(catalogue.alphabet))).On(device),
		score:    s.Zeros(torch.Float32, device, rows, 1),
		found:    s.Zeros(torch.Int64, device, rows, int64(w.Want)),
		best:     s.Full(math.Inf(-1), torch.Float32, device, rows, int64(w.Want)),
	}
	walk.node = walk.trie.root
	tokens, parents := s.Full(float64(m.Config.Start), torch.Int64, device, rows), (*torch.Tensor)(nil)
	for depth := range walk.trie.widest {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		hidden, err := d.HiddenOn(s, tokens, parents)
		if err != nil {
			return nil, fmt.Errorf("decoding step %d: %w", depth+1, err)
		}
		logProbs := d.LogProbs(hidden).View(rows, walk.node.Dim(1), -1) // [rows, paths, letters]
		walk.finish(logProbs)
		if walk.trie.widest[depth] == 0 {
			break
		}
		tokens, parents = walk.advance(s, logProbs, walk.trie.widest[depth])
	}
	return walk.read(), nil
}

// finish ends paths at items, and keeps the best of those and of the ones that ended before.
func (w *deviceWalk) finish(logProbs *torch.Tensor) {
	end := w.trie.end.Gather(1, w.node)                                                              // [rows, paths]
	score := w.score.Add(logProbs.Select(2, 0)).MaskedFill(end.Not(), math.Inf(-1))                  // the end token is the alphabet's first
	item := w.trie.item.IndexSelect(0, w.node.Reshape(-1)).View(w.rows, -1).MaskedFill(end.Not(), 0) // [rows, paths]
	sorted, order := torch.Cat(1, w.best, score).SortStable(true)
	w.best = sorted.Narrow(1, 0, w.want)
	w.found = torch.Cat(1, w.found, item).Gather(1, order.Narrow(1, 0, w.want))
}

// advance takes one step along the best edges, and returns the tokens that the student is fed and the sequences that they go on from. No path has
// more edges than widest. Ties are broken as in [paths]: candidates lie in the order of places and tokens, which sorting keeps.
func (w *deviceWalk) advance(s *torch.Scope, logProbs *torch.Tensor, widest int64) (tokens, parents *torch.Tensor) {
	count, device := w.node.Dim(1), w.node.Device()
	ofNode := func(table *torch.Tensor) *torch.Tensor { // [rows, paths, 1]
		return table.IndexSelect(0, w.node.Reshape(-1)).View(w.rows, count, 1)
	}
	number := s.Arange(widest, device).View(1, 1, widest)
	missing := number.Sub(ofNode(w.trie.degree)).Above(-1)                      // [rows, paths, widest]
	edge := ofNode(w.trie.first).Add(number).MaskedFill(missing, 0).Reshape(-1) // [rows * paths * widest]
	column := w.trie.column.IndexSelect(0, edge)
	child := w.trie.child.IndexSelect(0, edge).View(w.rows, count*widest)
	open := w.trie.enter.Gather(1, child)
	score := w.score.Unsqueeze(2).Add(logProbs.Gather(2, column.View(w.rows, count, widest))). // [rows, paths, widest]
													MaskedFill(missing, math.Inf(-1)).View(w.rows, count*widest).MaskedFill(open.Not(), math.Inf(-1))
	sorted, order := score.SortStable(true)
	kept := min(w.width, count*widest)
	order = order.Narrow(1, 0, kept)
	w.score, w.node = sorted.Narrow(1, 0, kept), child.Gather(1, order)
	tokens = w.alphabet.IndexSelect(0, column.View(w.rows, -1).Gather(1, order).Reshape(-1))
	places := s.Arange(w.rows*count, device).RepeatInterleave(widest, 0).View(w.rows, -1) // of each candidate's parent
	return tokens, places.Gather(1, order).Reshape(-1)
}

// read brings what was found to the host.
func (w *deviceWalk) read() [][]Found {
	items, scores := w.found.Int64s(), w.best.Float32s()
	found := make([][]Found, w.rows)
	for i, item := range items {
		if item != 0 {
			row := int64(i) / w.want
			found[row] = append(found[row], Found{Item: int(item), Score: float64(scores[i])})
		}
	}
	return found
}
