// Package numbering decides which number each item has. The student reads and writes items as
// numbers, digit by digit, so what a number knows, the student knows. In: a dataset, a row of
// [spec.Numberings] and a seed; out: the dataset renumbered, and a [Record] of how. The steps:
// items are first put into an order that knows nothing (a digest of the seed and the shop's id), so
// that no number of the incoming data can shine through; then a row of the table below orders them
// anew, from training histories (all but each user's last two items) and titles alone, and the
// places in that order are the numbers. To add a numbering, add a row to [spec.Numberings] and to
// [orderings].
package indexing

import (
	"fmt"

	"rdrec/internal/dataset"
	"rdrec/internal/spec"
)

// Record says how a dataset was numbered.
type Record struct {
	Indexing string `json:"indexing"`
	// Seed decided it; 0 where the numbering has none.
	Seed int64 `json:"seed,omitempty"`
	// Note says in words what came of it.
	Note string `json:"note,omitempty"`
}

// ordering orders all items: the item at place i gets number i+1. The note is for people.
type ordering func(d *dataset.Dataset, seed int64) (items []int, note string)

// orderings has a row for each of [spec.Numberings] but as-is.
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

// Apply renumbers the items of d by the named numbering; the same dataset, name and seed give the
// same numbers.
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
