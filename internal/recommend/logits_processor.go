package recommend

import (
	"math"
	"slices"

	"rdrec/internal/torch"
)

// elements are single elements of a tensor [beams, vocabulary], by their place in memory.
type elements struct {
	vocabulary int64
	indices    []int64
}

func (p *elements) add(beam int, token int32) {
	p.indices = append(p.indices, int64(beam)*p.vocabulary+int64(token))
}

// updateElements replaces the elements at places by what f makes of them. The places must differ.
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

// suppressTokens sets to minus infinity the end token of sequences that are too short and the last
// token of bad words; it does so after log-probabilities were taken, so what is forbidden leaves
// its share to nobody (transformers' MinLengthLogitsProcessor and NoBadWordsLogitsProcessor).
func (b BeamConfig) suppressTokens(logits *torch.Tensor, beams []beam, end int32) {
	p := elements{vocabulary: logits.Dim(1)}
	words := b.badWords(end)
	for i, sequence := range beams {
		if len(sequence.tokens)+1 < b.MinLength {
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
	updateElements(logits, p, func(old *torch.Tensor) *torch.Tensor { return old.Fill(math.Inf(-1)) })
}

// completesBadWord says whether the last token of word is all that a sequence lacks to end in it. A
// word as long as the sequence with its start token and the next one is not looked at, as in
// transformers: it could only match with the start token.
func completesBadWord(tokens, word []int32) bool {
	prefix := word[:len(word)-1]
	if len(prefix) > len(tokens) {
		return false
	}
	return slices.Equal(tokens[len(tokens)-len(prefix):], prefix)
}

// applyDiversityPenalty takes the diversity penalty from each token that the row's groups before
// this one have just chosen, once for each beam that has (transformers'
// HammingDiversityLogitsProcessor). chosen holds them for each row.
func (b BeamConfig) applyDiversityPenalty(logProbs *torch.Tensor, chosen [][]int32) {
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
				penalties = append(penalties, float32(b.DiversityPenalty)*float32(count[token]))
			}
		}
	}
	updateElements(logProbs, p, func(old *torch.Tensor) *torch.Tensor {
		s := torch.NewScope()
		defer s.Close()
		return old.AddTo(s.FromFloat32(penalties, int64(len(penalties))).ToDevice(old.Device()).Neg())
	})
}

// applyRepetitionPenalty makes each token that a sequence has, its start token among them, less
// likely (transformers' RepetitionPenaltyLogitsProcessor).
func (b BeamConfig) applyRepetitionPenalty(logProbs *torch.Tensor, beams []beam, start int32) {
	p := elements{vocabulary: logProbs.Dim(1)}
	for i, sequence := range beams {
		tokens := append([]int32{start}, sequence.tokens...)
		slices.Sort(tokens)
		for _, token := range slices.Compact(tokens) {
			p.add(i, token)
		}
	}
	updateElements(logProbs, p, func(old *torch.Tensor) *torch.Tensor {
		return old.MulNumber(b.RepetitionPenalty).Where(old.LessNumber(0), old.MulNumber(1/b.RepetitionPenalty))
	})
}
