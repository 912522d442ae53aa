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
// graph does not depend on the incoming ids. Its memory is that of the edges.
func countCooccurrences(d *dataset.Dataset, rank []int) graph {
	histories := make([][]int32, len(d.Users)) // nodes of each user
	users := make([][]int32, len(rank))        // [node] indices of the users who have it
	for index, user := range d.Users {
		for _, item := range user.PairedItems() {
			histories[index] = append(histories[index], int32(rank[item-1])) //nolint:gosec // below 2^31
		}
		slices.Sort(histories[index])
		histories[index] = slices.Compact(histories[index])
		for _, node := range histories[index] {
			users[node] = append(users[node], int32(index)) //nolint:gosec // below 2^31
		}
	}
	g := graph{start: make([]int, len(rank)+1)}
	counts := make([]float64, len(rank))
	for node := range users {
		first := len(g.to)
		for _, index := range users[node] {
			for _, other := range histories[index] {
				if int(other) == node {
					continue
				}
				if counts[other]++; counts[other] == 1 {
					g.to = append(g.to, other)
				}
			}
		}
		slices.Sort(g.to[first:])
		for _, other := range g.to[first:] {
			g.weight = append(g.weight, counts[other])
			counts[other] = 0
		}
		g.start[node+1] = len(g.to)
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
