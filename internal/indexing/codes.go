package indexing

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"rdrec/internal/dataset"
	"rdrec/internal/spec"
)

// assignCodes gives the items of d codes by the named indexing. They depend on training histories
// and titles, not on the ids.
func assignCodes(d *dataset.Dataset, name string, settings spec.Codes, seed int64) (note string, err error) {
	if name == spec.CollaborativeCodes {
		return treeCodes(d, seed), nil
	}
	base, _ := random(d, seed)
	source := codesRandom(seed)
	vectors := partVectors(d, base, settings, source)
	q := quantizeVectors(vectors, settings, source)
	cells, largest, ok := q.distinguish(settings.Width)
	if !ok {
		return "", fmt.Errorf("too many items are alike for a data.codes.width of %d", settings.Width)
	}
	d.Codes = &dataset.Codes{
		Widths: slices.Repeat([]int{settings.Width}, settings.Levels+1), Items: make([][]int, d.Items),
	}
	for i, item := range base {
		d.Codes.Items[item-1] = q.codes[i]
	}
	return fmt.Sprintf("%d levels of %d codes: %d different sequences, shared by at most %d items",
		settings.Levels, settings.Width, cells, largest), nil
}

// codesRandom returns the random source of a seed's item codes.
func codesRandom(seed int64) *rand.Rand {
	return rand.New(rand.NewPCG(uint64(seed), 0x636f6465)) //nolint:gosec // not for secrets
}

// treeCodes gives items the paths of the tree of [collaborative] as codes, and their indices in a
// leaf as last codes. Leaves without edges, and the items that share no training history, are split
// evenly.
func treeCodes(d *dataset.Dataset, seed int64) (note string) {
	base, g, connected, isolated := cooccurrence(d, seed)
	codes := &dataset.Codes{Items: make([][]int, d.Items)}
	leaf := func(nodes, path []int) {
		for i, node := range nodes {
			item := append(slices.Clone(path), i)
			codes.Items[base[node]-1] = item
			for level, code := range item {
				if level == len(codes.Widths) {
					codes.Widths = append(codes.Widths, 0)
				}
				// As many codes again are for new items.
				codes.Widths[level] = max(codes.Widths[level], 2*(code+1))
			}
		}
	}
	leaves, roots := 0, 0
	var splitEvenly func(nodes, path []int)
	splitEvenly = func(nodes, path []int) {
		if len(nodes) <= maxLeafItems {
			leaf(nodes, path)
			leaves++
			return
		}
		for i := range branches {
			part := nodes[len(nodes)*i/branches : len(nodes)*(i+1)/branches]
			splitEvenly(part, append(slices.Clone(path), i))
		}
	}
	t := &clusterTree{graph: g, random: collaborativeRandom(seed), leaf: func(nodes, path []int) {
		if len(path) > 0 {
			roots = max(roots, path[0]+1)
		}
		splitEvenly(nodes, path)
	}}
	t.split(connected, nil)
	switch {
	case len(isolated) > 0 && roots > 0:
		splitEvenly(isolated, []int{roots})
	case len(isolated) > 0: // nothing is connected, or all that is fits into one leaf
		for _, node := range connected {
			codes.Items[base[node]-1] = append([]int{0}, codes.Items[base[node]-1]...)
		}
		codes.Widths = append([]int{2}, codes.Widths...)
		splitEvenly(isolated, []int{min(1, len(connected))})
	}
	d.Codes = codes
	return fmt.Sprintf("paths of at most %d codes to %d leaves", len(codes.Widths), leaves)
}

// KeepCodes gives the items of d that old has, items 1 to len(old.Items), their codes in old. Each
// new item takes the way of the old items whose vectors are nearest, and then a code that no item
// has: the old items' codes are the codebook. No item's codes change, so a student trained on old's
// codes can continue on d.
func KeepCodes(d *dataset.Dataset, old *dataset.Codes, name string, settings spec.Codes, seed int64) error {
	base, _ := random(d, seed)
	if name == spec.CollaborativeCodes {
		settings = spec.DefaultCodes()
		settings.Parts = []string{spec.PartCooccurrence}
	}
	book := newCodebook(old, d.Items, base, partVectors(d, base, settings, codesRandom(seed)))
	for item := len(old.Items) + 1; item <= d.Items; item++ {
		if !book.add(item) {
			return fmt.Errorf("item %d: all codes are in use: train a new model, with a larger data.codes.width", item)
		}
	}
	d.Codes = &dataset.Codes{Widths: old.Widths, Items: book.codes}
	return nil
}
