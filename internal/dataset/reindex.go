package dataset

import (
	"fmt"
	"slices"
)

// Reindex changes the item ids everywhere in d: sequences, negatives, explanations, the shop's ids,
// titles and codes. ids[item-1] is the new id of an item; ids must contain 1 to Items, each once.
func (d *Dataset) Reindex(ids []int) error {
	if err := permutation(ids, d.Items); err != nil {
		return fmt.Errorf("reindex dataset %q: %w", d.Name, err)
	}
	rename := func(items []int) []int {
		renamed := make([]int, len(items))
		for i, item := range items {
			renamed[i] = ids[item-1]
		}
		return renamed
	}
	for i := range d.Users {
		d.Users[i].Items = rename(d.Users[i].Items)
	}
	for user, items := range d.Negatives {
		d.Negatives[user] = rename(items)
	}
	for _, split := range d.Explanations.all() {
		for i := range split.list {
			split.list[i].Item = ids[split.list[i].Item-1]
		}
	}
	d.ItemIDs, d.Titles = permute(d.ItemIDs, ids), permute(d.Titles, ids)
	if d.Codes != nil {
		d.Codes = &Codes{Widths: d.Codes.Widths, Items: permute(d.Codes.Items, ids)}
	}
	return nil
}

// permute moves each item's value to the index of its new id; nil stays nil.
func permute[T any](values []T, ids []int) []T {
	if values == nil {
		return nil
	}
	out := make([]T, len(ids))
	for i, value := range values {
		out[ids[i]-1] = value
	}
	return out
}

// permutation checks that the ids are 1 to n, each once.
func permutation(ids []int, n int) error {
	sorted := slices.Sorted(slices.Values(ids))
	if len(sorted) != n {
		return fmt.Errorf("%d ids for %d items", len(sorted), n)
	}
	for i, got := range sorted {
		if got != i+1 {
			return fmt.Errorf("the ids must be 1 to %d, each once: the one at sorted position %d is %d", n, i+1, got)
		}
	}
	return nil
}
