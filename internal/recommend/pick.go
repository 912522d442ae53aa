package recommend

import (
	"cmp"
	"errors"
	"math"
	"slices"

	"rdrec/internal/torch"
)

// errNaN says that the student answers with what is no number: its weights are broken.
var errNaN = errors.New("the student's logits are not numbers")

// pick returns each row's k best candidates, best first; ties go to the lower beam, then to the lower token. logits is
// [rows * beams, vocabulary], norms the logarithm of each beam's sum of exponentials [rows * beams, 1], and sums the sum of
// log-probabilities so far of each beam.
//
// The k best of beams * vocabulary lie in the k best blocks of it, so only the blocks' peaks are sorted, then k blocks.
func pick(logits, norms *torch.Tensor, sums []float32, rows, k int) ([][]candidate, error) {
	s := torch.NewScope()
	defer s.Close()
	shape := logits.Shape()
	block := blockOf(shape[1])
	blocks := shape[1] / block
	perRow := int64(len(sums)/rows) * blocks // blocks a row
	flat := s.Use(logits).View(-1, block)    // [rows * perRow, block]
	norm := s.Use(norms).Expand(shape[0], blocks).Reshape(-1, 1)
	sum := s.FromFloat32(sums, shape[0], 1).On(logits.Device()).Expand(shape[0], blocks).Reshape(-1, 1)

	peaks := flat.MaxAlong(1).View(-1, 1).Sub(norm).Add(sum).View(int64(rows), perRow)
	_, chosen := peaks.TopK(min(int64(k), perRow)) // [rows, k]
	first := make([]int64, rows)
	for row := range first {
		first[row] = int64(row) * perRow
	}
	where := chosen.Add(s.FromInt64(first, int64(rows), 1).On(logits.Device())).View(-1)
	scores := flat.IndexSelect(0, where).Sub(norm.IndexSelect(0, where)).Add(sum.IndexSelect(0, where))
	best, places := scores.View(int64(rows), -1).TopK(int64(k))
	return candidates(best.Float32s(), places.Int64s(), chosen.Int64s(), geometry{rows, k, block, blocks})
}

// geometry is how a row's scores lie: k candidates, found in as many blocks of so many tokens, blocks of them a beam.
type geometry struct {
	rows, k       int
	block, blocks int64
}

// candidates reads what pick found: places are within the row's chosen blocks.
func candidates(scores []float32, places, chosen []int64, g geometry) ([][]candidate, error) {
	all := make([][]candidate, g.rows)
	picked := len(chosen) / g.rows
	for row := range all {
		all[row] = make([]candidate, g.k)
		for i := range g.k {
			score, place := scores[row*g.k+i], places[row*g.k+i]
			if math.IsNaN(float64(score)) {
				return nil, errNaN
			}
			at := chosen[row*picked+int(place/g.block)]
			token := at%g.blocks*g.block + place%g.block
			all[row][i] = candidate{beam: int(at / g.blocks), token: int32(token), score: score}
		}
		slices.SortFunc(all[row], func(a, b candidate) int {
			return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.beam, b.beam), cmp.Compare(a.token, b.token))
		})
	}
	return all, nil
}

// blockOf is the largest divisor of a vocabulary up to 128: blocks need not be of any size, but few and short is quickest.
func blockOf(vocabulary int64) int64 {
	const most = 128
	for block := int64(most); block > 1; block-- {
		if vocabulary%block == 0 {
			return block
		}
	}
	return 1
}
