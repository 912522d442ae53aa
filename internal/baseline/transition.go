package baseline

import (
	"cmp"
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

// countTransitions counts the transitions from one training item to the next.
func countTransitions(d *dataset.Dataset) transitions {
	t := transitions{next: make([][]scored, d.Items+1), total: make([]float64, d.Items+1)}
	counts := make([]map[int]float64, d.Items+1)
	for _, user := range d.Users {
		items := user.TrainItems()
		for i := 1; i < len(items); i++ {
			from := items[i-1]
			if counts[from] == nil {
				counts[from] = map[int]float64{}
			}
			counts[from][items[i]]++
			t.total[from]++
		}
	}
	for from, successors := range counts {
		for item, count := range successors {
			t.next[from] = append(t.next[from], scored{item, count})
		}
		slices.SortFunc(t.next[from], func(a, b scored) int { return cmp.Compare(a.item, b.item) })
	}
	return t
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
