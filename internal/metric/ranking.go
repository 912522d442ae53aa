// Package metric evaluates what a student or a baseline predicted. In: ranked lists with the true
// items, or generated texts with reference texts, and samples of scores to compare; out: scores
// with 95% intervals, and tests. [Table] lists the metrics and their inputs, [ScoreRankings] and
// [ScoreTexts] compute them, and [StudentT], [Welch], [Paired], [Bootstrap] and [Holm] test
// differences. [MeasureLists] and [MeasureTexts] find output that ignores its input. Hit rate,
// NDCG, BLEU and ROUGE are the Python reference's, quirks included (docs/deviations.md 14 and 16).
// Protocol clean reports the strict hit rate and NDCG.
package metric

import "math"

// List is one evaluated user: the recommended items, best first, and the true items. A user without
// predictions has no Items and counts as a miss.
type List struct {
	Items []int
	Truth []int
}

// HitRate returns the share of the true items among the first k recommended items, as the reference
// counts: a true item that is recommended twice counts twice, so the rate can exceed 1
// (docs/deviations.md 14).
func HitRate(list List, k int) float64 {
	truth := itemSet(list.Truth)
	hits := 0
	for _, item := range firstK(list.Items, k) {
		if truth[item] {
			hits++
		}
	}
	return float64(hits) / float64(len(truth))
}

// NDCG returns the reference's NDCG of one user over the first k recommended items: the ideal list
// is as long as the number of hits, not of true items, and a true item that is recommended twice
// gains twice.
func NDCG(list List, k int) float64 {
	truth := itemSet(list.Truth)
	gain, ideal, hits := 0.0, 0.0, 0
	for rank, item := range firstK(list.Items, k) {
		if truth[item] {
			gain += Discount(rank)
			ideal += Discount(hits)
			hits++
		}
	}
	if hits == 0 {
		return 0
	}
	return gain / ideal
}

// StrictHitRate returns the share of the true items among the first k distinct recommended items.
// It never exceeds 1.
func StrictHitRate(list List, k int) float64 {
	return HitRate(List{Items: distinct(list.Items), Truth: list.Truth}, k)
}

// StrictNDCG returns the usual NDCG of one user over the first k distinct recommended items: the
// ideal list contains every true item that fits into k.
func StrictNDCG(list List, k int) float64 {
	truth := itemSet(list.Truth)
	gain, ideal := 0.0, 0.0
	for rank, item := range firstK(distinct(list.Items), k) {
		if truth[item] {
			gain += Discount(rank)
		}
	}
	for rank := range min(k, len(truth)) {
		ideal += Discount(rank)
	}
	return gain / ideal
}

// Discount returns the gain of a hit at a rank, from 0: the NDCG of a list with one true item.
func Discount(rank int) float64 { return 1 / math.Log2(float64(rank)+2) }

// firstK returns the first k items, or all if there are fewer.
func firstK(items []int, k int) []int { return items[:min(k, len(items))] }

// itemSet returns the set of items.
func itemSet(items []int) map[int]bool {
	found := make(map[int]bool, len(items))
	for _, item := range items {
		found[item] = true
	}
	return found
}

// distinct keeps the first occurrence of each item.
func distinct(items []int) []int {
	seen := make(map[int]bool, len(items))
	kept := make([]int, 0, len(items))
	for _, item := range items {
		if !seen[item] {
			seen[item] = true
			kept = append(kept, item)
		}
	}
	return kept
}
