package llama

import (
	"context"

	"rdrec/internal/teacher"
	"rdrec/internal/torch"
)

// The number of rows in a pass is rounded up to a multiple of rowMultiple. Below 12 rows, MKL,
// which multiplies attention and unpacked weights, sums float32 products in another order, so that
// a row's values would depend on the number of other rows.
const rowMultiple = 16

// maxPrefillTokens is the maximum number of tokens of new rows in one pass.
const maxPrefillTokens = 512

// generator generates replies: one token for each row in the slots per step, until all rows are
// finished (continuous batching).
type generator struct {
	model    *model
	vocab    *vocabulary
	prefix   *prefix
	cache    *kvCache
	scope    *torch.Scope
	rope     *torch.Tensor // RoPE's rotations after the prefix: complex [positions, 1, head/2]
	twoLines *twoLineMasks // nil if no reply is constrained to two lines
	// penalties is nil if no reply has a repetition penalty.
	penalties *repetitionPenalties
	sampler   sampler
	waiting   []*sequence // the longest first
	active    []*sequence // by slot; nil means free
	emit      func(int, teacher.Reply) error
}

// prepare allocates what all steps share, for rows whose maximum length is capacity.
func (w *generator) prepare(s *torch.Scope, capacity int64) {
	m, start := w.model, int64(w.prefixLength())
	w.scope, w.cache = s, newKVCache(s, m, int64(len(w.active)), capacity)
	w.rope = s.Use(m.ropeTable).Narrow(0, start, int64(m.config.Context)-start).Unsqueeze(1)
	maxReply, penalized := 0, false
	for _, r := range w.waiting {
		maxReply = max(maxReply, r.maxNewTokens)
		penalized = penalized || r.prompt.Sampling.RepetitionPenalty != 1
	}
	if penalized {
		w.penalties = newRepetitionPenalties(s, m, w.prefix, len(w.active), maxReply)
	}
}

// run generates the replies of all waiting rows.
func (w *generator) run(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.admit(); err != nil {
			return err
		}
		rows := w.compact()
		if rows == 0 {
			return nil
		}
		if err := w.step(rows); err != nil {
			return err
		}
	}
}

// admit assigns free slots to waiting rows and prefills their prompts without the last token, which
// the next step reads.
func (w *generator) admit() error {
	var admitted []*sequence
	var slots []int
	flush := func() {
		if len(admitted) > 0 {
			w.prefill(admitted, slots)
		}
		admitted, slots = nil, nil
	}
	for slot := range w.active {
		if w.active[slot] != nil || len(w.waiting) == 0 {
			continue
		}
		r := w.waiting[0]
		w.waiting = w.waiting[1:]
		w.active[slot] = r
		r.cached = len(r.tokens) - 1
		if r.cached == 0 {
			continue
		}
		if len(admitted) > 0 && roundUp(admitted[0].cached)*(len(admitted)+1) > maxPrefillTokens {
			flush()
		}
		admitted, slots = append(admitted, r), append(slots, slot)
	}
	flush()
	return nil
}

// prefill reads the tokens of several rows in one pass, padded to the longest. The pads' keys and
// values are in the cache after the row's end and are overwritten before any token attends to them.
func (w *generator) prefill(rows []*sequence, slots []int) {
	tokens := 0
	for _, r := range rows {
		tokens = max(tokens, r.cached)
	}
	tokens = min(roundUp(tokens), int(w.cache.capacity), int(w.rope.Dim(0)))
	data := make([]int64, len(rows)*tokens, len(rows)*tokens+len(rows))
	for i, r := range rows {
		for j, id := range r.tokens[:r.cached] {
			data[i*tokens+j] = int64(id)
		}
		data = append(data, int64(slots[i]))
	}
	s := w.scope.Sub()
	defer s.Close()
	count, length := int64(len(rows)), int64(tokens)
	input := w.model.int64s(s, data)
	ids, rowSlots := input.Narrow(0, 0, count*length), input.Narrow(0, count*length, count)
	rope := s.Use(w.rope).Narrow(0, 0, length).Unsqueeze(0).Expand(count, -1, -1, -1)
	w.model.prefill(s, ids, &forwardPass{
		rows: count, tokens: length, rope: rope.Reshape(count*length, 1, -1), prefix: w.prefix,
		cache: prefillCache{cache: w.cache, indices: w.cache.rowIndices(rowSlots, length)},
	})
}

// prefixLength returns the number of tokens in the shared prefix.
func (w *generator) prefixLength() int {
	if w.prefix == nil {
		return 0
	}
	return len(w.prefix.ids)
}

// compact moves rows into the first slots and returns the number of slots in use, rounded up to
// rowMultiple.
func (w *generator) compact() int {
	count := 0
	for _, r := range w.active {
		if r != nil {
			count++
		}
	}
	rows := min(roundUp(count), len(w.active))
	free := 0
	for slot := rows; slot < len(w.active); slot++ {
		if w.active[slot] == nil {
			continue
		}
		for w.active[free] != nil {
			free++
		}
		w.cache.moveRow(w.scope, slot, free)
		w.penalties.moveRow(w.scope, slot, free)
		w.active[free], w.active[slot] = w.active[slot], nil
	}
	return rows
}

// step generates one token for each row in the first slots, and emits finished replies.
func (w *generator) step(rows int) error {
	s := w.scope.Sub()
	defer s.Close()
	in, m := w.newStepInput(s, rows), w.model
	cache, mask := w.cache.step(in)
	x := m.run(m.embed(in.ints(inputToken)), &forwardPass{
		rows: in.rows, tokens: 1, rope: w.rope.IndexSelect(0, in.ints(inputPosition)), prefix: w.prefix,
		mask: mask, cache: cache,
	})
	for slot, id := range w.chooseTokens(m.logits(x), in) {
		r := w.active[slot]
		if r == nil || !r.append(w.vocab, int32(id)) {
			continue
		}
		w.active[slot] = nil
		if err := w.emit(r.index, r.reply()); err != nil {
			return err
		}
	}
	return nil
}

// chooseTokens returns the rows' next tokens.
func (w *generator) chooseTokens(logits *torch.Tensor, in *stepInput) []int64 {
	if in.penalized {
		w.penalties.apply(logits, in)
	}
	if in.constrained {
		w.twoLines.apply(logits, in.ints(inputState))
	}
	tokens, ids := w.sampler.choose(logits, in)
	if in.penalized {
		w.penalties.add(tokens, in)
	}
	return ids
}

// prefill runs several tokens of each row through the layers to fill the KV cache.
func (m *model) prefill(s *torch.Scope, ids *torch.Tensor, w *forwardPass) *torch.Tensor {
	w.mask = causalMask(s, m, w.tokens)
	return m.run(m.embed(ids), w)
}

// int64s copies integers to the model's device.
func (m *model) int64s(s *torch.Scope, all []int64) *torch.Tensor {
	return s.FromInt64(all, int64(len(all))).ToDevice(m.device)
}

// prefillPrefix computes the keys and values of a shared prefix.
func (m *model) prefillPrefix(s *torch.Scope, ids []int32) *prefix {
	p := &prefix{groups: int64(m.config.Groups)}
	complete := false
	defer func() {
		if !complete {
			p.free() // memory ran out
		}
	}()
	for _, id := range ids {
		p.ids = append(p.ids, int64(id))
	}
	inner := s.Sub()
	defer inner.Close()
	length := int64(len(ids))
	m.prefill(inner, m.int64s(inner, p.ids), &forwardPass{
		rows: 1, tokens: length, rope: inner.Use(m.ropeTable).Narrow(0, 0, length).Unsqueeze(1), cache: p,
	})
	complete = true
	return p
}

func roundUp(n int) int { return (n + rowMultiple - 1) / rowMultiple * rowMultiple }
