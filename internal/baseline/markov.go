package baseline

import "rdrec/internal/dataset"

// fitMarkov ranks by the transitions from the last item of the history.
func fitMarkov(d *dataset.Dataset) Rank {
	p, t := countPopularity(d, dataset.User.TrainItems), countTransitions(d)
	next := make([][]int, len(t.next))
	for item, successors := range t.next {
		p.sort(successors)
		next[item] = make([]int, len(successors))
		for i, successor := range successors {
			next[item][i] = successor.item
		}
	}
	return func(q Query) []int {
		if len(q.History) == 0 {
			return p.recommend(q, nil)
		}
		return p.recommend(q, next[q.History[len(q.History)-1]])
	}
}
