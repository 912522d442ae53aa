package indexing

import (
	"bytes"
	"cmp"
	"crypto/md5" //nolint:gosec // mixes, protects nothing; DuckDB has it too
	"fmt"
	"slices"
	"strconv"

	"rdrec/internal/dataset"
)

// random orders items by a digest of the seed and the shop's id. Package review numbers items by
// the same digest inside DuckDB, so that both ways give the same numbers. Every other numbering
// starts from it.
func random(d *dataset.Dataset, seed int64) (items []int, note string) {
	type entry struct {
		item int
		id   string
		sum  [md5.Size]byte
	}
	entries := make([]entry, d.Items)
	for i := range entries {
		id := strconv.Itoa(i + 1)
		if i < len(d.ItemIDs) {
			id = d.ItemIDs[i]
		}
		entries[i] = entry{i + 1, id, md5.Sum(fmt.Appendf(nil, "item:%d:%s", seed, id))} //nolint:gosec // see above
	}
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(bytes.Compare(a.sum[:], b.sum[:]), cmp.Compare(a.id, b.id))
	})
	items = make([]int, len(entries))
	for i, e := range entries {
		items[i] = e.item
	}
	return items, ""
}

// appearance walks whole sequences in the data's order, as the reference does: neighbours get
// neighbouring numbers, test items too.
func appearance(d *dataset.Dataset, seed int64) (items []int, note string) {
	return firstSeenOrder(d, seed, func(u dataset.User) []int { return u.Items })
}

// sequential walks training histories only. Items that only held-out interactions have come last,
// at random; OpenP5's sequential indexing appends them in the order of the held-out items, which
// gives some of those away.
func sequential(d *dataset.Dataset, seed int64) (items []int, note string) {
	return firstSeenOrder(d, seed, dataset.User.TrainItems)
}

// firstSeenOrder orders items by when a walk over the users' histories meets them first; those it
// never meets come last.
func firstSeenOrder(d *dataset.Dataset, seed int64, history func(dataset.User) []int) (items []int, note string) {
	seen := make([]bool, d.Items+1)
	for _, user := range d.Users {
		for _, item := range history(user) {
			if !seen[item] {
				seen[item] = true
				items = append(items, item)
			}
		}
	}
	unseen := d.Items - len(items)
	base, _ := random(d, seed)
	for _, item := range base {
		if !seen[item] {
			items = append(items, item)
		}
	}
	return items, lastNote(unseen, "that no training history holds")
}

// lastNote says how many items stand last, and why.
func lastNote(n int, why string) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d items %s come last, in random order", n, why)
}
