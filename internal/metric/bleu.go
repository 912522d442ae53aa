package metric

import (
	"errors"
	"fmt"
	"math"
)

// MaxOrder is the longest n-gram that [BLEU] counts.
const MaxOrder = 4

// ErrEmptyCorpus reports that a text metric would divide by zero: there are no texts, or all
// reference texts or all generated texts are empty. The reference crashes in this case.
var ErrEmptyCorpus = errors.New("no words to compare")

// Text is a generated text and its reference, both split by [Words].
type Text struct {
	Reference []string
	Generated []string
}

// Bleu is the BLEU score of a corpus and its components. Score, Precisions and Brevity are between
// 0 and 1 (the reference prints Score times 100).
type Bleu struct {
	Score      float64   `json:"score"`
	Precisions []float64 `json:"precisions"` // [order], 1-grams first
	Brevity    float64   `json:"brevity"`
	Ratio      float64   `json:"ratio"` // generated words per reference word
	Generated  int       `json:"generated"`
	Reference  int       `json:"reference"`
}

// BLEU computes corpus BLEU over n-grams of 1 to order words (at most [MaxOrder]). Smooth adds one
// to every count, as Lin and Och do (ORANGE, COLING 2004).
func BLEU(texts []Text, order int, smooth bool) (Bleu, error) {
	if order < 1 || order > MaxOrder {
		return Bleu{}, fmt.Errorf("bleu: order %d is not in 1 to %d", order, MaxOrder)
	}
	counts := ngramCounter{words: map[string]int32{}}
	for _, text := range texts {
		counts.add(text, order)
	}
	if counts.reference == 0 || counts.generated == 0 {
		return Bleu{}, fmt.Errorf("bleu of %d texts with %d reference and %d generated words: %w",
			len(texts), counts.reference, counts.generated, ErrEmptyCorpus)
	}
	ratio := float64(counts.generated) / float64(counts.reference)
	result := Bleu{
		Precisions: counts.precisions(order, smooth), Brevity: 1, Ratio: ratio,
		Generated: counts.generated, Reference: counts.reference,
	}
	if ratio <= 1 {
		result.Brevity = math.Exp(1 - 1/ratio)
	}
	result.Score = geometricMean(result.Precisions) * result.Brevity
	return result, nil
}

// ngram is up to MaxOrder word ids, padded with 0.
type ngram [MaxOrder]int32

// ngramCounter sums matches over a corpus.
type ngramCounter struct {
	words                map[string]int32 // word to its id, from 1
	matches, possible    [MaxOrder]int
	reference, generated int // words
}

func (c *ngramCounter) add(text Text, order int) {
	c.reference += len(text.Reference)
	c.generated += len(text.Generated)
	reference, generated := c.ids(text.Reference), c.ids(text.Generated)
	for n := 1; n <= order; n++ {
		available := countNgrams(reference, n)
		for gram, count := range countNgrams(generated, n) {
			c.matches[n-1] += min(count, available[gram])
		}
		c.possible[n-1] += max(0, len(generated)-n+1)
	}
}

// ids returns the ids of words.
func (c *ngramCounter) ids(words []string) []int32 {
	ids := make([]int32, len(words))
	for i, word := range words {
		id, known := c.words[word]
		if !known {
			id = int32(len(c.words) + 1)
			c.words[word] = id
		}
		ids[i] = id
	}
	return ids
}

func (c *ngramCounter) precisions(order int, smooth bool) []float64 {
	result := make([]float64, order)
	for i := range result {
		switch {
		case smooth:
			result[i] = (float64(c.matches[i]) + 1) / (float64(c.possible[i]) + 1)
		case c.possible[i] > 0:
			result[i] = float64(c.matches[i]) / float64(c.possible[i])
		}
	}
	return result
}

func countNgrams(ids []int32, n int) map[ngram]int {
	counts := make(map[ngram]int, max(0, len(ids)-n+1))
	for start := 0; start+n <= len(ids); start++ {
		var gram ngram
		copy(gram[:], ids[start:start+n])
		counts[gram]++
	}
	return counts
}

// geometricMean returns the geometric mean; 0 if any value is 0.
func geometricMean(values []float64) float64 {
	sum := 0.0
	for _, value := range values {
		if value <= 0 {
			return 0
		}
		sum += math.Log(value) / float64(len(values))
	}
	return math.Exp(sum)
}
