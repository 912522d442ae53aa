// Package indexing assigns item ids. The student reads and generates item ids digit by digit, so
// any information that an id carries reaches the student. In: a dataset, a row of [spec.Indexings]
// and a seed; out: the dataset with new item ids, and a [Record] of the indexing. Steps: sort the
// items by a digest of the seed and the shop's id, so that the incoming ids have no influence; sort
// them again by a row of the table below, which reads only training histories (all but each user's
// last two items) and titles; the rank in that order is the id. To add an indexing, add a row to
// [spec.Indexings] and to [orderings].
package indexing

import (
	"fmt"

	"rdrec/internal/dataset"
	"rdrec/internal/spec"
)

// Record is how a dataset's items were indexed.
type Record struct {
	Indexing string `json:"indexing"`
	// Seed is the seed of the indexing; 0 where the indexing has none.
	Seed int64 `json:"seed,omitempty"`
	// Note describes the result for people.
	Note string `json:"note,omitempty"`
}

// ordering sorts all items: the item at index i gets id i+1. The note is for people.
type ordering func(d *dataset.Dataset, seed int64) (items []int, note string)

// orderings has a row for each of [spec.Indexings] but as-is.
func orderings() map[string]ordering {
	return map[string]ordering{
		spec.Appearance:           appearance,
		spec.Random:               random,
		spec.Sequential:           sequential,
		spec.Collaborative:        collaborative,
		spec.Semantic:             semantic,
		spec.SemanticCooccurrence: semanticCooccurrence,
	}
}

// Apply gives the items of d new ids by the named indexing. The same dataset, name and seed give
// the same ids.
func Apply(d *dataset.Dataset, name string, seed int64) (Record, error) {
	row, err := spec.IndexingNamed(name)
	if err != nil {
		return Record{}, err
	}
	record := Record{Indexing: name}
	if name == spec.AsIs {
		return record, nil
	}
	if row.Seeded {
		record.Seed = seed
	}
	items, note := orderings()[name](d, record.Seed)
	record.Note = note
	ids := make([]int, d.Items)
	for rank, item := range items {
		ids[item-1] = rank + 1
	}
	if err := d.Reindex(ids); err != nil {
		return Record{}, fmt.Errorf("indexing %q: %w", name, err)
	}
	return record, nil
}
