package metric

import "fmt"

// Rouge is the mean F score, precision and recall of a corpus, each between 0 and 1 (the reference
// prints them times 100).
type Rouge struct {
	F         float64 `json:"f"`
	Precision float64 `json:"precision"`
	Recall    float64 `json:"recall"`
}

// ROUGEN returns the mean ROUGE of n-grams. As in the reference, it compares sets, so a repeated
// n-gram counts once (docs/deviations.md 16).
func ROUGEN(texts []Text, n int) (Rouge, error) {
	return meanRouge(texts, func(text Text) Rouge { return rougeN(text, n) })
}

// ROUGEL returns the mean ROUGE of the longest common subsequence, with the reference's beta:
// precision divided by recall.
func ROUGEL(texts []Text) (Rouge, error) { return meanRouge(texts, rougeL) }

func meanRouge(texts []Text, of func(Text) Rouge) (Rouge, error) {
	if len(texts) == 0 {
		return Rouge{}, fmt.Errorf("rouge of 0 texts: %w", ErrEmptyCorpus)
	}
	sum := Rouge{}
	for _, text := range texts {
		one := textRouge(text, of)
		sum.F += one.F
		sum.Precision += one.Precision
		sum.Recall += one.Recall
	}
	n := float64(len(texts))
	return Rouge{F: sum.F / n, Precision: sum.Precision / n, Recall: sum.Recall / n}, nil
}

// textRouge returns the ROUGE of one text.
func textRouge(text Text, of func(Text) Rouge) Rouge {
	return of(Text{Reference: atLeastOne(text.Reference), Generated: atLeastOne(text.Generated)})
}

// atLeastOne replaces an empty text by one empty word, as the reference does by splitting a joined
// empty list: two empty texts then match completely.
func atLeastOne(words []string) []string {
	if len(words) == 0 {
		return []string{""}
	}
	return words
}

func rougeN(text Text, n int) Rouge {
	counter := ngramCounter{words: map[string]int32{}}
	reference := countNgrams(counter.ids(text.Reference), n)
	generated := countNgrams(counter.ids(text.Generated), n)
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

// commonSubsequence returns the length of the longest common subsequence.
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

// ratio returns part divided by whole, or 0 if whole is 0.
func ratio(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}
