package indexing

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"unicode"

	"rdrec/internal/dataset"
)

// Settings of the codes.
const (
	dimensions      = 32 // of an item's vector
	codes           = 10 // at each level: one decimal digit
	levels          = 4
	minItemsPerWord = 2 // a word in the titles of fewer items is ignored
)

// semantic sorts items by codes of their vectors (residual quantization): the nearest of ten
// centers is the first digit, the nearest of ten to the residual is the next, and so on. Similar
// items share their leading digits. Vectors come from the words of titles where at least half of
// the items have one, else from the co-occurrence graph.
func semantic(d *dataset.Dataset, seed int64) (items []int, note string) {
	base, _ := random(d, seed)
	words := titleWords(d, base)
	if words == nil {
		return semanticCooccurrence(d, seed)
	}
	source := codeRandom(seed)
	known := itemVectors{base: base}
	known.vectors, known.present, known.missing = words.vectors(source)
	return known.codedOrder(source, "titles", "without a title of known words")
}

// semanticCooccurrence is semantic indexing by the co-occurrence graph, whatever the titles.
func semanticCooccurrence(d *dataset.Dataset, seed int64) (items []int, note string) {
	base, g, connected, isolated := cooccurrence(d, seed)
	source := codeRandom(seed)
	vectors, eigenvalues := leadingVectors(g.subgraph(connected).affinity(), len(connected), dimensions, source)
	vectors.scale(eigenvalues)
	return itemVectors{vectors, base, connected, isolated}.codedOrder(source, "training histories", sharesNoHistory)
}

// codeRandom returns the random source of a seed's codes.
func codeRandom(seed int64) *rand.Rand {
	return rand.New(rand.NewPCG(uint64(seed), 0x73656d61)) //nolint:gosec // not for secrets
}

// itemVectors has the vectors of the items at the indices present of the order base. The indices
// missing are those of the items that have no vector.
type itemVectors struct {
	vectors                table
	base, present, missing []int
}

// codedOrder sorts items by the codes of their vectors and appends the items that have none. The
// note names the source of the codes (of) and what the appended items lack (missing).
func (d itemVectors) codedOrder(source *rand.Rand, of, missing string) (items []int, note string) {
	d.vectors.normalizeRows()
	order, cells := quantize(d.vectors, source)
	for _, i := range order {
		items = append(items, d.base[d.present[i]])
	}
	for _, rank := range d.missing {
		items = append(items, d.base[rank])
	}
	note = fmt.Sprintf("%d codes of %s", cells, of)
	if words := lastNote(len(d.missing), missing); words != "" {
		note += "; " + words
	}
	return items, note
}

// quantize sorts the rows by their codes, stably, and returns the number of different codes too.
func quantize(t table, random *rand.Rand) (order []int, cells int) {
	if t.n == 0 {
		return nil, 0
	}
	code := make([]int, t.n)
	for range levels {
		of, centers := cluster(t, codes, random)
		for i, c := range of {
			code[i] = code[i]*codes + c
			for j, x := range centers.row(c) {
				t.row(i)[j] -= x
			}
		}
	}
	order = make([]int, t.n)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(code[a], code[b]) })
	return order, len(slices.Compact(slices.Sorted(slices.Values(code))))
}

// titles is the matrix of items (rows) and words of their titles (columns), weighted by inverse
// document frequency.
type titles struct {
	graph // an item's words and their weights
	words int
}

// titleWords returns the words of the titles, rows in the order base; nil where fewer than half of
// the items have a title.
func titleWords(d *dataset.Dataset, base []int) *titles {
	if 2*d.Stats().Titles < d.Items || len(d.Titles) == 0 {
		return nil
	}
	lists, holders := make([][]string, len(base)), map[string]int{}
	for i, item := range base {
		lists[i] = slices.Compact(slices.Sorted(slices.Values(wordsOf(d.Titles[item-1]))))
		for _, word := range lists[i] {
			holders[word]++
		}
	}
	column := map[string]int32{}
	t := &titles{graph: graph{start: make([]int, 1, len(base)+1)}}
	for _, list := range lists {
		from := len(t.to)
		for _, word := range list {
			if holders[word] < minItemsPerWord {
				continue
			}
			if _, known := column[word]; !known {
				column[word] = int32(len(column)) //nolint:gosec // no more words than letters in the titles
			}
			inverse := float64(len(base)) / float64(holders[word])
			t.to, t.weight = append(t.to, column[word]), append(t.weight, math.Log(inverse))
		}
		if length := norm(t.weight[from:]); length > 0 {
			for i := range t.weight[from:] {
				t.weight[from+i] /= length
			}
		}
		t.start = append(t.start, len(t.to))
	}
	t.words = len(column)
	return t
}

// wordsOf returns the words of a text, letters and digits in lower case.
func wordsOf(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
}

// vectors returns the vectors of the items that have words (latent semantic analysis), the indices
// of those items, and the indices of the rest.
func (t *titles) vectors(random *rand.Rand) (vectors table, known, rest []int) {
	for i := range t.nodes() {
		if t.start[i+1] > t.start[i] {
			known = append(known, i)
		} else {
			rest = append(rest, i)
		}
	}
	vectors, eigenvalues := leadingVectors(t.similarity(), t.nodes(), dimensions, random)
	vectors.scale(eigenvalues)
	return vectors.selectRows(known), known, rest
}

// similarity returns the items' similarity by shared words as an operator.
func (t *titles) similarity() operator {
	return func(out, in []float64, k int) {
		words := make([]float64, t.words*k)
		for i := range t.nodes() {
			for e := t.start[i]; e < t.start[i+1]; e++ {
				word := words[int(t.to[e])*k:]
				for j, x := range in[i*k : i*k+k] {
					word[j] += t.weight[e] * x
				}
			}
		}
		clear(out)
		for i := range t.nodes() {
			for e := t.start[i]; e < t.start[i+1]; e++ {
				word := words[int(t.to[e])*k:]
				row := out[i*k : i*k+k]
				for j := range row {
					row[j] += t.weight[e] * word[j]
				}
			}
		}
	}
}
