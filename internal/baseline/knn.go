package baseline

import (
	"math"
	"slices"
	"sync"

	"rdrec/internal/dataset"
)

// neighbors is the number of similar items kept for each item.
const neighbors = 100

func fitKNN(d *dataset.Dataset) Rank {
	return countPopularity(d, dataset.User.TrainItems).complete(knnScorer(d))
}

// knnScorer keeps each item's most similar items, by the cosine of the two items' sets of users.
func knnScorer(d *dataset.Dataset) Scorer {
	p := countPopularity(d, dataset.User.TrainItems)
	near := similar(d, p)
	pool := sync.Pool{New: func() any { return newSums(d.Items) }}
	return func(q Query) ([]int, []float64) {
		scores := pool.Get().(*sums) //nolint:errcheck,forcetypeassert // the pool has no other type
		defer pool.Put(scores)
		defer scores.clear()
		for _, item := range q.History {
			for _, other := range near[item] { // in a fixed order: sums of floats depend on it
				scores.add(other.item, other.score)
			}
		}
		return p.top(q, scores)
	}
}

// similar returns each item's neighbors, most similar first. [item id]
func similar(d *dataset.Dataset, p popularity) [][]scored {
	users := make([][]int32, d.Items+1) // [item] indices of the users who have it
	for index, user := range d.Users {
		for _, item := range user.PairedItems() {
			users[item] = append(users[item], int32(index)) //nolint:gosec // there are fewer users
		}
	}
	near, shared := make([][]scored, d.Items+1), newSums(d.Items)
	var best []scored
	for item := range near {
		for _, index := range users[item] {
			for _, other := range d.Users[index].PairedItems() {
				if other != item {
					shared.add(other, 1)
				}
			}
		}
		best = best[:0]
		for _, other := range shared.items {
			both := math.Sqrt(float64(len(users[item])) * float64(len(users[other])))
			if one := (scored{other, shared.value[other] / both}); p.isBest(best, one, neighbors) {
				best = p.insert(best, one, neighbors)
			}
		}
		near[item] = slices.Clone(best)
		shared.clear()
	}
	return near
}
