package llama

import (
	"math/bits"

	"rdrec/internal/torch"
)

// The number of the most likely tokens among which a step looks for its nuclei: at first, and at
// least.
const (
	firstCandidates = 256
	minCandidates   = 64
)

// sampler chooses the rows' next tokens on the model's device. Only the chosen tokens are read.
type sampler struct {
	// candidates is the number of the most likely tokens that are expected to contain the next
	// step's nuclei. It changes no result: a step whose nuclei do not fit is repeated with more.
	candidates int64
}

func newSampler() sampler { return sampler{candidates: firstCandidates} }

// choose returns each row's next token, on the device [sequences, 1] and on the host: the most
// likely one at temperature 0, otherwise a sample from the nucleus of softmax(logits /
// temperature).
func (p *sampler) choose(logits *torch.Tensor, in *stepInput) (tokens *torch.Tensor, ids []int64) {
	if !in.samples {
		tokens = logits.ArgMax(1)
		return tokens.Unsqueeze(1), tokens.Int64s()
	}
	temperature := in.floats(inputTemperature)
	d, vocabulary := newDistribution(logits, temperature), logits.Dim(1)
	for k := min(p.candidates, vocabulary); ; k = min(4*k, vocabulary) {
		tokens, others := d.sample(k, in)
		if in.greedy {
			tokens = tokens.Where(temperature.GreaterNumber(0), logits.ArgMax(1).Unsqueeze(1))
		}
		read := torch.Cat(1, tokens, others).Int64s()
		ids, needed := make([]int64, in.rows), int64(0)
		for row := range ids {
			ids[row] = read[2*row]
			if in.sampled[row] {
				needed = max(needed, k-read[2*row+1])
			}
		}
		if needed < k || k == vocabulary {
			p.adapt(needed)
			return tokens, ids
		}
	}
}

// adapt sets the candidates of the next step after one that needed a number of them.
func (p *sampler) adapt(needed int64) {
	enough := int64(1) << bits.Len64(uint64(2*needed-1)) //nolint:gosec // at least 1
	p.candidates = max(enough, p.candidates/2, minCandidates)
}

// distribution is the rows' distributions over the vocabulary: softmax(logits / temperature).
type distribution struct {
	logits      *torch.Tensor // [sequences, vocabulary]
	temperature *torch.Tensor // [sequences, 1], float64
	best        *torch.Tensor // the largest logit [sequences, 1]
	total       *torch.Tensor // the sum of all weights, if the best token's is 1 [sequences, 1]
}

func newDistribution(logits, temperature *torch.Tensor) *distribution {
	d := &distribution{logits: logits, temperature: temperature, best: logits.MaxAlong(1)}
	d.total = torch.Within(logits, func(logits *torch.Tensor) *torch.Tensor {
		return d.exponents(logits).ExpTo().SumAlong(1).To(torch.Float32).Unsqueeze(1)
	})
	return d
}

// exponents returns the logarithms of the weights of tokens, given their logits: at most 0, in
// float64.
func (d *distribution) exponents(logits *torch.Tensor) *torch.Tensor {
	return logits.Sub(d.best).Div(d.temperature)
}

// negligible is the exponent below which a token has no probability: e^-20 of the best token's. The
// negligible tokens together have less than a ten-thousandth of the probability.
const negligible = -20

// probabilities returns the probabilities of tokens, given their logits; 0 for negligible ones.
func (d *distribution) probabilities(logits *torch.Tensor) *torch.Tensor {
	exponents := d.exponents(logits)
	excluded := exponents.LessNumber(negligible)
	return exponents.ExpTo().To(torch.Float32).Div(d.total).MaskedFill(excluded, 0)
}

// sample samples a token of each row from its nucleus, and returns how many of the k most likely
// tokens are less likely than all of the nucleus. If there are none, the nucleus may need more than
// k tokens. Both are [sequences, 1].
func (d *distribution) sample(k int64, in *stepInput) (tokens, others *torch.Tensor) {
	topP, random := in.floats(inputTopP), in.floats(inputRandom)
	switch {
	case in.whole:
		tokens = pick(d.probabilities(d.logits), random)
		return tokens, tokens.Scope().Full(1, torch.Int64, tokens.Device(), in.rows, 1)
	case k == d.logits.Dim(1):
		kept, others := nucleus(d.probabilities(d.logits), topP)
		return pick(kept, random), others
	default:
		_, ids := d.logits.TopK(k)
		ids, _ = ids.Sort(false) // the order in which pick adds them up
		kept, others := nucleus(d.probabilities(d.logits.Gather(1, ids)), topP)
		return ids.Gather(1, pick(kept, random)), others
	}
}

// nucleus returns the probabilities of the tokens of top-p sampling, and 0 for the others: the most
// likely tokens with a total probability of p. A token is excluded if the sum of those before it
// exceeds p, so the most likely one always remains. Of equal tokens, the first comes first. others
// is the number of tokens that are less likely than all of the nucleus [sequences, 1].
//
// The sums are float64, in which sums of these float32 numbers are exact, so that no number of
// candidates and no device changes them.
func nucleus(probabilities, topP *torch.Tensor) (kept, others *torch.Tensor) {
	sorted, order := probabilities.SortStable(true)
	before := sorted.To(torch.Float64).CumSum(1).Sub(sorted)
	keptSorted := sorted.MaskedFill(before.Greater(topP), 0)
	least := keptSorted.MaskedFill(keptSorted.EqualNumber(0), 2).MinAlong(1)
	others = sorted.Less(least).CountAlong(1).Unsqueeze(1)
	return probabilities.Clone().ScatterTo(1, order, keptSorted), others
}

// pick returns the index of the first token at which the sum of the weights exceeds a random part
// of their total; random is in [0, 1). [sequences, 1]
func pick(weights, random *torch.Tensor) *torch.Tensor {
	sums := weights.To(torch.Float64).CumSum(1)
	total := sums.Narrow(1, sums.Dim(1)-1, 1)
	// The second condition bounds the index where the product is rounded to the total.
	return sums.LessEqual(total.Mul(random)).Mul(sums.Less(total)).CountAlong(1).Unsqueeze(1)
}
