// Package baseline recommends without a neural model, on the same users as the student: what a
// student must beat to be worth its cost. In: a dataset; out: ranked lists beside the truth, for
// package metric. Steps: a row of [Table] is fitted on the training histories (every user's items
// but the last), then [Sequential] asks it for unseen items of the whole shop and [TopN] for an
// order of each user's candidates. Ties are broken by popularity and then by item number, so the
// same data give the same lists.
package baseline

import (
	"cmp"
	"slices"

	"rdrec/internal/dataset"
	"rdrec/internal/metric"
)

// Query asks for at most K items that come next.
type Query struct {
	// History is what the user had, oldest first.
	History []int
	// Candidates, where not nil, are the only items that may be ranked; else all items but the
	// history's may.
	Candidates []int
	K          int
}

// Rank answers a query, best first. It is safe for use by several goroutines.
type Rank func(Query) []int

// Baseline is one row of [Table].
type Baseline struct {
	// Name is the method's in specs and reports.
	Name string
	// About says for people what it does.
	About string
	// Fit learns from all items but each user's last; nil for what needs libtorch, which a stage of
	// its own trains.
	Fit func(*dataset.Dataset) Rank
}

// Names of the baselines.
const (
	Popularity = "popularity"
	Markov     = "markov"
	ItemKNN    = "item-knn"
	Rule       = "rule"
	SASRec     = "sasrec"
)

// Table is every baseline, in the order of reports. A new baseline is a new row.
func Table() []Baseline {
	return []Baseline{
		{Name: Popularity, About: "the items that most training histories hold", Fit: fitPopularity},
		{Name: Markov, About: "what most often followed the user's last item, then popularity", Fit: fitMarkov},
		{Name: ItemKNN, About: "items that share users with the history (cosine), then popularity", Fit: fitKNN},
		{
			Name: Rule, Fit: fitRule,
			About: "max(history)+1, last+1, max(history)+2, then popularity: reads item ids only, so it shows what numbering leaks",
		},
		{Name: SASRec, About: "a causal transformer over items, full softmax, tuned on the validation items"},
	}
}

// Find returns the row of a name.
func Find(name string) (Baseline, bool) {
	for _, row := range Table() {
		if row.Name == name {
			return row, true
		}
	}
	return Baseline{}, false
}

// Users are the users that the student is examined on: limit of those that leave-one-out can
// examine, spread over the file; limit 0 means all, below 0 none.
func Users(d *dataset.Dataset, limit int) []dataset.User {
	if limit < 0 {
		return nil
	}
	var usable, sampled []dataset.User
	for _, user := range d.Users {
		if user.TestItem() != 0 {
			usable = append(usable, user)
		}
	}
	for _, index := range dataset.SampleEvenly(len(usable), limit) {
		sampled = append(sampled, usable[index])
	}
	return sampled
}

// SequentialQueries ask for each user's next item among all unseen ones of the shop.
func SequentialQueries(users []dataset.User, k int) []Query {
	queries := make([]Query, len(users))
	for i, user := range users {
		queries[i] = Query{History: history(user), K: k}
	}
	return queries
}

// TopNQueries ask for an order of each user's negatives and the true item. Unlike the reference's
// student, which may answer any item of the shop (REFERENCE.md 15), a baseline is held to the
// candidates.
func TopNQueries(d *dataset.Dataset, users []dataset.User, k int) []Query {
	queries := SequentialQueries(users, k)
	for i, user := range users {
		queries[i].Candidates = append(slices.Clone(d.Negatives[user.ID]), user.TestItem())
	}
	return queries
}

// Sequential ranks all unseen items for each of the users, whose last item is the truth.
func Sequential(users []dataset.User, rank Rank, k int) []metric.List {
	return answers(users, SequentialQueries(users, k), rank)
}

// TopN ranks each user's negatives and the true item.
func TopN(d *dataset.Dataset, users []dataset.User, rank Rank, k int) []metric.List {
	return answers(users, TopNQueries(d, users, k), rank)
}

func answers(users []dataset.User, queries []Query, rank Rank) []metric.List {
	lists := make([]metric.List, len(users))
	for i, user := range users {
		lists[i] = metric.List{Items: rank(queries[i]), Truth: []int{user.TestItem()}}
	}
	return lists
}

// history is what a baseline may know of a user: all items but the last.
func history(user dataset.User) []int { return user.Items[:max(0, len(user.Items)-1)] }

// popularity counts and orders items by how many training histories hold them.
type popularity struct {
	order []int // item ids, most popular first
	rank  []int // [item id] its place in order
	count []int // [item id]
}

func countPopularity(d *dataset.Dataset) popularity {
	p := popularity{count: make([]int, d.Items+1), rank: make([]int, d.Items+1), order: make([]int, d.Items)}
	for _, user := range d.Users {
		for _, item := range history(user) {
			p.count[item]++
		}
	}
	for i := range p.order {
		p.order[i] = i + 1
	}
	slices.SortStableFunc(p.order, func(a, b int) int { return cmp.Compare(p.count[b], p.count[a]) })
	for place, item := range p.order {
		p.rank[item] = place
	}
	return p
}

// scored is an item with what a method holds of it.
type scored struct {
	item  int
	score float64
}

// sort puts the best first, ties by popularity.
func (p popularity) sort(items []scored) {
	slices.SortFunc(items, func(a, b scored) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(p.rank[a.item], p.rank[b.item]))
	})
}

// recommend takes what a query allows of the method's own items, then of the popular ones.
func (p popularity) recommend(q Query, preferred []int) []int {
	accept := p.allowed(q)
	used := make([]int, 0, q.K)
	for _, items := range [][]int{preferred, p.order} {
		for _, item := range items {
			if len(used) == q.K {
				return used
			}
			if accept(item) && !slices.Contains(used, item) {
				used = append(used, item)
			}
		}
	}
	return used
}

func (popularity) allowed(q Query) func(item int) bool {
	listed, want := q.History, false
	if q.Candidates != nil {
		listed, want = q.Candidates, true
	}
	set := make(map[int]bool, len(listed))
	for _, item := range listed {
		set[item] = true
	}
	return func(item int) bool { return set[item] == want }
}

func fitPopularity(d *dataset.Dataset) Rank {
	p := countPopularity(d)
	return func(q Query) []int { return p.recommend(q, nil) }
}
