package statement

import (
	"maps"
	"math"
	"slices"

	"rdrec/internal/dataset"
	"rdrec/internal/metric"
)

// weights is the inverse document frequency of each word over the rationales, ln((1+n)/(1+df)): a
// word of every rationale, such as "user" or "prefers", has weight 0.
type weights struct {
	ids map[string]int
	idf []float64
}

// newWeights counts the words of the rationales of explanations.
func newWeights(explanations []dataset.Explanation) weights {
	w := weights{ids: map[string]int{}}
	n := 0.0
	for _, e := range explanations {
		if !e.HasRationale() {
			continue
		}
		n++
		distinct := map[string]bool{}
		for _, word := range metric.PlainWords(e.Preference + " " + e.Attribution) {
			if distinct[word] {
				continue
			}
			distinct[word] = true
			if _, known := w.ids[word]; !known {
				w.ids[word] = len(w.idf)
				w.idf = append(w.idf, 0)
			}
			w.idf[w.ids[word]]++
		}
	}
	for i, holders := range w.idf {
		w.idf[i] = math.Log((1 + n) / (1 + holders))
	}
	return w
}

// vector returns a text's counts of the words of rationales times their weights, of length 1; empty
// if no word has a weight.
func (w weights) vector(text string) vector {
	total := sum{}
	for _, word := range metric.PlainWords(text) {
		if id, known := w.ids[word]; known && w.idf[id] > 0 {
			total[id] += w.idf[id]
		}
	}
	return total.vector()
}

// vector is weighted words by id, of length 1 or empty.
type vector []weightedWord

type weightedWord struct {
	id     int
	weight float64
}

// dot returns the cosine of two vectors; 0 if one is empty.
func (v vector) dot(other vector) float64 {
	product := 0.0
	for len(v) > 0 && len(other) > 0 {
		switch {
		case v[0].id < other[0].id:
			v = v[1:]
		case v[0].id > other[0].id:
			other = other[1:]
		default:
			product += v[0].weight * other[0].weight
			v, other = v[1:], other[1:]
		}
	}
	return product
}

// sum is weighted words by id.
type sum map[int]float64

func (s sum) add(v vector) {
	for _, word := range v {
		s[word.id] += word.weight
	}
}

// vector returns the sum as a vector of length 1.
func (s sum) vector() vector {
	ids := slices.Sorted(maps.Keys(s))
	v, length := make(vector, len(ids)), 0.0
	for i, id := range ids {
		v[i] = weightedWord{id, s[id]}
		length += s[id] * s[id]
	}
	for i := range v {
		v[i].weight /= math.Sqrt(length)
	}
	return v
}
