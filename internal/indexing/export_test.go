package indexing

import (
	"math/rand/v2"

	"rdrec/internal/dataset"
	"rdrec/internal/spec"
)

// rowsOf returns the table of some rows.
func rowsOf(rows [][]float64) table {
	t := table{n: len(rows)}
	for _, row := range rows {
		t.k = len(row)
		t.values = append(t.values, row...)
	}
	return t
}

func (t table) rows() [][]float64 {
	var rows [][]float64
	for i := range t.n {
		rows = append(rows, t.row(i))
	}
	return rows
}

// Cooccurrences returns the co-occurrence graph as weights of pairs of items.
func Cooccurrences(d *dataset.Dataset) map[[2]int]float64 {
	g := countCooccurrences(d, ranks(d))
	weights := map[[2]int]float64{}
	for node := range g.nodes() {
		for e := g.start[node]; e < g.start[node+1]; e++ {
			weights[[2]int{node + 1, int(g.to[e]) + 1}] = g.weight[e]
		}
	}
	return weights
}

// Affinity returns the matrix by which the graph of some items is split.
func Affinity(d *dataset.Dataset, items ...int) [][]float64 {
	nodes := make([]int, len(items))
	for i, item := range items {
		nodes[i] = item - 1
	}
	n := len(items)
	identity, out := make([]float64, n*n), make([]float64, n*n)
	for i := range n {
		identity[i*n+i] = 1
	}
	countCooccurrences(d, ranks(d)).subgraph(nodes).affinity()(out, identity, n)
	return table{n, n, out}.rows()
}

// ranks returns the order of the ids.
func ranks(d *dataset.Dataset) []int {
	list := make([]int, d.Items)
	for i := range list {
		list[i] = i
	}
	return list
}

// Assign moves each row to the cluster of the nearest center and reports whether any row moved.
func Assign(rows, centers [][]float64, of []int) (changed bool) {
	return assign(rowsOf(rows), rowsOf(centers), of)
}

// Centroids returns the centers of k clusters.
func Centroids(rows [][]float64, of []int, k int) [][]float64 {
	return centroids(rowsOf(rows), of, k).rows()
}

// Cluster splits rows into at most k clusters.
func Cluster(rows [][]float64, k int, seed uint64) (of []int, centers [][]float64) {
	of, found := cluster(rowsOf(rows), k, rand.New(rand.NewPCG(seed, 0))) //nolint:gosec // not for secrets
	return of, found.rows()
}

// QuantizeVectors returns the codes of rows with their last codes, how many rows share their other
// codes at most, and whether width suffices.
func QuantizeVectors(rows [][]float64, settings spec.Codes, seed uint64) (codes [][]int, largest int, ok bool) {
	source := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // not for secrets
	q := quantizeVectors(rowsOf(rows), settings, source)
	_, largest, ok = q.distinguish(settings.Width)
	return q.codes, largest, ok
}

// PartVectors returns the vectors of the items, in the order of their ids.
func PartVectors(d *dataset.Dataset, settings spec.Codes, seed int64) [][]float64 {
	base := ranks(d)
	for i := range base {
		base[i]++
	}
	return partVectors(d, base, settings, codesRandom(seed)).rows()
}

// WidestColumn returns the column in which the rows differ most.
func WidestColumn(rows [][]float64) int { return rowsOf(rows).widestColumn() }

// LeadingVectors returns the k leading eigenvectors of a symmetric matrix and their eigenvalues.
func LeadingVectors(matrix [][]float64, k int, seed uint64) (vectors [][]float64, eigenvalues []float64) {
	multiply := func(out, in []float64, k int) {
		clear(out)
		for i, row := range matrix {
			for a, x := range row {
				for j := range k {
					out[i*k+j] += x * in[a*k+j]
				}
			}
		}
	}
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // not for secrets
	found, eigenvalues := leadingVectors(multiply, len(matrix), k, random)
	return found.rows(), eigenvalues
}
