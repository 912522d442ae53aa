package dataset

import (
	"fmt"
	"slices"
)

// Renumber gives items new numbers everywhere in d: sequences, negatives, explanations, the shop's ids and titles. number[item-1] is
// an item's new number; it must hold 1 to Items, each once.
func (d *Dataset) Renumber(number []int) error {
	if err := permutation(number, d.Items); err != nil {
		return fmt.Errorf("renumber dataset %q: %w", d.Name, err)
	}
	rename := func(items []int) []int {
		renamed := make([]int, len(items))
		for i, item := range items {
			renamed[i] = number[item-1]
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
			split.list[i].Item = number[split.list[i].Item-1]
		}
	}
	d.ItemIDs, d.Titles = moved(d.ItemIDs, number), moved(d.Titles, number)
	return nil
}

// moved puts each item's text where its new number says; nil stays nil.
func moved(texts []string, number []int) []string {
	if texts == nil {
		return nil
	}
	out := make([]string, len(number))
	for i, text := range texts {
		out[number[i]-1] = text
	}
	return out
}

// permutation checks that the numbers are 1 to n, each once.
func permutation(number []int, n int) error {
	sorted := slices.Sorted(slices.Values(number))
	if len(sorted) != n {
		return fmt.Errorf("%d numbers for %d items", len(sorted), n)
	}
	for i, got := range sorted {
		if got != i+1 {
			return fmt.Errorf("the numbers are not 1 to %d, each once: the one at place %d is %d", n, i+1, got)
		}
	}
	return nil
}
