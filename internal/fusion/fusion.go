// Package fusion mixes the rankings of several recommenders: the student's search, its item head
// and the baselines. In: the [Part]s and users; out: a [Mix] with weights fitted on validation
// items, and its recommendations. Steps: each part ranks its best items ([Recommender]); the union
// of the lists is the user's candidates; a candidate's features are its score in each list and
// whether it is missing there; the weights are those of a conditional logit (McFadden 1974), in
// which the item that the user chose competes with the other candidates ([Fit]). The loss is
// convex, so the weights depend on the data alone. Users with histories of similar length share
// weights.
package fusion

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"rdrec/internal/dataset"
	"rdrec/internal/prediction"
)

// Part is a recommender that takes part in a mix.
type Part struct {
	Name string
	// Floor is the score of an item that is missing from a list with room for it.
	Floor float64
	// Recommend returns up to k unseen items for each user and their scores, best first, in the
	// users' order. Scores are logarithms of a probability or of a count.
	Recommend func(ctx context.Context, users []dataset.User, k int) ([]prediction.Prediction, error)
}

// Mix is the weights of a fusion.
type Mix struct {
	// Parts are the names of the parts, and Floors their floors.
	Parts  []string  `json:"parts"`
	Floors []float64 `json:"floors"`
	// Candidates is the number of items of each part.
	Candidates int `json:"candidates"`
	// Groups have the weights, by ascending length of the history.
	Groups []Group `json:"groups"`
}

// Group is the weights for users with similar lengths of the history.
type Group struct {
	// MinHistory is the shortest history of the group; the group ends where the next one starts.
	MinHistory int `json:"min_history"`
	// Users is the number of users whose choices the weights were fitted on.
	Users int `json:"users"`
	// Score and Missing have an element for each part: the weight of an item's score, and what is
	// added for an item that is missing from the part's list.
	Score   []float64 `json:"score"`
	Missing []float64 `json:"missing"`
}

// candidates are the items of the lists of one user, in ascending order, with their features.
type candidates struct {
	items []int
	// features has a row for each item: the scores in all parts, then 1 for each part whose list
	// lacks the item and 0 for the others.
	features [][]float64
}

// newCandidates returns the items of a user's lists, one for each part. An item that a list of size
// items lacks has the list's lowest score, and one that a shorter list lacks has the part's floor.
func newCandidates(lists []prediction.Prediction, floors []float64, size int) candidates {
	var c candidates
	for _, list := range lists {
		c.items = append(c.items, list.Items...)
	}
	slices.Sort(c.items)
	c.items = slices.Compact(c.items)
	parts := len(lists)
	c.features = featureRows(len(c.items), 2*parts)
	for part, list := range lists {
		missing := floors[part]
		if n := len(list.Scores); n > 0 && n >= size {
			missing = list.Scores[n-1]
		}
		for _, row := range c.features {
			row[part], row[parts+part] = missing, 1
		}
		for i, item := range list.Items {
			row, _ := slices.BinarySearch(c.items, item)
			c.features[row][part], c.features[row][parts+part] = list.Scores[i], 0
		}
	}
	return c
}

func featureRows(rows, columns int) [][]float64 {
	return slices.Collect(slices.Chunk(make([]float64, rows*columns), columns))
}

// leaveOut returns the candidates of all parts but one.
func (c candidates) leaveOut(part int) candidates {
	if len(c.items) == 0 {
		return c
	}
	parts := len(c.features[0]) / 2
	var rest candidates
	for row, features := range featureRows(len(c.items), 2*(parts-1)) {
		all := c.features[row]
		features = append(features[:0], all[:part]...)
		features = append(features, all[part+1:parts+part]...)
		features = append(features, all[parts+part+1:]...)
		if slices.Contains(features[parts-1:], 0) { // not missing from all others
			rest.items, rest.features = append(rest.items, c.items[row]), append(rest.features, features)
		}
	}
	return rest
}

// group returns the index of the group of a length of the history.
func (m Mix) group(history int) int {
	at := 0
	for i, g := range m.Groups {
		if history >= g.MinHistory {
			at = i
		}
	}
	return at
}

// weights returns the weights of all features.
func (g Group) weights() []float64 { return slices.Concat(g.Score, g.Missing) }

// Rank returns the k best items of a user's lists, one for each part, and the logarithms of their
// probabilities among all candidates, best first. Equal scores go by item.
func (m Mix) Rank(history int, lists []prediction.Prediction, k int) (items []int, scores []float64) {
	c := newCandidates(lists, m.Floors, m.Candidates)
	utilities := c.utilities(m.Groups[m.group(history)].weights())
	total := softmax(slices.Clone(utilities))
	order := make([]int, len(c.items))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(utilities[b], utilities[a]) })
	for _, row := range order[:min(k, len(order))] {
		items, scores = append(items, c.items[row]), append(scores, utilities[row]-total)
	}
	return items, scores
}

// utilities returns the weighted sum of each candidate's features.
func (c candidates) utilities(weights []float64) []float64 {
	sums := make([]float64, len(c.items))
	for row, features := range c.features {
		for i, value := range features {
			sums[row] += weights[i] * value
		}
	}
	return sums
}

// softmax replaces utilities by their probabilities, and returns the logarithm of the sum of their
// exponentials.
func softmax(utilities []float64) float64 {
	if len(utilities) == 0 {
		return 0
	}
	highest, sum := slices.Max(utilities), 0.0
	for i, utility := range utilities {
		utilities[i] = math.Exp(utility - highest)
		sum += utilities[i]
	}
	for i := range utilities {
		utilities[i] /= sum
	}
	return highest + math.Log(sum)
}

// Check returns an error if the weights do not fit the parts.
func (m Mix) Check() error {
	n := len(m.Parts)
	if n == 0 || len(m.Floors) != n || len(m.Groups) == 0 || m.Candidates < 1 {
		return fmt.Errorf("fusion: %d parts, %d floors, %d groups, %d candidates: want one of each or more",
			n, len(m.Floors), len(m.Groups), m.Candidates)
	}
	for i, g := range m.Groups {
		if len(g.Score) != n || len(g.Missing) != n {
			return fmt.Errorf("fusion: group %d has %d and %d weights for %d parts",
				i+1, len(g.Score), len(g.Missing), n)
		}
	}
	return nil
}

// chunk is the number of users whose lists are in memory at a time.
const chunk = 256

// Recommender recommends by a mix of parts.
type Recommender struct {
	Parts []Part // in the order of the mix's
	Mix   Mix
}

// Recommend returns up to k unseen items for each user and their scores, best first, in the users'
// order. Progress, which may be nil, receives the finished and the total users.
func (r Recommender) Recommend(
	ctx context.Context, users []dataset.User, k int, progress func(done, total int),
) ([]prediction.Prediction, error) {
	all := make([]prediction.Prediction, 0, len(users))
	ask := lister{r.Parts, max(k, r.Mix.Candidates), progress}
	err := ask.each(ctx, users, func(user dataset.User, lists []prediction.Prediction) {
		all = append(all, r.Mix.rankFor(user, lists, k))
	})
	return all, err
}

// rankFor is [Mix.Rank] for a user.
func (m Mix) rankFor(user dataset.User, lists []prediction.Prediction, k int) prediction.Prediction {
	p := prediction.Prediction{User: user.ID}
	p.Items, p.Scores = m.Rank(len(user.Items), lists, k)
	return p
}

// lister asks the parts for their k best items of each user. Progress, which may be nil, receives
// the finished and the total users.
type lister struct {
	parts    []Part
	k        int
	progress func(done, total int)
}

// each calls use with each user's lists, one for each part, in order.
func (l lister) each(
	ctx context.Context, users []dataset.User, use func(user dataset.User, lists []prediction.Prediction),
) error {
	done := 0
	for batch := range slices.Chunk(users, chunk) {
		ranked := make([][]prediction.Prediction, len(l.parts))
		for i, part := range l.parts {
			var err error
			if ranked[i], err = part.Recommend(ctx, batch, l.k); err != nil {
				return err
			}
		}
		for i, user := range batch {
			lists := make([]prediction.Prediction, len(l.parts))
			for part := range l.parts {
				lists[part] = ranked[part][i]
			}
			use(user, lists)
		}
		done += len(batch)
		if l.progress != nil {
			l.progress(done, len(users))
		}
	}
	return nil
}
