package baseline

import (
	"math"
	"slices"
	"sync"

	"rdrec/internal/dataset"
)

// transitions is the graph of the training items: which item followed which, and how often.
type transitions struct {
	// next has each item's successors by item id, with their counts as scores. [item id]
	next [][]scored
	// total is the number of transitions from each item. [item id]
	total []float64
}

// countTransitions counts the transitions from one training item to the next. It sorts them, which
// takes eight bytes each.
func countTransitions(d *dataset.Dataset) transitions {
	t := transitions{next: make([][]scored, d.Items+1), total: make([]float64, d.Items+1)}
	edges, distinct := sortedEdges(d), 0
	for i := range edges {
		if i == 0 || edges[i] != edges[i-1] {
			distinct++
		}
	}
	successors := make([]scored, 0, distinct) // of all items, one after the other
	for at := 0; at < len(edges); {
		from, begin := edges[at].from(), len(successors)
		for ; at < len(edges) && edges[at].from() == from; at++ {
			if last := len(successors) - 1; last >= begin && successors[last].item == edges[at].to() {
				successors[last].score++
			} else {
				successors = append(successors, scored{edges[at].to(), 1})
			}
			t.total[from]++
		}
		t.next[from] = successors[begin:len(successors):len(successors)]
	}
	return t
}

// edge is a transition between two items; edges are ordered by the first item and then the second.
type edge uint64

func (e edge) from() int { return int(e >> 32) }

func (e edge) to() int { return int(e & math.MaxUint32) }

// sortedEdges returns every transition between training items.
func sortedEdges(d *dataset.Dataset) []edge {
	count := 0
	for _, user := range d.Users {
		count += max(0, len(user.TrainItems())-1)
	}
	edges := make([]edge, 0, count)
	for _, user := range d.Users {
		items := user.TrainItems()
		for i := 1; i < len(items); i++ {
			edges = append(edges, edge(items[i-1])<<32|edge(items[i])) //nolint:gosec // ids are positive
		}
	}
	slices.Sort(edges)
	return edges
}

// share returns the share of an edge among all transitions from an item.
func (t transitions) share(from int, to scored) float64 { return to.score / t.total[from] }

// twoHops returns the items after two transitions from an item, with their probabilities. The item
// itself is left out.
func (t transitions) twoHops(from int) []scored {
	at, list := map[int]int{}, []scored(nil)
	for _, middle := range t.next[from] {
		first := t.share(from, middle)
		for _, end := range t.next[middle.item] {
			if end.item == from {
				continue
			}
			index, known := at[end.item]
			if !known {
				index = len(list)
				at[end.item], list = index, append(list, scored{end.item, 0})
			}
			list[index].score += first * t.share(middle.item, end)
		}
	}
	return list
}

// titleGraph is the graph of transitions with the items' titles.
type titleGraph struct {
	transitions
	titles titleVectors
}

func newTitleGraph(d *dataset.Dataset) *titleGraph {
	return &titleGraph{countTransitions(d), newTitleVectors(d)}
}

// maxCached is the number of entries that [cached] keeps in all its results: of 16 bytes, half a
// gigabyte.
const maxCached = 1 << 25

// cached returns a function that computes each item's value once, and keeps the first of them. size
// returns the number of entries of a value.
func cached[T any](compute func(item int) T, size func(T) int) func(item int) T {
	var mutex sync.Mutex
	values, left := map[int]T{}, maxCached
	return func(item int) T {
		mutex.Lock()
		defer mutex.Unlock()
		value, known := values[item]
		if !known {
			value = compute(item)
			if entries := 1 + size(value); entries <= left {
				values[item], left = value, left-entries
			}
		}
		return value
	}
}

// sums adds scores by item, without a map: adding and clearing cost only the items that have one.
type sums struct {
	value []float64 // [item id]
	has   []bool    // [item id]
	items []int     // that have a score, in the order of the first addition
}

func newSums(items int) *sums {
	return &sums{value: make([]float64, items+1), has: make([]bool, items+1)}
}

func (s *sums) add(item int, score float64) {
	if !s.has[item] {
		s.has[item] = true
		s.items = append(s.items, item)
	}
	s.value[item] += score
}

func (s *sums) clear() {
	for _, item := range s.items {
		s.value[item], s.has[item] = 0, false
	}
	s.items = s.items[:0]
}
