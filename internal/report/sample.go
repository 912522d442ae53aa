package report

import (
	"fmt"
	"slices"

	"rdrec/internal/dataset"
	"rdrec/internal/prediction"
)

// PickRecommendations chooses n predictions to show, in the given order: no two users with the same
// history and, if possible, as many hits (the truth is recommended) as misses, so the samples do
// not mislead.
func PickRecommendations(
	d *dataset.Dataset, method string, predictions []prediction.Prediction, n int,
) []Recommendation {
	users := make(map[int]dataset.User, len(d.Users))
	for _, user := range d.Users {
		users[user.ID] = user
	}
	var hits, misses []Recommendation
	seen := map[string]bool{}
	for _, p := range predictions {
		user, known := users[p.User]
		key := fmt.Sprint(user.History())
		if !known || seen[key] {
			continue
		}
		seen[key] = true
		if shown := recommendation(d, method, user, p); shown.Rank > 0 {
			hits = append(hits, shown)
		} else {
			misses = append(misses, shown)
		}
	}
	limit := min(len(hits), max(n-n/2, n-len(misses)))
	return append(hits[:limit:limit], misses[:min(len(misses), n-limit)]...)
}

func recommendation(d *dataset.Dataset, method string, user dataset.User, p prediction.Prediction) Recommendation {
	return Recommendation{
		User: UserName(d, p.User), Method: method,
		History: Items(d, user.History()...), Recommended: Items(d, p.Items...),
		Truth: Items(d, p.Truth)[0], Rank: slices.Index(p.Items, p.Truth) + 1,
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
