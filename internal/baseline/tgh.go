package baseline

import (
	"math"
	"slices"

	"rdrec/internal/dataset"
)

// tghCount weights the counts of the transitions among items one transition away.
const tghCount = 0.5

// tghBudgets are the numbers of items one and two transitions away from the last item and from the
// one before it.
func tghBudgets() [2][2]int { return [2][2]int{{5, 1}, {3, 1}} }

// fitTGH recommends the neighbors in the graph of transitions whose titles are most similar: the
// heuristic TGH-2 of Han et al. (arXiv 2605.07125). Differences: it excludes the history, compares
// titles instead of embeddings, and completes a list with popular items instead of random ones.
func fitTGH(d *dataset.Dataset) Rank {
	g, p := newTitleGraph(d), countPopularity(d, dataset.User.TrainItems)
	around := cached(
		func(item int) [2][]int { return g.rings(item, p) },
		func(rings [2][]int) int { return len(rings[0]) + len(rings[1]) },
	)
	return func(q Query) []int {
		accept, picked := p.allowed(q), map[int]bool{}
		taken := func(item int) bool { return !accept(item) || picked[item] }
		var list, overflow []int
		for age, budgets := range tghBudgets() {
			if age >= len(q.History) {
				break
			}
			rings := around(q.History[len(q.History)-1-age])
			for i, ring := range rings {
				rings[i] = slices.DeleteFunc(slices.Clone(ring), taken)
			}
			chosen, rest := chooseRings(rings, budgets)
			for _, item := range chosen {
				picked[item] = true
			}
			list, overflow = append(list, chosen...), append(overflow, rest...)
		}
		return p.recommend(q, append(list, overflow...))
	}
}

// rings returns the items that are exactly one and exactly two transitions from an item, best
// first, ties by popularity.
func (g *titleGraph) rings(from int, p popularity) (rings [2][]int) {
	most := 0.0
	for _, next := range g.next[from] {
		most = max(most, math.Log1p(next.score))
	}
	var scores [2][]scored
	near := map[int]bool{from: true}
	for _, next := range g.next[from] {
		if next.item != from {
			near[next.item] = true
			score := g.titles.similarity(from, next.item) + tghCount*math.Log1p(next.score)/most
			scores[0] = append(scores[0], scored{next.item, score})
		}
	}
	for _, far := range g.twoHops(from) {
		if !near[far.item] {
			scores[1] = append(scores[1], scored{far.item, g.titles.similarity(from, far.item)})
		}
	}
	for i, items := range scores {
		p.sort(items)
		for _, one := range items {
			rings[i] = append(rings[i], one.item)
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
