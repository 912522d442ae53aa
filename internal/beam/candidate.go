package beam

import (
	"cmp"
	"errors"
	"math"
	"slices"

	"rdrec/internal/torch"
)

// ErrNaN reports that the student's logits are not numbers: its weights are damaged.
var ErrNaN = errors.New("the student's logits are NaN")

// topCandidates returns the k best candidates of each row, best first; ties go to the lower beam,
// then to the lower token. logProbs are the log-probabilities of each beam's next token
// [beams of all rows, vocabulary]. A row's k best are among the k best of each of its beams.
func topCandidates(logProbs *torch.Tensor, beams []beam, rows, k int) ([][]candidate, error) {
	scope := torch.NewScope()
	defer scope.Close()
	best, tokens := scope.Use(logProbs).TopK(int64(k)) // [beams of all rows, k]
	scores, ids := best.Float32s(), tokens.Int64s()
	size := len(beams) / rows
	all, lists := make([][]candidate, rows), make([][]candidate, size)
	for row := range all {
		for i := range lists {
			list := make([]candidate, k)
			for j := range list {
				at := (row*size+i)*k + j
				list[j] = candidate{beam: i, token: int32(ids[at]), score: scores[at] + beams[row*size+i].score}
				if math.IsNaN(float64(scores[at])) {
					return nil, ErrNaN
				}
			}
			slices.SortFunc(list, candidate.compare)
			lists[i] = list
		}
		all[row] = mergeSorted(lists, k)
	}
	return all, nil
}

// compare orders candidates: best first.
func (c candidate) compare(d candidate) int {
	return cmp.Or(cmp.Compare(d.score, c.score), cmp.Compare(c.beam, d.beam), cmp.Compare(c.token, d.token))
}

// mergeSorted returns the first k elements of sorted lists.
func mergeSorted(lists [][]candidate, k int) []candidate {
	all := make([]candidate, 0, k)
	for range k {
		first := -1
		for i, list := range lists {
			if len(list) > 0 && (first < 0 || list[0].compare(lists[first][0]) < 0) {
				first = i
			}
		}
		all = append(all, lists[first][0])
		lists[first] = lists[first][1:]
	}
	return all
}
