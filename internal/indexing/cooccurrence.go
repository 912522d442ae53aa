package indexing

import (
	"math"
	"slices"

	"rdrec/internal/dataset"
)

// graph is how many training histories hold two items together: symmetric, in compressed rows,
// without a diagonal.
type graph struct {
	start  []int // [nodes+1] where each row begins in to and weight
	to     []int32
	weight []float64
}

func (g graph) nodes() int { return len(g.start) - 1 }

// countCooccurrences counts over training histories; items are named by their place, so that the
// graph does not know their numbers.
func countCooccurrences(d *dataset.Dataset, rank []int) graph {
	var counts []uint64
	for _, user := range d.Users {
		items := slices.Clone(user.TrainItems())
		slices.Sort(items)
		items = slices.Compact(items)
		for _, a := range items {
			for _, b := range items {
				if a != b {
					counts = append(counts, uint64(rank[a-1])<<32|uint64(rank[b-1])) //nolint:gosec // places are below 2^31
				}
			}
		}
	}
	slices.Sort(counts)
	g := graph{start: make([]int, len(rank)+1)}
	for i, pair := range counts {
		if i > 0 && pair == counts[i-1] {
			g.weight[len(g.weight)-1]++
			continue
		}
		g.to, g.weight = append(g.to, int32(pair&0xffffffff)), append(g.weight, 1) //nolint:gosec // see above
		g.start[pair>>32+1]++
	}
	for i := 1; i < len(g.start); i++ {
		g.start[i] += g.start[i-1]
	}
	return g
}

// subgraph is the graph among some nodes, which are renamed to their places in the list.
func (g graph) subgraph(nodes []int) graph {
	rank := make([]int32, g.nodes())
	for i, node := range nodes {
		rank[node] = int32(i + 1) //nolint:gosec // no more nodes than items
	}
	part := graph{start: make([]int, 1, len(nodes)+1)}
	for _, node := range nodes {
		for e := g.start[node]; e < g.start[node+1]; e++ {
			if to := rank[g.to[e]]; to > 0 {
				part.to, part.weight = append(part.to, to-1), append(part.weight, g.weight[e])
			}
		}
		part.start = append(part.start, len(part.to))
	}
	return part
}

// degrees are the sums of the rows.
func (g graph) degrees() []float64 {
	sums := make([]float64, g.nodes())
	for node := range sums {
		for _, w := range g.weight[g.start[node]:g.start[node+1]] {
			sums[node] += w
		}
	}
	return sums
}

// affinity is the normalised graph as an operator: D^-1/2 (A + t/n) D^-1/2 with t the mean degree,
// which is 1 less the normalised Laplacian of a graph in which everything is joined a little.
// Without that little, the leading vectors of a thin graph name its stray corners and every cut
// takes off a few items.
func (g graph) affinity() operator {
	n := g.nodes()
	degrees := g.degrees()
	mean := 0.0
	for _, degree := range degrees {
		mean += degree / float64(n)
	}
	scale := make([]float64, n)
	for i, degree := range degrees {
		scale[i] = 1 / math.Sqrt(degree+mean)
	}
	little := mean / float64(n)
	return func(out, in []float64, k int) {
		all := make([]float64, k)
		for i := range n {
			for j, x := range in[i*k : i*k+k] {
				all[j] += scale[i] * x * little
			}
		}
		for i := range n {
			row := out[i*k : i*k+k]
			copy(row, all)
			for e := g.start[i]; e < g.start[i+1]; e++ {
				to := int(g.to[e])
				w := g.weight[e] * scale[to]
				for j, x := range in[to*k : to*k+k] {
					row[j] += w * x
				}
			}
			for j := range row {
				row[j] *= scale[i]
			}
		}
	}
}
