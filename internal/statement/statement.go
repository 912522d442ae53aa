// Package statement explains an item to a user without generating text: it ranks what the teacher
// said about the item's training reviews. In: explanations with rationales; out: for a user and an
// item, statements, best first. Steps: collect the statements of each item, weight their words by
// inverse document frequency, and score each statement by what it has in common with the user's own
// texts and with the item's other statements.
package statement

import (
	"cmp"
	"slices"

	"rdrec/internal/dataset"
)

// statement is a sentence of a rationale.
type statement struct {
	text   string
	author int // the user whose explanation it was distilled from
	vector vector
}

// Ranker ranks statements. It is fitted on explanations to train on, and deterministic.
type Ranker struct {
	// items has the statements about each item, and itemVectors the sum of their vectors.
	items       map[int][]statement
	itemVectors map[int]vector
	// preferences has what each user prefers, and userVectors the sum of the vectors of what the
	// user wrote and prefers.
	preferences map[int][]statement
	userVectors map[int]vector
	// typical is the statement that has most in common with all others.
	typical string
}

// NewRanker returns a ranker of the rationales of these explanations; those without one only tell
// what a user writes about.
func NewRanker(explanations []dataset.Explanation) *Ranker {
	weights := newWeights(explanations)
	r := &Ranker{
		items: map[int][]statement{}, itemVectors: map[int]vector{}, preferences: map[int][]statement{},
		userVectors: map[int]vector{},
	}
	users, everything := map[int]sum{}, sum{}
	for _, e := range explanations {
		if users[e.User] == nil {
			users[e.User] = sum{}
		}
		users[e.User].add(weights.vector(e.Explanation))
		for _, text := range []string{e.Preference, e.Attribution} {
			if text == "" {
				continue
			}
			s := statement{text: text, author: e.User, vector: weights.vector(text)}
			r.items[e.Item] = append(r.items[e.Item], s)
			everything.add(s.vector)
			if text == e.Preference {
				r.preferences[e.User] = append(r.preferences[e.User], s)
				users[e.User].add(s.vector)
			}
		}
	}
	for user, total := range users {
		r.userVectors[user] = total.vector()
	}
	var all []statement
	for item, statements := range r.items {
		r.itemVectors[item] = sumOf(statements)
		all = append(all, statements...)
	}
	if best := rank(all, everything.vector(), nil); len(best) > 0 {
		r.typical = best[0]
	}
	return r
}

// sumOf returns the sum of statements as a vector of length 1.
func sumOf(statements []statement) vector {
	total := sum{}
	for _, s := range statements {
		total.add(s.vector)
	}
	return total.vector()
}

// Rank returns up to n statements about an item for a user, best first. Statements distilled from
// the user's own texts about the item are left out. If there are none, it ranks what the user
// prefers; a user without preferences gets the statement that is most typical of all.
func (r *Ranker) Rank(user, item, n int) []string {
	others := slices.DeleteFunc(slices.Clone(r.items[item]), func(s statement) bool { return s.author == user })
	ranked := rank(others, r.userVectors[user], r.itemVectors[item])
	if len(ranked) == 0 {
		ranked = rank(r.preferences[user], r.userVectors[user], nil)
	}
	if len(ranked) == 0 && r.typical != "" {
		ranked = []string{r.typical}
	}
	return ranked[:min(n, len(ranked))]
}

// rank returns the distinct texts of statements by the sum of their cosines with two vectors; ties
// are in alphabetical order.
func rank(statements []statement, user, item vector) []string {
	scores, texts := map[string]float64{}, []string{}
	for _, s := range statements {
		if _, known := scores[s.text]; !known {
			scores[s.text] = s.vector.dot(user) + s.vector.dot(item)
			texts = append(texts, s.text)
		}
	}
	slices.SortFunc(texts, func(a, b string) int {
		return cmp.Or(cmp.Compare(scores[b], scores[a]), cmp.Compare(a, b))
	})
	return texts
}
