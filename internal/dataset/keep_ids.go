package dataset

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// ErrRemoved is returned if a user or an item of the old dataset is no longer in the new one.
var ErrRemoved = errors.New("is no longer in the data")

// KeepIDs gives the users and items of d the ids that they have in old; new users and items get the
// ids after those, in their present order. A student trained on old's ids can then continue on d.
// Every user and item of old must be in d.
func (d *Dataset) KeepIDs(old *Dataset) error {
	users, err := keepIDs("user", d.UserIDs, old.UserIDs)
	if err != nil {
		return err
	}
	items, err := keepIDs("item", d.ItemIDs, old.ItemIDs)
	if err != nil {
		return err
	}
	if err := d.Reindex(items); err != nil {
		return err
	}
	d.UserIDs = permute(d.UserIDs, users)
	for i := range d.Users {
		d.Users[i].ID = users[d.Users[i].ID-1]
	}
	slices.SortFunc(d.Users, func(a, b User) int { return cmp.Compare(a.ID, b.ID) })
	negatives := map[int][]int{}
	for user, unseen := range d.Negatives {
		negatives[users[user-1]] = unseen
	}
	if d.Negatives != nil {
		d.Negatives = negatives
	}
	for _, split := range d.Explanations.all() {
		for i := range split.list {
			split.list[i].User = users[split.list[i].User-1]
		}
		slices.SortStableFunc(split.list, func(a, b Explanation) int { return cmp.Compare(a.User, b.User) })
	}
	return nil
}

// keepIDs maps present ids (index + 1) to the old ones, and new users or items to the ids after
// those.
func keepIDs(noun string, ids, old []string) ([]int, error) {
	oldID := make(map[string]int, len(old))
	for i, id := range old {
		oldID[id] = i + 1
	}
	newIDs, kept := make([]int, len(ids)), 0
	next := len(old)
	for i, id := range ids {
		if n, known := oldID[id]; known {
			newIDs[i] = n
			kept++
			continue
		}
		next++
		newIDs[i] = next
	}
	if kept == len(old) {
		return newIDs, nil
	}
	present := make(map[string]bool, len(ids))
	for _, id := range ids {
		present[id] = true
	}
	missing := slices.IndexFunc(old, func(id string) bool { return !present[id] })
	return nil, fmt.Errorf("%s %q (id %d) %w, and %d more", noun, old[missing], missing+1, ErrRemoved, len(old)-kept-1)
}
