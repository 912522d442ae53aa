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

// fitMix scores items by one and two transitions from the latest items of the history and by the
// similarity of titles, with less weight for earlier items.
func fitMix(d *dataset.Dataset) Rank {
	p, t, titles := countPopularity(d, dataset.User.TrainItems), countTransitions(d), newTitleVectors(d)
	pool := sync.Pool{New: func() any { return &mixScratch{newSums(d.Items), newSums(d.Items)} }}
	return func(q Query) []int {
		scratch := pool.Get().(*mixScratch) //nolint:errcheck,forcetypeassert // the pool has no other type
		defer pool.Put(scratch)
		defer scratch.scores.clear()
		weight := 1.0
		for age := range min(mixItems, len(q.History)) {
			item := q.History[len(q.History)-1-age]
			for _, successor := range t.next[item] {
				similar := titles.similarity(item, successor.item)
				scratch.scores.add(successor.item, weight*(t.share(item, successor)+mixTitle*similar+mixSuccessor))
			}
			t.twoHops(item, scratch.far)
			for _, other := range scratch.far.items {
				similar := titles.similarity(item, other)
				scratch.scores.add(other, weight*(mixTwoHops*scratch.far.value[other]+mixFarTitle*similar))
			}
			scratch.far.clear()
			weight *= mixDecay
		}
		return p.recommend(q, p.top(q, scratch.scores))
	}
}

// mixScratch is the memory of one query.
type mixScratch struct{ scores, far *sums }
