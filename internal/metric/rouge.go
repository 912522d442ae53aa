package metric

import "fmt"

// Rouge is a corpus' mean F score, precision and recall, each in 0 to 1 (the reference prints them
// times 100).
type Rouge struct {
	F         float64 `json:"f"`
	Precision float64 `json:"precision"`
	Recall    float64 `json:"recall"`
}

// ROUGEN is the mean ROUGE of n-grams, as the reference computes it: over sets, so that a repeated
// n-gram counts once (REFERENCE.md 16).
func ROUGEN(texts []Text, n int) (Rouge, error) {
	return meanRouge(texts, func(text Text) Rouge { return rougeN(text, n) })
}

// ROUGEL is the mean ROUGE of the longest common subsequence, with the reference's beta of
// precision over recall.
func ROUGEL(texts []Text) (Rouge, error) { return meanRouge(texts, rougeL) }

func meanRouge(texts []Text, of func(Text) Rouge) (Rouge, error) {
	if len(texts) == 0 {
		return Rouge{}, fmt.Errorf("rouge of 0 texts: %w", ErrEmptyCorpus)
	}
	sum := Rouge{}
	for _, text := range texts {
		one := of(Text{Reference: atLeastOne(text.Reference), Generated: atLeastOne(text.Generated)})
		sum.F += one.F
		sum.Precision += one.Precision
		sum.Recall += one.Recall
	}
	n := float64(len(texts))
	return Rouge{F: sum.F / n, Precision: sum.Precision / n, Recall: sum.Recall / n}, nil
}

// atLeastOne gives an empty text one empty word, which is what the reference's splitting of a
// joined empty list gives: two empty texts then agree fully.
func atLeastOne(words []string) []string {
	if len(words) == 0 {
		return []string{""}
	}
	return words
}

func rougeN(text Text, n int) Rouge {
	counter := ngramCounter{words: map[string]int32{}}
	reference := countNgrams(counter.number(text.Reference), n)
	generated := countNgrams(counter.number(text.Generated), n)
	both := 0
	for gram := range generated {
		if reference[gram] > 0 {
			both++
		}
	}
	precision, recall := ratio(both, len(generated)), ratio(both, len(reference))
	return Rouge{F: 2 * (precision * recall / (precision + recall + 1e-8)), Precision: precision, Recall: recall}
}

func rougeL(text Text) Rouge {
	common := commonSubsequence(text.Reference, text.Generated)
	precision, recall := ratio(common, len(text.Generated)), ratio(common, len(text.Reference))
	beta := precision / (recall + 1e-12)
	f := (1 + beta*beta) * recall * precision / (recall + beta*beta*precision + 1e-12)
	return Rouge{F: f, Precision: precision, Recall: recall}
}

// commonSubsequence is the length of the longest common subsequence.
func commonSubsequence(a, b []string) int {
	above, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for i := range a {
		for j := range b {
			if a[i] == b[j] {
				row[j+1] = above[j] + 1
			} else {
				row[j+1] = max(above[j+1], row[j])
			}
		}
		above, row = row, above
	}
	return above[len(b)]
}

// ratio is part of whole, and 0 of nothing.
func ratio(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}
