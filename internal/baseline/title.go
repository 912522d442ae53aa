package baseline

import (
	"math"
	"slices"
	"strings"
	"unicode"

	"rdrec/internal/dataset"
)

// weightedWord is a word of a title with its weight.
type weightedWord struct {
	word   int
	weight float64
}

// titleVectors has each item's title as a vector of length 1: the counts of its words, weighted by
// inverse document frequency. An item without a title has no words. [item id]
type titleVectors [][]weightedWord

func newTitleVectors(d *dataset.Dataset) titleVectors {
	ids, holders := map[string]int{}, []float64{}
	counts := make([]map[int]float64, d.Items+1)
	for i, title := range d.Titles {
		counts[i+1] = map[int]float64{}
		for _, word := range titleWords(title) {
			id, known := ids[word]
			if !known {
				id = len(ids)
				ids[word], holders = id, append(holders, 0)
			}
			if counts[i+1][id] == 0 {
				holders[id]++
			}
			counts[i+1][id]++
		}
	}
	vectors := make(titleVectors, d.Items+1)
	for item, words := range counts {
		length := 0.0
		for id, count := range words {
			weight := count * (math.Log(float64(1+d.Items)/(1+holders[id])) + 1)
			vectors[item] = append(vectors[item], weightedWord{id, weight})
		}
		slices.SortFunc(vectors[item], func(a, b weightedWord) int { return a.word - b.word })
		for _, w := range vectors[item] {
			length += w.weight * w.weight
		}
		for i := range vectors[item] {
			vectors[item][i].weight /= math.Sqrt(length)
		}
	}
	return vectors
}

// titleWords returns the words of a title: letters and digits in lower case.
func titleWords(title string) []string {
	return strings.FieldsFunc(strings.ToLower(title), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
}

// similarity returns the cosine of two items' titles; 0 if one has none.
func (v titleVectors) similarity(a, b int) float64 {
	x, y := v[a], v[b]
	dot := 0.0
	for len(x) > 0 && len(y) > 0 {
		switch {
		case x[0].word < y[0].word:
			x = x[1:]
		case x[0].word > y[0].word:
			y = y[1:]
		default:
			dot += x[0].weight * y[0].weight
			x, y = x[1:], y[1:]
		}
	}
	return dot
}
