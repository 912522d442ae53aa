package llama

import (
	"slices"

	"rdrec/internal/torch"
)

// repetitionPenalties penalizes the tokens of the shared prefix and of each row's reply so far. The
// table of these tokens is on the model's device, where each chosen token is added.
type repetitionPenalties struct {
	seen    *torch.Tensor // [slots, tokens of the prefix, then of the reply]
	indices *torch.Tensor // 0, 1, ... [1, tokens]
	prefix  int           // number of distinct tokens of the prefix
}

// newRepetitionPenalties returns the penalties of a number of slots before any reply. No reply has
// more than maxReply tokens.
func newRepetitionPenalties(s *torch.Scope, m *model, start *prefix, slots, maxReply int) *repetitionPenalties {
	var ids []int64
	if start != nil {
		ids = slices.Compact(slices.Sorted(slices.Values(start.ids)))
	}
	columns := int64(len(ids) + maxReply + 1) // the last one is for rows without a reply
	p := &repetitionPenalties{
		seen:    s.Zeros(torch.Int64, m.device, int64(slots), columns),
		indices: s.Arange(columns, m.device).Unsqueeze(0), prefix: len(ids),
	}
	if len(ids) > 0 {
		p.seen.Narrow(1, 0, int64(len(ids))).SetTo(m.int64s(s, ids).Unsqueeze(0))
	}
	return p
}

// count returns the number of tokens that a row has seen, the index of the next one in the table.
func (p *repetitionPenalties) count(r *sequence) int {
	switch {
	case p == nil:
		return 0
	case r == nil:
		return int(p.seen.Dim(1)) - 1
	default:
		return p.prefix + r.generated
	}
}

// apply divides the positive logits [sequences, vocabulary] of seen tokens by their row's penalty,
// and multiplies the others.
func (p *repetitionPenalties) apply(logits *torch.Tensor, in *stepInput) {
	// Rows that have seen fewer tokens repeat their last one, with the same result.
	indices := p.indices.In(logits).Narrow(1, 0, in.maxSeen).Minimum(in.ints(inputLastSeen).Unsqueeze(1))
	ids := p.seen.Gather(1, indices)
	old, penalty := logits.Gather(1, ids).To(torch.Float64), in.floats(inputPenalty)
	penalized := old.Div(penalty).Where(old.GreaterNumber(0), old.Mul(penalty))
	logits.ScatterTo(1, ids, penalized.To(torch.Float32))
}

// add adds the chosen tokens [sequences, 1].
func (p *repetitionPenalties) add(tokens *torch.Tensor, in *stepInput) {
	p.seen.ScatterTo(1, in.ints(inputNextSeen).Unsqueeze(1), tokens)
}

// moveRow copies a row's tokens to another slot.
func (p *repetitionPenalties) moveRow(s *torch.Scope, from, to int) {
	if p != nil {
		seen := s.Use(p.seen)
		seen.Select(0, int64(to)).SetTo(seen.Select(0, int64(from)))
	}
}
