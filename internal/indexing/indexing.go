// Package indexing assigns item ids. The student reads and generates item ids digit by digit, so
// any information that an id carries reaches the student. Some indexings give items codes as well,
// which the student reads and generates in the place of ids. In: a dataset, a row of
// [spec.Indexings] and a seed; out: the dataset with new item ids (and codes), and a [Record] of
// the indexing. Steps: sort the items by a digest of the seed and the shop's id, so that the
// incoming ids have no influence; sort them again by a row of the table below, which reads only
// training histories (all but each user's last two items) and titles; the rank in that order is the
// id. Codes are k-means of vectors made from the same, or the paths of a tree of clusters. To add
// an indexing, add a row to [spec.Indexings] and to [orderings].
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

// orderings has a row for each of [spec.Indexings] but as-is and those that give items codes.
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

// Apply gives the items of d new ids by the named indexing, and codes if it is one that does, by
// their settings. The same dataset, name, settings and seed give the same ids and codes.
func Apply(d *dataset.Dataset, name string, settings *spec.Codes, seed int64) (Record, error) {
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
	d.Codes = nil
	order := orderings()[name]
	if row.Codes {
		order = random
	}
	items, note := order(d, record.Seed)
	record.Note = note
	if row.Codes {
		if settings == nil {
			return Record{}, fmt.Errorf("indexing %q: no settings of the codes", name)
		}
		if record.Note, err = assignCodes(d, name, *settings, seed); err != nil {
			return Record{}, fmt.Errorf("indexing %q: %w", name, err)
		}
	}
	ids := make([]int, d.Items)
	for rank, item := range items {
		ids[item-1] = rank + 1
	}
	if err := d.Reindex(ids); err != nil {
		return Record{}, fmt.Errorf("indexing %q: %w", name, err)
	}
	return record, nil
}
