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
	vectors := make(titleVectors, d.Items+1)
	ids, holders := map[string]int{}, []float64{}
	for i, title := range d.Titles {
		vectors[i+1] = countWords(title, func(word string) int {
			id, known := ids[word]
			if !known {
				id = len(ids)
				ids[word], holders = id, append(holders, 0)
			}
			return id
		})
		for _, w := range vectors[i+1] {
			holders[w.word]++
		}
	}
	for _, vector := range vectors {
		length := 0.0
		for i, w := range vector {
			vector[i].weight = w.weight * (math.Log(float64(1+d.Items)/(1+holders[w.word])) + 1)
			length += vector[i].weight * vector[i].weight
		}
		for i := range vector {
			vector[i].weight /= math.Sqrt(length)
		}
	}
	return vectors
}

// countWords returns how often a title has each of its words, in order of the words' ids.
func countWords(title string, id func(word string) int) []weightedWord {
	counts := map[int]float64{}
	for _, word := range titleWords(title) {
		counts[id(word)]++
	}
	words := make([]weightedWord, 0, len(counts))
	for word, count := range counts {
		words = append(words, weightedWord{word, count})
	}
	slices.SortFunc(words, func(a, b weightedWord) int { return a.word - b.word })
	return words
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
