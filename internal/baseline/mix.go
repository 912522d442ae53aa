package baseline

import (
	"sync"

	"rdrec/internal/dataset"
)

// The weights of the decayed mix. They were chosen on validation items.
const (
	mixItems     = 6    // the latest items of a history that count
	mixDecay     = 0.5  // the weight of an item relative to that of the one after it
	mixTitle     = 0.3  // of the titles' similarity to a successor
	mixSuccessor = 0.05 // of being a successor at all
	mixTwoHops   = 0.2  // of the probability after two transitions
	mixFarTitle  = 0.15 // of the titles' similarity to an item two transitions away
)

func fitMix(d *dataset.Dataset) Rank {
	return countPopularity(d, dataset.User.TrainItems).complete(mixScorer(d))
}

// mixScorer scores items by one and two transitions from the latest items of the history and by the
// similarity of titles, with less weight for earlier items.
func mixScorer(d *dataset.Dataset) Scorer {
	p, g := countPopularity(d, dataset.User.TrainItems), newTitleGraph(d)
	pool := sync.Pool{New: func() any { return newSums(d.Items) }}
	working := newSums(d.Items) // cached computes one value at a time
	around := cached(
		func(item int) []scored { return g.mixAround(item, working) }, func(list []scored) int { return len(list) },
	)
	return func(q Query) ([]int, []float64) {
		scores := pool.Get().(*sums) //nolint:errcheck,forcetypeassert // the pool has no other type
		defer pool.Put(scores)
		defer scores.clear()
		weight := 1.0
		for age := range min(mixItems, len(q.History)) {
			for _, other := range around(q.History[len(q.History)-1-age]) {
				scores.add(other.item, weight*other.score)
			}
			weight *= mixDecay
		}
		return p.top(q, scores)
	}
}

// mixAround returns the items around an item in the graph with their scores, which are added up in
// the sums.
func (g *titleGraph) mixAround(from int, scores *sums) []scored {
	defer scores.clear()
	for _, next := range g.next[from] {
		similar := g.titles.similarity(from, next.item)
		scores.add(next.item, g.share(from, next)+mixTitle*similar+mixSuccessor)
	}
	for _, far := range g.twoHops(from) {
		scores.add(far.item, mixTwoHops*far.score+mixFarTitle*g.titles.similarity(from, far.item))
	}
	list := make([]scored, len(scores.items))
	for i, item := range scores.items {
		list[i] = scored{item, scores.value[item]}
	}
	return list
}
