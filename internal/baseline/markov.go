package baseline

import "rdrec/internal/dataset"

// fitMarkov counts the transitions from one training item to the next.
func fitMarkov(d *dataset.Dataset) Rank {
	p := countPopularity(d, dataset.User.TrainItems)
	follows := make([]map[int]float64, d.Items+1) // [item id] next item to count
	for _, user := range d.Users {
		items := user.TrainItems()
		for i := 1; i < len(items); i++ {
			before := items[i-1]
			if follows[before] == nil {
				follows[before] = map[int]float64{}
			}
			follows[before][items[i]]++
		}
	}
	next := make([][]int, len(follows))
	for item, counts := range follows {
		next[item] = p.best(counts, len(counts))
	}
	return func(q Query) []int {
		if len(q.History) == 0 {
			return p.recommend(q, nil)
		}
		return p.recommend(q, next[q.History[len(q.History)-1]])
	}
}

// best returns the n items of the highest scores, ties by popularity.
func (p popularity) best(scores map[int]float64, n int) []int {
	order := make([]scored, 0, len(scores))
	for item, score := range scores {
		order = append(order, scored{item, score})
	}
	p.sort(order) // a total order, so the map's order has no effect
	items := make([]int, min(n, len(order)))
	for i := range items {
		items[i] = order[i].item
	}
	return items
}
