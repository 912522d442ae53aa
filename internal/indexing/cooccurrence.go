package indexing

import (
	"math"
	"slices"

	"rdrec/internal/dataset"
)

// graph is a sparse matrix in compressed rows. The co-occurrence graph holds, for two items, the
// number of training histories that contain both; it is symmetric and has no diagonal.
type graph struct {
	start  []int // [nodes+1] index in to and weight at which each row begins
	to     []int32
	weight []float64
}

func (g graph) nodes() int { return len(g.start) - 1 }

// countCooccurrences builds the graph from the training histories. A node is an item's rank, so the
// graph does not depend on the incoming ids.
func countCooccurrences(d *dataset.Dataset, rank []int) graph {
	var counts []uint64
	for _, user := range d.Users {
		items := slices.Clone(user.TrainItems())
		slices.Sort(items)
		items = slices.Compact(items)
		for _, a := range items {
			for _, b := range items {
				if a != b {
					edge := uint64(rank[a-1])<<32 | uint64(rank[b-1]) //nolint:gosec // ranks are below 2^31
					counts = append(counts, edge)
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

// subgraph returns the graph among some nodes; node i of the result is nodes[i].
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

// degrees returns the sums of the rows.
func (g graph) degrees() []float64 {
	sums := make([]float64, g.nodes())
	for node := range sums {
		for _, w := range g.weight[g.start[node]:g.start[node+1]] {
			sums[node] += w
		}
	}
	return sums
}

// affinity returns the normalized graph as an operator: D^-1/2 (A + t/n) D^-1/2 with t the mean
// degree, which is 1 minus the normalized Laplacian of a graph in which all nodes are weakly
// connected (regularized spectral clustering). Without the regularization, the leading eigenvectors
// of a sparse graph single out its small outlying parts, and every split takes off only a few
// items.
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
	weak := mean / float64(n)
	return func(out, in []float64, k int) {
		all := make([]float64, k)
		for i := range n {
			for j, x := range in[i*k : i*k+k] {
				all[j] += scale[i] * x * weak
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
