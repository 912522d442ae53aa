package baseline

import (
	"math"
	"sync"

	"rdrec/internal/dataset"
)

// tghCount weights the counts of the transitions among items one transition away.
const tghCount = 0.5

// tghBudgets are the numbers of items one and two transitions away from the last item and from the
// one before it.
func tghBudgets() [2][2]int { return [2][2]int{{5, 1}, {3, 1}} }

// fitTGH recommends the neighbors in the graph of transitions whose titles are most similar: the
// heuristic TGH-2 of Han et al. (arXiv 2605.07125). Differences: it excludes the history, it compares
// titles instead of embeddings, and popular items complete a list instead of random ones.
func fitTGH(d *dataset.Dataset) Rank {
	g := tgh{countTransitions(d), newTitleVectors(d), countPopularity(d, dataset.User.TrainItems)}
	pool := sync.Pool{New: func() any { return newSums(d.Items) }}
	return func(q Query) []int {
		far := pool.Get().(*sums) //nolint:errcheck,forcetypeassert // the pool has no other type
		defer pool.Put(far)
		accept, picked := g.allowed(q), map[int]bool{}
		var list, overflow []int
		for age, budgets := range tghBudgets() {
			if age >= len(q.History) {
				break
			}
			free := func(item int) bool { return accept(item) && !picked[item] }
			chosen, rest := chooseRings(g.rings(q.History[len(q.History)-1-age], free, far), budgets)
			for _, item := range chosen {
				picked[item] = true
			}
			list, overflow = append(list, chosen...), append(overflow, rest...)
		}
		return g.recommend(q, append(list, overflow...))
	}
}

// tgh is what a fit knows.
type tgh struct {
	transitions
	titles titleVectors
	popularity
}

// rings returns the accepted items that are exactly one and exactly two transitions from an item,
// best first.
func (g tgh) rings(from int, accept func(int) bool, far *sums) (rings [2][]int) {
	defer far.clear()
	most := 0.0
	for _, next := range g.next[from] {
		most = max(most, math.Log1p(next.score))
	}
	g.twoHops(from, far)
	var near, further []scored
	for _, next := range g.next[from] {
		far.has[next.item] = false // one transition away, not two
		if next.item != from && accept(next.item) {
			score := g.titles.similarity(from, next.item) + tghCount*math.Log1p(next.score)/most
			near = append(near, scored{next.item, score})
		}
	}
	for _, item := range far.items {
		if far.has[item] && accept(item) {
			further = append(further, scored{item, g.titles.similarity(from, item)})
		}
	}
	for ring, items := range [2][]scored{near, further} {
		g.sort(items)
		for _, one := range items {
			rings[ring] = append(rings[ring], one.item)
		}
	}
	return rings
}

// chooseRings takes each ring's budget of items. What a ring lacks is taken from the rest of the
// earlier rings first, and in the end from the rest of all. It returns the chosen items in order,
// and those that remain.
func chooseRings(rings [2][]int, budgets [2]int) (chosen, rest []int) {
	total := 0
	for ring, items := range rings {
		budget := budgets[ring]
		total += budget
		spare := min(len(rest), max(0, budget-len(items)))
		chosen, rest = append(chosen, rest[:spare]...), rest[spare:]
		own := min(budget-spare, len(items))
		chosen, rest = append(chosen, items[:own]...), append(rest, items[own:]...)
	}
	missing := min(len(rest), total-len(chosen))
	return append(chosen, rest[:missing]...), rest[missing:]
}
