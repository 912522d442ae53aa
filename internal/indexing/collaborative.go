package indexing

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"rdrec/internal/dataset"
)

// Settings of the clustering tree.
const (
	branches     = 10 // most children of a cluster: one decimal digit
	maxLeafItems = 10 // a cluster of at most so many items is not split
	maxDepth     = 16 // levels, for clusters that no split makes smaller
)

// collaborative sorts items by a tree of clusters. The co-occurrence graph of the training
// histories is split into clusters by the leading eigenvectors of its normalized Laplacian and
// k-means, each cluster is split again, and the order is that of the leaves from left to right.
// Items of one cluster get consecutive ids, which share their leading digits.
//
// OpenP5's collaborative indexing (src/utils/indexing.py of its repository) has the same graph and
// the same recursion. The differences:
//
//   - There an item is a path of new tokens from a pool (200 by default), one for each cluster on
//     the path and one sampled for its index in the leaf, each with its own embedding. Here an item
//     id is a plain number whose digits the student shares with all other numbers; a cluster whose
//     size is no power of ten shares leading digits with its neighbors as the numbers happen to.
//   - Their default is 20 branches and leaves of at most the pool's size, ours 10 and 10.
//   - scikit-learn assigns their clusters (cluster_qr) on the bare graph. We connect all items
//     weakly first (see affinity) and use k-means.
//   - There, items of no training history get one token and no cluster. Here they come last, and so
//     do items that share no training history with another item.
func collaborative(d *dataset.Dataset, seed int64) (items []int, note string) {
	base, g, connected, isolated := cooccurrence(d, seed)
	t := &clusterTree{graph: g, random: collaborativeRandom(seed)}
	t.split(connected, nil)
	for _, node := range append(t.order, isolated...) {
		items = append(items, base[node])
	}
	note = fmt.Sprintf("%d clusters of at most %d items", t.leaves, t.largest)
	if words := lastNote(len(isolated), sharesNoHistory); words != "" {
		note += "; " + words
	}
	return items, note
}

// collaborativeRandom returns the random source of a seed's tree.
func collaborativeRandom(seed int64) *rand.Rand {
	return rand.New(rand.NewPCG(uint64(seed), 0x636f6c6c)) //nolint:gosec // not for secrets
}

// sharesNoHistory describes the isolated items of the co-occurrence graph in a note.
const sharesNoHistory = "that share no training history with another item"

// cooccurrence returns the random order of the items, the co-occurrence graph with its nodes in
// that order, and which nodes have neighbors and which have none.
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

// clusterTree splits a graph into clusters; order is the nodes of its leaves, from left to right,
// so far.
type clusterTree struct {
	graph           graph
	random          *rand.Rand
	order           []int
	leaves, largest int
	// leaf, where set, receives the nodes of each leaf and the leaf's path: the index of its branch
	// at each level.
	leaf func(nodes, path []int)
}

func (t *clusterTree) split(nodes, path []int) {
	if len(nodes) == 0 {
		return
	}
	parts := [][]int{nodes}
	if len(nodes) > maxLeafItems && len(path) < maxDepth {
		parts = t.cluster(nodes)
	}
	if len(parts) == 1 {
		t.order = append(t.order, nodes...)
		t.leaves, t.largest = t.leaves+1, max(t.largest, len(nodes))
		if t.leaf != nil {
			t.leaf(nodes, path)
		}
		return
	}
	for i, part := range parts {
		t.split(part, append(slices.Clone(path), i))
	}
}

// cluster splits some nodes into clusters; one cluster where the nodes have no edges.
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
