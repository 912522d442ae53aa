package report

import (
	"fmt"
	"slices"

	"rdrec/internal/dataset"
	"rdrec/internal/prediction"
)

// PickRecommendations chooses n predictions to show: if possible as many hits (the truth is
// recommended) as misses, so the samples do not mislead. No two users have the same history and,
// where enough differ, none the same first item or the same truth.
func PickRecommendations(
	d *dataset.Dataset, method string, predictions []prediction.Prediction, n int,
) []Recommendation {
	users := make(map[int]dataset.User, len(d.Users))
	for _, user := range d.Users {
		users[user.ID] = user
	}
	var hits, misses []prediction.Prediction
	seen := map[string]bool{}
	for _, p := range predictions {
		user, known := users[p.User]
		key := fmt.Sprint(user.History())
		if !known || seen[key] {
			continue
		}
		seen[key] = true
		if slices.Contains(p.Items, p.Truth) {
			hits = append(hits, p)
		} else {
			misses = append(misses, p)
		}
	}
	limit := min(len(hits), max(n-n/2, n-len(misses)))
	used := map[int]bool{}
	picked := append(differing(hits, limit, used), differing(misses, min(len(misses), n-limit), used)...)
	shown := make([]Recommendation, len(picked))
	for i, p := range picked {
		shown[i] = recommendation(d, method, users[p.User], p)
	}
	return shown
}

// differing returns n predictions, those first whose first items and truths are not used yet, and
// marks theirs as used.
func differing(predictions []prediction.Prediction, n int, used map[int]bool) (picked []prediction.Prediction) {
	var rest []prediction.Prediction
	for _, p := range predictions {
		first := p.Truth
		if len(p.Items) > 0 {
			first = p.Items[0]
		}
		if used[first] || used[p.Truth] {
			rest = append(rest, p)
			continue
		}
		if len(picked) == n {
			break
		}
		used[first], used[p.Truth] = true, true
		picked = append(picked, p)
	}
	return append(picked, rest[:min(len(rest), n-len(picked))]...)
}

func recommendation(d *dataset.Dataset, method string, user dataset.User, p prediction.Prediction) Recommendation {
	r := Recommendation{
		User: UserName(d, p.User), Method: method,
		History: Items(d, user.History()...), Recommended: Items(d, p.Items...),
		Truth: Items(d, p.Truth)[0], Rank: slices.Index(p.Items, p.Truth) + 1,
	}
	if len(p.Items) > 0 {
		r.Why = coOccurrence(d, user.History(), p.Items[0])
	}
	return r
}

// coOccurrence returns the item of a history that most training users have together with another
// item, the latest of several; nil if no user has any.
func coOccurrence(d *dataset.Dataset, history []int, item int) *CoOccurrence {
	both, users := map[int]int{}, map[int]int{}
	for _, user := range d.Users {
		items := user.TrainItems()
		has := slices.Contains(items, item)
		for _, other := range history {
			if other != item && slices.Contains(items, other) {
				users[other]++
				if has {
					both[other]++
				}
			}
		}
	}
	best := 0
	for _, other := range history {
		if both[other] > 0 && both[other] >= both[best] {
			best = other
		}
	}
	if best == 0 {
		return nil
	}
	return &CoOccurrence{With: Items(d, best)[0], Users: users[best], Both: both[best]}
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
