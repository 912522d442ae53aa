package indexing

import (
	"cmp"
	"slices"

	"rdrec/internal/dataset"
)

// codebook is the tree of the codes that items have. Its nodes are ranges of the old items, sorted
// by their codes.
type codebook struct {
	codes   [][]int // of all items, index id-1; nil for those that have none yet
	widths  []int
	vectors table // of all items, row id-1
	sorted  []int // old items by codes
	// cached holds the branches of the nodes that were used, by first item, end and depth.
	cached map[[3]int][]branch
	used   map[string]bool // codes of all items
}

// branch is the items from up to, but not including, to that share one more code.
type branch struct {
	from, to int
	mean     []float64
}

// newCodebook returns the codebook of old, in a dataset with more items; vectors are in the order
// base.
func newCodebook(old *dataset.Codes, items int, base []int, vectors table) *codebook {
	b := &codebook{
		codes: make([][]int, items), widths: old.Widths, cached: map[[3]int][]branch{}, used: map[string]bool{},
		vectors: table{vectors.n, vectors.k, make([]float64, len(vectors.values))},
	}
	for i, item := range base {
		copy(b.vectors.row(item-1), vectors.row(i))
	}
	for i, codes := range old.Items {
		b.codes[i], b.used[key(codes)] = codes, true
		b.sorted = append(b.sorted, i+1)
	}
	slices.SortFunc(b.sorted, func(a, c int) int { return slices.Compare(b.codes[a-1], b.codes[c-1]) })
	return b
}

// add gives a new item codes and reports whether some were free.
func (b *codebook) add(item int) bool { return b.descend(item, 0, len(b.sorted), 0) }

// descend searches the items of a range, which share depth codes, for free codes: those of the
// nearest branch first.
func (b *codebook) descend(item, from, to, depth int) bool {
	if from == to {
		return false
	}
	first := b.codes[b.sorted[from]-1]
	if len(first) == depth+1 { // the items differ in their last codes only
		codes := slices.Clone(first)
		for codes[depth] = 0; codes[depth] < b.widths[depth]; codes[depth]++ {
			if !b.used[key(codes)] {
				b.codes[item-1], b.used[key(codes)] = codes, true
				return true
			}
		}
		return false
	}
	branches := slices.Clone(b.branches(from, to, depth))
	vector := b.vectors.row(item - 1)
	slices.SortStableFunc(branches, func(x, y branch) int {
		return cmp.Compare(likeness(vector, y.mean), likeness(vector, x.mean))
	})
	return slices.ContainsFunc(branches, func(x branch) bool { return b.descend(item, x.from, x.to, depth+1) })
}

// likeness is the cosine of two vectors. A vector of zeros, of an item that nothing is known about,
// is only like another of its kind.
func likeness(a, b []float64) float64 {
	lengths := norm(a) * norm(b)
	switch {
	case lengths > 0:
		return dot(a, b) / lengths
	case norm(a) == norm(b):
		return 1
	default:
		return -1
	}
}

// branches returns the branches of a range of items that share depth codes.
func (b *codebook) branches(from, to, depth int) []branch {
	node := [3]int{from, to, depth}
	if known, ok := b.cached[node]; ok {
		return known
	}
	var all []branch
	for start := from; start < to; {
		x := branch{from: start, mean: make([]float64, b.vectors.k)}
		code := b.codes[b.sorted[start]-1][depth]
		for ; start < to && b.codes[b.sorted[start]-1][depth] == code; start++ {
			for j, value := range b.vectors.row(b.sorted[start] - 1) {
				x.mean[j] += value
			}
		}
		x.to = start
		for j := range x.mean {
			x.mean[j] /= float64(x.to - x.from)
		}
		all = append(all, x)
	}
	b.cached[node] = all
	return all
}
