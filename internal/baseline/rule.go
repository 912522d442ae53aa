package baseline

import (
	"slices"

	"rdrec/internal/dataset"
)

// fitRule reads nothing but item numbers: where items are numbered by first appearance along the
// users' sequences, a user's next new item tends to carry the next number, test items included
// (REFERENCE.md 18). It does not even know how many items there are: a number beyond the last takes
// its place in the list and is never right.
func fitRule(d *dataset.Dataset) Rank {
	p := countPopularity(d)
	return func(q Query) []int {
		if len(q.History) == 0 {
			return p.recommend(q, nil)
		}
		highest, last := slices.Max(q.History), q.History[len(q.History)-1]
		return p.recommend(q, []int{highest + 1, last + 1, highest + 2})
	}
}
