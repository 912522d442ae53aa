package dataset

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// ErrGone says that what had a number has none any more.
var ErrGone = errors.New("is no longer in the data")

// KeepNumbers gives the users and items of d that old knows the numbers that they have there; those that are new follow after them, in the
// order of their present numbers. A student that learnt old's numbers can go on from there. Everyone of old must be in d.
func (d *Dataset) KeepNumbers(old *Dataset) error {
	users, err := kept("user", d.UserIDs, old.UserIDs)
	if err != nil {
		return err
	}
	items, err := kept("item", d.ItemIDs, old.ItemIDs)
	if err != nil {
		return err
	}
	if err := d.Renumber(items); err != nil {
		return err
	}
	d.UserIDs = moved(d.UserIDs, users)
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

// kept maps present numbers (index + 1) to the old ones, and what is new to those that follow.
func kept(noun string, ids, old []string) ([]int, error) {
	number := make(map[string]int, len(old))
	for i, id := range old {
		number[id] = i + 1
	}
	numbers, found := make([]int, len(ids)), 0
	next := len(old)
	for i, id := range ids {
		if n, known := number[id]; known {
			numbers[i] = n
			found++
			continue
		}
		next++
		numbers[i] = next
	}
	if found == len(old) {
		return numbers, nil
	}
	here := make(map[string]bool, len(ids))
	for _, id := range ids {
		here[id] = true
	}
	gone := slices.IndexFunc(old, func(id string) bool { return !here[id] })
	return nil, fmt.Errorf("%s %q (number %d) %w, and %d more", noun, old[gone], gone+1, ErrGone, len(old)-found-1)
}
