package report

import (
	"fmt"
	"slices"

	"rdrec/internal/dataset"
)

// RankedList is one user's ranked list, to pick samples from.
type RankedList struct {
	// User is the user id of the dataset; Items are item ids, best first; Truth is the next item.
	User  int
	Items []int
	Truth int
}

// PickRecommendations chooses n lists to show, in the given order: no two users with the same
// history and, if possible, as many hits (the truth is recommended) as misses, so the samples do
// not mislead.
func PickRecommendations(d *dataset.Dataset, method string, lists []RankedList, n int) []Recommendation {
	users := make(map[int]dataset.User, len(d.Users))
	for _, user := range d.Users {
		users[user.ID] = user
	}
	var hits, misses []Recommendation
	seen := map[string]bool{}
	for _, list := range lists {
		user, known := users[list.User]
		key := fmt.Sprint(user.History())
		if !known || seen[key] {
			continue
		}
		seen[key] = true
		if shown := recommendation(d, method, user, list); shown.Rank > 0 {
			hits = append(hits, shown)
		} else {
			misses = append(misses, shown)
		}
	}
	limit := min(len(hits), max(n-n/2, n-len(misses)))
	return append(hits[:limit:limit], misses[:min(len(misses), n-limit)]...)
}

func recommendation(d *dataset.Dataset, method string, user dataset.User, list RankedList) Recommendation {
	return Recommendation{
		User: UserName(d, list.User), Method: method,
		History: Items(d, user.History()...), Recommended: Items(d, list.Items...),
		Truth: Items(d, list.Truth)[0], Rank: slices.Index(list.Items, list.Truth) + 1,
	}
}

// Items returns items with their titles. An id that is not in the dataset has no title.
func Items(d *dataset.Dataset, ids ...int) []Item {
	items := make([]Item, len(ids))
	for i, id := range ids {
		items[i] = Item{ID: id, Title: d.Title(id)}
	}
	return items
}

// UserName returns the shop's id of a user, or the user id if there is none.
func UserName(d *dataset.Dataset, user int) string {
	if user >= 1 && user <= len(d.UserIDs) && d.UserIDs[user-1] != "" {
		return d.UserIDs[user-1]
	}
	return fmt.Sprintf("user %d", user)
}
