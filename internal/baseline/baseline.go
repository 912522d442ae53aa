// Package baseline has simple recommenders, evaluated on the same users as the student: a student
// that does not beat them is not worth its cost. In: a dataset; out: ranked lists with the true
// items, for package metric. Steps: fit a row of [Table] on the training items (all of a user's
// items but the last two, as for the students; the rule is the exception); [Sequential] ranks all
// unseen items of the shop, [TopN] each user's candidates. The history of a test query includes the
// validation item, as a student's does. Ties are broken by popularity and then by item id, so the
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
	// History is the user's items, oldest first.
	History []int
	// Candidates are the items to rank; nil means all items but those of the history.
	Candidates []int
	// K is the most items to return.
	K int
}

// Rank returns the items for a query, best first. It is safe for concurrent use.
type Rank func(Query) []int

// Scorer returns the items that score for a query and their scores, best first; they may be fewer
// than K, and never complete a list with popular items. It is safe for concurrent use.
type Scorer func(Query) (items []int, scores []float64)

// Baseline is one row of [Table].
type Baseline struct {
	// Name is the baseline's name in specs and reports.
	Name string
	// About describes the method for people.
	About string
	// Fit trains on the training items, [dataset.User.TrainItems]; nil for a baseline that needs
	// libtorch, which has its own training stage.
	Fit func(*dataset.Dataset) Rank
	// fitScorer is Fit for a baseline whose scores mean more than their order; nil for the others.
	fitScorer func(*dataset.Dataset) Scorer
}

// FitScorer is Fit with the scores, of 0 or more. Where only the order means something, the score
// of an item is the reciprocal of its rank.
func (b Baseline) FitScorer(d *dataset.Dataset) Scorer {
	if b.fitScorer != nil {
		return b.fitScorer(d)
	}
	rank := b.Fit(d)
	return func(q Query) ([]int, []float64) {
		items := rank(q)
		scores := make([]float64, len(items))
		for i := range items {
			scores[i] = 1 / float64(i+1)
		}
		return items, scores
	}
}

// Names of the baselines.
const (
	Popularity = "popularity"
	Markov     = "markov"
	ItemKNN    = "item-knn"
	Rule       = "rule"
	TGH        = "tgh-2"
	Mix        = "decayed-mix"
	SASRec     = "sasrec"
	BSARec     = "bsarec"
)

// Table returns every baseline, in the order of reports. A new baseline is a new row.
func Table() []Baseline {
	return []Baseline{
		{Name: Popularity, About: "the items that occur most often among the training items", Fit: fitPopularity},
		{Name: Markov, About: "what most often followed the user's last item, then popularity", Fit: fitMarkov},
		{
			Name: ItemKNN, Fit: fitKNN, fitScorer: knnScorer,
			About: "items that share users with the history (cosine), then popularity",
		},
		{
			Name: Rule, Fit: fitRule,
			About: "max(history)+1, last+1, max(history)+2, then popularity: " +
				"reads item ids only, so it measures what the item indexing leaks; only its popularity counts " +
				"validation items",
		},
		{
			Name: TGH, Fit: fitTGH,
			About: "items one and two transitions from the last two items, by transitions and by the similarity of " +
				"titles (TGH-2)",
		},
		{
			Name: Mix, Fit: fitMix, fitScorer: mixScorer,
			About: "one and two transitions from the last six items and the similarity of titles, decayed by age",
		},
		{Name: SASRec, About: "a causal transformer over items, full softmax, tuned on the validation items"},
		{Name: BSARec, About: "SASRec with a frequency filter beside attention, tuned on the validation items"},
	}
}

// Find returns the row of a name and reports whether there is one.
func Find(name string) (Baseline, bool) {
	for _, row := range Table() {
		if row.Name == name {
			return row, true
		}
	}
	return Baseline{}, false
}

// Users returns the users that the student is evaluated on: limit of those that have a test item,
// sampled evenly over the file. Limit 0 means all, below 0 none.
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

// SequentialQueries returns, for each user, the query for the next item among all unseen items.
func SequentialQueries(users []dataset.User, k int) []Query {
	queries := make([]Query, len(users))
	for i, user := range users {
		queries[i] = Query{History: user.History(), K: k}
	}
	return queries
}

// TopNQueries returns, for each user, the query that ranks the user's negatives and the true item.
// The reference's student may generate any item of the shop (docs/deviations.md 15); a baseline
// ranks only the candidates.
func TopNQueries(d *dataset.Dataset, users []dataset.User, k int) []Query {
	queries := SequentialQueries(users, k)
	for i, user := range users {
		queries[i].Candidates = append(slices.Clone(d.Negatives[user.ID]), user.TestItem())
	}
	return queries
}

// Sequential ranks all unseen items for each of the users; the user's last item is the truth.
func Sequential(users []dataset.User, rank Rank, k int) []metric.List {
	return rankAll(users, SequentialQueries(users, k), rank)
}

// TopN ranks each user's negatives and the true item.
func TopN(d *dataset.Dataset, users []dataset.User, rank Rank, k int) []metric.List {
	return rankAll(users, TopNQueries(d, users, k), rank)
}

func rankAll(users []dataset.User, queries []Query, rank Rank) []metric.List {
	lists := make([]metric.List, len(users))
	for i, user := range users {
		lists[i] = metric.List{Items: rank(queries[i]), Truth: []int{user.TestItem()}}
	}
	return lists
}

// popularity has the items sorted by how often they were counted.
type popularity struct {
	order []int // item ids, most popular first
	rank  []int // [item id] its index in order
	count []int // [item id]
}

// countPopularity counts the items that of returns for each user.
func countPopularity(d *dataset.Dataset, of func(dataset.User) []int) popularity {
	p := popularity{count: make([]int, d.Items+1), rank: make([]int, d.Items+1), order: make([]int, d.Items)}
	for _, user := range d.Users {
		for _, item := range of(user) {
			p.count[item]++
		}
	}
	for i := range p.order {
		p.order[i] = i + 1
	}
	slices.SortStableFunc(p.order, func(a, b int) int { return cmp.Compare(p.count[b], p.count[a]) })
	for index, item := range p.order {
		p.rank[item] = index
	}
	return p
}

// scored is an item with its score by a method.
type scored struct {
	item  int
	score float64
}

// sort sorts items by score, best first, ties by popularity.
func (p popularity) sort(items []scored) {
	slices.SortFunc(items, p.compare)
}

// compare orders items by score, best first, ties by popularity: a total order.
func (p popularity) compare(a, b scored) int {
	return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(p.rank[a.item], p.rank[b.item]))
}

// recommend returns the first K items that the query allows, from preferred and then by popularity.
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

// top returns the query's K best items of the sums and their scores, ties by popularity.
func (p popularity) top(q Query, scores *sums) ([]int, []float64) {
	accept := p.allowed(q)
	var best []scored // sorted
	for _, item := range scores.items {
		if one := (scored{item, scores.value[item]}); p.isBest(best, one, q.K) && accept(item) {
			best = p.insert(best, one, q.K)
		}
	}
	items, values := make([]int, len(best)), make([]float64, len(best))
	for i, one := range best {
		items[i], values[i] = one.item, one.score
	}
	return items, values
}

// isBest reports whether an item is one of the n best beside those of a sorted list.
func (p popularity) isBest(best []scored, one scored, n int) bool {
	return len(best) < n || n > 0 && p.compare(best[n-1], one) > 0
}

// insert inserts an item into the sorted list of the n best.
func (p popularity) insert(best []scored, one scored, n int) []scored {
	at, _ := slices.BinarySearchFunc(best, one, p.compare)
	best = slices.Insert(best, at, one)
	return best[:min(len(best), n)]
}

// complete returns the rank of a scorer, whose lists popular items complete.
func (p popularity) complete(score Scorer) Rank {
	return func(q Query) []int {
		items, _ := score(q)
		return p.recommend(q, items)
	}
}

// allowed returns a function that reports whether a query may return an item.
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
	return MostPopular(d, dataset.User.TrainItems)
}

// MostPopular ranks by how often the items that of returns for each user contain an item.
func MostPopular(d *dataset.Dataset, of func(dataset.User) []int) Rank {
	p := countPopularity(d, of)
	return func(q Query) []int { return p.recommend(q, nil) }
}
