package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"gonum.org/v1/gonum/stat"

	"rdrec/internal/dataset"
)

// Indexing says how much item numbers know.
type Indexing struct {
	// Spearman is the rank correlation of an item's number with the place of its first appearance
	// along sequential.txt, -1 to 1.
	Spearman float64 `json:"spearman"`
	// Items is how many items appear at all.
	Items int `json:"items"`
	// NextIDHits is how many users' test item carries the number after the highest of their
	// history.
	NextIDHits int `json:"next_id_hits"`
	// NextIDShare is Next over the users; Chance is what one guess among all items would reach.
	NextIDShare float64 `json:"next_id_share"`
	Chance      float64 `json:"chance"`
}

// Sequences says how alike users are.
type Sequences struct {
	Users    int `json:"users"`
	Distinct int `json:"distinct"`
	// Shared is how many users have a sequence that another user has too.
	Shared int `json:"shared"`
	// Largest are the biggest groups of users with one sequence, at most three, groups of one left
	// out.
	Largest []Group `json:"largest"`
	// Repeated is how many users' test item is already in their history, where rankings of unseen
	// items cannot find it.
	Repeated int `json:"repeated"`
}

// Group is users who have the same sequence.
type Group struct {
	Users int   `json:"users"`
	Items []int `json:"items"`
}

// Overlap says which explanations speak about pairs that should be unknown.
type Overlap struct {
	// Explanations is how many there are in all splits.
	Explanations int `json:"explanations"`
	// Users is how many test pairs there are, Explained how many of them have an explanation in any
	// split.
	Users     int `json:"users"`
	Explained int `json:"explained"`
	// Train is how many test pairs (a user and their last item) have a training explanation; Valid
	// the same of validation pairs.
	Train      int `json:"train"`
	Validation int `json:"validation"`
	// InMultipleSplits is how many pairs of user and item stand in more than one split.
	InMultipleSplits int `json:"in_multiple_splits"`
}

// Timestamps says whether time stamps allow an order.
type Timestamps struct {
	// Users is how many users have time stamps.
	Users int `json:"users"`
	// OutOfOrder is how many users' items are not in time.
	OutOfOrder int `json:"out_of_order"`
	// Tied is how many users' test item has the same time as the item before it, so that "last" is
	// arbitrary.
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

// spearman is the rank correlation of values without ties; 0 of fewer than two.
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

func sequences(d *dataset.Dataset) Sequences {
	groups := map[string]*Group{}
	s := Sequences{Users: len(d.Users)}
	for _, user := range d.Users {
		key := strings.Trim(fmt.Sprint(user.Items), "[]")
		if groups[key] == nil {
			groups[key] = &Group{Items: user.Items}
		}
		groups[key].Users++
		if test := user.TestItem(); test != 0 && slices.Contains(user.Items[:len(user.Items)-1], test) {
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

func timestamps(d *dataset.Dataset) Timestamps {
	t := Timestamps{}
	for _, user := range d.Users {
		n := len(user.Times)
		if n == 0 {
			continue
		}
		t.Users++
		if !slices.IsSorted(user.Times) {
			t.OutOfOrder++
		}
		if n > 1 && user.Times[n-1] == user.Times[n-2] {
			t.Tied++
		}
	}
	return t
}

// ratio is part of whole, and 0 of nothing.
func ratio(part, total int) float64 {
	if total == 0 {
		return 0
	}
	return float64(part) / float64(total)
}
