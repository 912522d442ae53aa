package indexing

import (
	"fmt"
	"math/rand/v2"

	"rdrec/internal/dataset"
)

// Settings of the clustering tree.
const (
	branches     = 10 // clusters that a cluster is split into at most: a decimal digit
	maxLeafItems = 10 // items that need no splitting
	maxDepth     = 16 // levels, for what no cut makes smaller
)

// collaborative orders items by a tree of clusters: the graph of items that training users have had
// together is cut into clusters by the leading vectors of its normalised Laplacian and k-means,
// each cluster is cut again, and the leaves from left to right are the order, so that items of one
// cluster stand together and share their leading digits.
//
// OpenP5's collaborative indexing (src/utils/indexing.py of its repository) has the same graph and
// the same recursion, and differs in this. An item is there a path of new tokens out of a pool (200
// by default), one for each cluster on the way and one drawn for its place in the leaf, each with
// an embedding of its own; here it is a plain number in digits that the student shares with all
// other numbers, and a cluster whose size is no power of ten shares its leading digits with its
// neighbours only as far as the numbers go. Their clusters are 20 branches and leaves of at most
// the pool's size by default, ours 10 and 10. They have scikit-learn assign the clusters
// (cluster_qr) of the bare graph; we join everything a little first (see affinity) and use k-means.
// Items that no training history holds get one token and no cluster there; here they stand last, as
// do those that no training history holds beside another.
func collaborative(d *dataset.Dataset, seed int64) (items []int, note string) {
	base, g, connected, isolated := cooccurrence(d, seed)
	t := &clusterTree{graph: g, random: rand.New(rand.NewPCG(uint64(seed), 0x636f6c6c))} //nolint:gosec // not for secrets
	t.split(connected, 0)
	for _, node := range append(t.order, isolated...) {
		items = append(items, base[node])
	}
	note = fmt.Sprintf("%d clusters of at most %d items", t.leaves, t.largest)
	if words := lastNote(len(isolated), "that no training history holds beside another"); words != "" {
		note += "; " + words
	}
	return items, note
}

// cooccurrence is the graph of the items in their order at random, and which of its nodes have any
// neighbour.
func cooccurrence(d *dataset.Dataset, seed int64) (base []int, g graph, connected, isolated []int) {
	base, _ = random(d, seed)
	rank := make([]int, len(base))
	for i, item := range base {
		rank[item-1] = i
	}
	g = countCooccurrences(d, rank)
	for node := range g.nodes() {
		if g.start[node+1] > g.start[node] {
			connected = append(connected, node)
		} else {
			isolated = append(isolated, node)
		}
	}
	return base, g, connected, isolated
}

// clusterTree cuts a graph; order is its leaves from left to right so far.
type clusterTree struct {
	graph           graph
	random          *rand.Rand
	order           []int
	leaves, largest int
}

func (t *clusterTree) split(nodes []int, depth int) {
	if len(nodes) == 0 {
		return
	}
	parts := [][]int{nodes}
	if len(nodes) > maxLeafItems && depth < maxDepth {
		parts = t.cluster(nodes)
	}
	if len(parts) == 1 {
		t.order = append(t.order, nodes...)
		t.leaves, t.largest = t.leaves+1, max(t.largest, len(nodes))
		return
	}
	for _, part := range parts {
		t.split(part, depth+1)
	}
}

// cluster is the clusters of some nodes; one alone where nothing tells them apart.
func (t *clusterTree) cluster(nodes []int) [][]int {
	part := t.graph.subgraph(nodes)
	if len(part.to) == 0 {
		return [][]int{nodes}
	}
	k := min(branches, (len(nodes)+maxLeafItems-1)/maxLeafItems)
	vectors, _ := leadingVectors(part.affinity(), len(nodes), k, t.random)
	vectors.normalizeRows()
	of, centers := cluster(vectors, k, t.random)
	parts := make([][]int, centers.n)
	for i, node := range nodes {
		parts[of[i]] = append(parts[of[i]], node)
	}
	return parts
}
