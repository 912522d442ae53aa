package beam

import (
	"math"
	"slices"

	"rdrec/internal/torch"
)

// elements are single elements of a tensor [beams, vocabulary], by their flat index.
type elements struct {
	vocabulary int64
	indices    []int64
}

func (p *elements) add(beam int, token int32) {
	p.indices = append(p.indices, int64(beam)*p.vocabulary+int64(token))
}

// updateElements replaces elements by f of them. The indices must be distinct.
func updateElements(values *torch.Tensor, p elements, f func(old *torch.Tensor) *torch.Tensor) {
	if len(p.indices) == 0 {
		return
	}
	s := torch.NewScope()
	defer s.Close()
	flat := s.Use(values).View(-1)
	at := s.FromInt64(p.indices, int64(len(p.indices))).ToDevice(values.Device())
	flat.IndexCopyTo(0, at, f(flat.IndexSelect(0, at)))
}

// suppressTokens sets the end token of sequences that are too short and the last token of bad words
// to minus infinity. It works on log-probabilities, so the probability of suppressed tokens is not
// redistributed (transformers' MinLengthLogitsProcessor and NoBadWordsLogitsProcessor).
func (c Config) suppressTokens(logProbs *torch.Tensor, beams []beam, end int32) {
	p := elements{vocabulary: logProbs.Dim(1)}
	words := c.badWords(end)
	for i, sequence := range beams {
		if len(sequence.tokens)+1 < c.MinLength {
			p.add(i, end)
		}
		for _, word := range words {
			if completesBadWord(sequence.tokens, word) {
				p.add(i, word[len(word)-1])
			}
		}
	}
	slices.Sort(p.indices)
	p.indices = slices.Compact(p.indices)
	updateElements(logProbs, p, func(old *torch.Tensor) *torch.Tensor { return old.Fill(math.Inf(-1)) })
}

// completesBadWord reports whether the last token of word would complete it at the end of the
// sequence. A word that could match only with the start token is ignored, as in transformers.
func completesBadWord(tokens, word []int32) bool {
	prefix := word[:len(word)-1]
	if len(prefix) > len(tokens) {
		return false
	}
	return slices.Equal(tokens[len(tokens)-len(prefix):], prefix)
}

// applyDiversityPenalty subtracts the diversity penalty from each token that the row's earlier
// groups chose in this step, once for each beam that chose it (transformers'
// HammingDiversityLogitsProcessor). chosen holds these tokens for each row.
func (c Config) applyDiversityPenalty(logProbs *torch.Tensor, chosen [][]int32) {
	p := elements{vocabulary: logProbs.Dim(1)}
	size := int(logProbs.Dim(0)) / len(chosen)
	penalties := make([]float32, 0, size*len(slices.Concat(chosen...)))
	for row, tokens := range chosen {
		count := map[int32]int{}
		var distinct []int32
		for _, token := range tokens {
			if count[token]++; count[token] == 1 {
				distinct = append(distinct, token)
			}
		}
		for i := range size {
			for _, token := range distinct {
				p.add(row*size+i, token)
				penalties = append(penalties, float32(c.DiversityPenalty)*float32(count[token]))
			}
		}
	}
	updateElements(logProbs, p, func(old *torch.Tensor) *torch.Tensor {
		s := torch.NewScope()
		defer s.Close()
		return old.AddTo(s.FromFloat32(penalties, int64(len(penalties))).ToDevice(old.Device()).Neg())
	})
}

// applyRepetitionPenalty makes each token of a sequence, the start token included, less likely
// (transformers' RepetitionPenaltyLogitsProcessor).
func (c Config) applyRepetitionPenalty(logProbs *torch.Tensor, beams []beam, start int32) {
	p := elements{vocabulary: logProbs.Dim(1)}
	for i, sequence := range beams {
		tokens := append([]int32{start}, sequence.tokens...)
		slices.Sort(tokens)
		for _, token := range slices.Compact(tokens) {
			p.add(i, token)
		}
	}
	updateElements(logProbs, p, func(old *torch.Tensor) *torch.Tensor {
		return old.MulNumber(c.RepetitionPenalty).Where(old.LessNumber(0), old.MulNumber(1/c.RepetitionPenalty))
	})
}
