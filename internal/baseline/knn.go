package baseline

import (
	"math"

	"rdrec/internal/dataset"
)

// neighbors is how many similar items of each item are kept.
const neighbors = 100

// fitKNN keeps each item's most similar items: the cosine of the two items' sets of training users.
func fitKNN(d *dataset.Dataset) Rank {
	p := countPopularity(d)
	near := similar(d, p)
	return func(q Query) []int {
		scores := map[int]float64{}
		for _, item := range q.History {
			for _, other := range near[item] { // in a fixed order, so that sums of floats are the same in every run
				scores[other.item] += other.score
			}
		}
		return p.recommend(q, p.best(scores, len(scores)))
	}
}

func similar(d *dataset.Dataset, p popularity) [][]scored {
	users := make([][]int, d.Items+1) // [item] indices of the users who had it
	for index, user := range d.Users {
		for _, item := range history(user) {
			users[item] = append(users[item], index)
		}
	}
	near := make([][]scored, d.Items+1)
	for item := range near {
		shared := map[int]float64{}
		for _, index := range users[item] {
			for _, other := range history(d.Users[index]) {
				if other != item {
					shared[other]++
				}
			}
		}
		for other, count := range shared {
			cosine := count / math.Sqrt(float64(p.count[item])*float64(p.count[other]))
			near[item] = append(near[item], scored{other, cosine})
		}
		p.sort(near[item])
		near[item] = near[item][:min(neighbors, len(near[item]))]
	}
	return near
}
