// Package metric examines what a student or a baseline gave. In: ranked lists beside the true
// items, or generated texts beside reference texts, and samples of figures to compare; out: scores
// with 95% intervals, and tests. Steps: [Table] says which metrics there are and what each needs,
// [ScoreRankings] and [ScoreTexts] compute them, and [StudentT], [Welch], [Paired], [Bootstrap] and
// [Holm] say what a difference is worth. Hit rate, NDCG, BLEU and ROUGE are the Python reference's,
// quirks included (docs/deviations.md 14 and 16); the strict rankings beside them are what protocol
// clean reports.
package metric

import "math"

// List is one examined user: what was recommended, best first, and what was true. A user without
// predictions has no Items and counts as a miss.
type List struct {
	Items []int
	Truth []int
}

// HitRate is the share of the true items among the first k recommended as the reference counts it:
// a true item that is recommended twice counts twice, so the figure can exceed 1 (REFERENCE.md 14).
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

// NDCG is the reference's NDCG of one user over the first k recommended: the ideal list is as long
// as the hits found, not as the true items, and a true item recommended twice gains twice.
func NDCG(list List, k int) float64 {
	truth := itemSet(list.Truth)
	gain, ideal, hits := 0.0, 0.0, 0
	for rank, item := range firstK(list.Items, k) {
		if truth[item] {
			gain += discount(rank)
			ideal += discount(hits)
			hits++
		}
	}
	if hits == 0 {
		return 0
	}
	return gain / ideal
}

// StrictHitRate is the share of the true items among the first k different recommended ones; it
// never exceeds 1.
func StrictHitRate(list List, k int) float64 {
	return HitRate(List{Items: distinct(list.Items), Truth: list.Truth}, k)
}

// StrictNDCG is the usual NDCG of one user over the first k different recommended items: the ideal
// list holds every true item that fits into k.
func StrictNDCG(list List, k int) float64 {
	truth := itemSet(list.Truth)
	gain, ideal := 0.0, 0.0
	for rank, item := range firstK(distinct(list.Items), k) {
		if truth[item] {
			gain += discount(rank)
		}
	}
	for rank := range min(k, len(truth)) {
		ideal += discount(rank)
	}
	return gain / ideal
}

// discount is what a hit at a place (0 is the first) is worth.
func discount(rank int) float64 { return 1 / math.Log2(float64(rank)+2) }

// firstK returns the k first items, or all where there are fewer.
func firstK(items []int, k int) []int { return items[:min(k, len(items))] }

// itemSet is the different items.
func itemSet(items []int) map[int]bool {
	found := make(map[int]bool, len(items))
	for _, item := range items {
		found[item] = true
	}
	return found
}

// distinct drops every item but its first occurrence.
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
