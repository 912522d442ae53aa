package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"gonum.org/v1/gonum/stat"

	"rdrec/internal/dataset"
)

// Indexing measures how much item ids reveal.
type Indexing struct {
	// Spearman is the rank correlation of item ids with the positions of first appearance along
	// sequential.txt, -1 to 1.
	Spearman float64 `json:"spearman"`
	// Items is the number of items that appear at all.
	Items int `json:"items"`
	// NextIDHits is the number of users whose test item is the id after the highest of their
	// history.
	NextIDHits int `json:"next_id_hits"`
	// NextIDShare is NextIDHits over the users; Chance is the expected share of one random guess
	// among all items.
	NextIDShare float64 `json:"next_id_share"`
	Chance      float64 `json:"chance"`
}

// Sequences measures how similar users are.
type Sequences struct {
	Users    int `json:"users"`
	Distinct int `json:"distinct"`
	// Shared is the number of users whose sequence another user has too.
	Shared int `json:"shared"`
	// Largest are the at most three largest groups of two or more users with one sequence.
	Largest []Group `json:"largest"`
	// Repeated is the number of users whose test item is already in their history, so that rankings
	// of unseen items cannot contain it.
	Repeated int `json:"repeated"`
}

// Group is a set of users with the same sequence.
type Group struct {
	Users int   `json:"users"`
	Items []int `json:"items"`
}

// Overlap counts the explanations of pairs that should be unknown.
type Overlap struct {
	// Explanations is the number of explanations in all splits.
	Explanations int `json:"explanations"`
	// Users is the number of test pairs; Explained is how many of them have an explanation in any
	// split.
	Users     int `json:"users"`
	Explained int `json:"explained"`
	// Train is the number of test pairs (a user and their last item) with a training explanation;
	// Validation is the same for validation pairs.
	Train      int `json:"train"`
	Validation int `json:"validation"`
	// InMultipleSplits is the number of pairs of user and item that occur in more than one split.
	InMultipleSplits int `json:"in_multiple_splits"`
}

// Timestamps measures whether time stamps define an order.
type Timestamps struct {
	// Users is the number of users with time stamps.
	Users int `json:"users"`
	// OutOfOrder is the number of users whose items are not in chronological order.
	OutOfOrder int `json:"out_of_order"`
	// Tied is the number of users whose test item has the same time as the item before it, so that
	// "last" is arbitrary.
	Tied int `json:"tied"`
}

func indexing(d *dataset.Dataset, users []dataset.User) Indexing {
	n := Indexing{}
	position := map[int]float64{}
	var ids, positions []float64
	for _, user := range d.Users {
		for _, item := range user.Items {
			if _, seen := position[item]; !seen {
				position[item] = float64(len(position) + 1)
				ids, positions = append(ids, float64(item)), append(positions, position[item])
			}
		}
	}
	n.Items = len(ids)
	n.Spearman = spearman(ids, positions)
	for _, user := range users {
		if user.TestItem() == slices.Max(user.Items[:len(user.Items)-1])+1 {
			n.NextIDHits++
		}
	}
	n.NextIDShare = ratio(n.NextIDHits, len(users))
	n.Chance = ratio(1, d.Items)
	return n
}

// spearman returns the rank correlation of values without ties; 0 if there are fewer than two.
func spearman(a, b []float64) float64 {
	if len(a) < 2 {
		return 0
	}
	return stat.Correlation(ranks(a), ranks(b), nil)
}

func ranks(values []float64) []float64 {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(values[a], values[b]) })
	result := make([]float64, len(values))
	for rank, index := range order {
		result[index] = float64(rank)
	}
	return result
}

func sequences(users []dataset.User) Sequences {
	groups := map[string]*Group{}
	s := Sequences{Users: len(users)}
	for _, user := range users {
		key := strings.Trim(fmt.Sprint(user.Items), "[]")
		if groups[key] == nil {
			groups[key] = &Group{Items: user.Items}
		}
		groups[key].Users++
		if slices.Contains(user.History(), user.TestItem()) {
			s.Repeated++
		}
	}
	s.Distinct = len(groups)
	for _, group := range groups {
		if group.Users > 1 {
			s.Shared += group.Users
			s.Largest = append(s.Largest, *group)
		}
	}
	slices.SortFunc(s.Largest, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Users, a.Users), slices.Compare(a.Items, b.Items))
	})
	s.Largest = s.Largest[:min(3, len(s.Largest))]
	return s
}

// pair is a user and an item.
type pair struct{ user, item int }

func pairs(explanations []dataset.Explanation) map[pair]bool {
	set := make(map[pair]bool, len(explanations))
	for _, e := range explanations {
		set[pair{e.User, e.Item}] = true
	}
	return set
}

func overlap(d *dataset.Dataset, users []dataset.User) Overlap {
	e := d.Explanations
	train, val, test := pairs(e.Train), pairs(e.Val), pairs(e.Test)
	o := Overlap{Users: len(users), Explanations: len(e.Train) + len(e.Val) + len(e.Test)}
	for _, user := range users {
		last, before := pair{user.ID, user.TestItem()}, pair{user.ID, user.ValidationItem()}
		if train[last] || val[last] || test[last] {
			o.Explained++
		}
		if train[last] {
			o.Train++
		}
		if train[before] {
			o.Validation++
		}
	}
	splits := map[pair]int{}
	for _, split := range []map[pair]bool{train, val, test} {
		for p := range split {
			splits[p]++
			if splits[p] == 2 {
				o.InMultipleSplits++
			}
		}
	}
	return o
}

func timestamps(users []dataset.User) Timestamps {
	t := Timestamps{}
	for _, user := range users {
		if len(user.Times) == 0 {
			continue
		}
		t.Users++
		if !slices.IsSorted(user.Times) {
			t.OutOfOrder++
		}
		if user.LastTied() {
			t.Tied++
		}
	}
	return t
}

// ratio returns part/total; 0 if total is 0.
func ratio(part, total int) float64 {
	if total == 0 {
		return 0
	}
	return float64(part) / float64(total)
}
