package recommend

import (
	"math"
	"slices"

	"rdrec/internal/torch"
)

// places are single elements of a tensor [beams, vocabulary], by their place in memory.
type places struct {
	vocabulary int64
	at         []int64
}

func (p *places) add(beam int, token int32) {
	p.at = append(p.at, int64(beam)*p.vocabulary+int64(token))
}

// edit replaces the elements at places by what f makes of them. The places must differ.
func edit(values *torch.Tensor, p places, f func(old *torch.Tensor) *torch.Tensor) {
	if len(p.at) == 0 {
		return
	}
	s := torch.NewScope()
	defer s.Close()
	flat := s.Use(values).View(-1)
	at := s.FromInt64(p.at, int64(len(p.at))).On(values.Device())
	flat.IndexCopyTo(0, at, f(flat.IndexSelect(0, at)))
}

// forbid sets to minus infinity the end token of sequences that are too short and the last token of bad words; it does so after
// log-probabilities were taken, so what is forbidden leaves its share to nobody (transformers' MinLengthLogitsProcessor and
// NoBadWordsLogitsProcessor).
func (b Beam) forbid(logits *torch.Tensor, beams []beam, end int32) {
	p := places{vocabulary: logits.Dim(1)}
	words := b.badWords(end)
	for i, sequence := range beams {
		if len(sequence.tokens)+1 < b.MinLength {
			p.add(i, end)
		}
		for _, word := range words {
			if completes(sequence.tokens, word) {
				p.add(i, word[len(word)-1])
			}
		}
	}
	slices.Sort(p.at)
	p.at = slices.Compact(p.at)
	edit(logits, p, func(old *torch.Tensor) *torch.Tensor { return old.Fill(math.Inf(-1)) })
}

// completes says whether the last token of word is all that a sequence lacks to end in it. A word as long as the sequence with its
// start token and the next one is not looked at, as in transformers: it could only match with the start token.
func completes(tokens, word []int32) bool {
	prefix := word[:len(word)-1]
	if len(prefix) > len(tokens) {
		return false
	}
	return slices.Equal(tokens[len(tokens)-len(prefix):], prefix)
}

// diversify takes the diversity penalty from each token that the row's groups before this one have just chosen, once for each
// beam that has (transformers' HammingDiversityLogitsProcessor). chosen holds them for each row.
func (b Beam) diversify(logProbs *torch.Tensor, chosen [][]int32) {
	p := places{vocabulary: logProbs.Dim(1)}
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
				penalties = append(penalties, float32(b.Diversity)*float32(count[token]))
			}
		}
	}
	edit(logProbs, p, func(old *torch.Tensor) *torch.Tensor {
		s := torch.NewScope()
		defer s.Close()
		return old.AddTo(s.FromFloat32(penalties, int64(len(penalties))).On(old.Device()).Neg())
	})
}

// repeat makes each token that a sequence has, its start token among them, less likely (transformers'
// RepetitionPenaltyLogitsProcessor).
func (b Beam) repeat(logProbs *torch.Tensor, beams []beam, start int32) {
	p := places{vocabulary: logProbs.Dim(1)}
	for i, sequence := range beams {
		tokens := append([]int32{start}, sequence.tokens...)
		slices.Sort(tokens)
		for _, token := range slices.Compact(tokens) {
			p.add(i, token)
		}
	}
	edit(logProbs, p, func(old *torch.Tensor) *torch.Tensor {
		return old.Times(b.Repetition).Where(old.Below(0), old.Times(1/b.Repetition))
	})
}
