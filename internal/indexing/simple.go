package indexing

import (
	"bytes"
	"cmp"
	"crypto/md5" //nolint:gosec // not for security; DuckDB has it too
	"fmt"
	"slices"
	"strconv"

	"rdrec/internal/dataset"
)

// random sorts items by a digest of the seed and the shop's id. Package review sorts by the same
// digest inside DuckDB, so both give the same ids. Every other indexing starts from this order.
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

// appearance indexes items by first appearance in the whole sequences, as the reference does:
// consecutive items of a sequence get consecutive ids, test items included (docs/deviations.md 18).
func appearance(d *dataset.Dataset, seed int64) (items []int, note string) {
	return firstSeenOrder(d, seed, func(u dataset.User) []int { return u.Items })
}

// sequential indexes items by first appearance in the training histories. Items of held-out
// interactions alone come last, in random order; OpenP5's sequential indexing appends them in the
// order of the held-out items, which leaks some of those.
func sequential(d *dataset.Dataset, seed int64) (items []int, note string) {
	return firstSeenOrder(d, seed, dataset.User.TrainItems)
}

// firstSeenOrder sorts items by their first appearance in the users' histories. Items of no history
// come last, in random order.
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
	return items, lastNote(unseen, "that are in no training history")
}

// lastNote is the note on the n items that come last; why completes "items".
func lastNote(n int, why string) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d items %s come last, in random order", n, why)
}
