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
	twoLines *twoLineMasks // nil if no reply is constrained to two lines
	waiting  []*sequence   // the longest first
	active   []*sequence   // by slot; nil means free
	emit     func(int, teacher.Reply) error
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
	tokens = min(roundUp(tokens), int(w.cache.capacity))
	ids := make([]int64, 0, len(rows)*tokens)
	positions := make([]int64, 0, len(rows)*tokens)
	for _, r := range rows {
		for i := range tokens {
			id := int64(0)
			if i < r.cached {
				id = int64(r.tokens[i])
			}
			ids, positions = append(ids, id), append(positions, int64(w.prefixLength()+i))
		}
	}
	s := w.scope.Sub()
	defer s.Close()
	indices := w.model.int64s(s, w.cache.indices(slots, make([]int, len(slots)), tokens))
	w.model.prefill(s, ids, &forwardPass{
		rows: int64(len(rows)), tokens: int64(tokens), rope: w.model.ropeAt(s, positions), prefix: w.prefix,
		cache: prefillCache{cache: w.cache, indices: indices},
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
		w.active[free], w.active[slot] = w.active[slot], nil
	}
	return rows
}

// step generates one token for each row in the first slots.
func (w *generator) step(rows int) error {
	s := w.scope.Sub()
	defer s.Close()
	ids, at, all := make([]int64, rows), make([]int, rows), make([]int, rows)
	positions := make([]int64, rows)
	past := 0
	for slot := range rows {
		all[slot] = slot
		if r := w.active[slot]; r != nil {
			ids[slot], at[slot] = r.next(), r.cached
		}
		positions[slot] = int64(w.prefixLength() + at[slot])
		past = max(past, at[slot]+1)
	}
	past = min(roundUp(past), int(w.cache.capacity))
	m := w.model
	groups := int64(m.config.Groups)
	mask := s.FromFloat32(pastMask(at, past), int64(rows), 1, 1, int64(past)).ToDevice(m.device).To(m.dtype)
	x := m.run(m.embed(s, ids), &forwardPass{
		rows: int64(rows), tokens: 1, rope: m.ropeAt(s, positions), prefix: w.prefix,
		mask: mask.Expand(int64(rows), groups, 1, int64(past)).Reshape(int64(rows)*groups, 1, int64(past)),
		cache: stepCache{
			cache: w.cache, past: int64(past), indices: m.int64s(s, w.cache.indices(all, at, 1)),
		},
	})
	return w.sampleTokens(m.logits(x), rows)
}

// sampleTokens selects each row's token and emits finished replies.
func (w *generator) sampleTokens(logits *torch.Tensor, rows int) error {
	applyRepetitionPenalty(logits, w.active[:rows])
	w.twoLines.apply(logits, w.active[:rows])
	argmax := logits.ArgMax(1).Int64s()
	for slot, r := range w.active[:rows] {
		if r == nil {
			continue
		}
		id := int32(argmax[slot])
		if sampling := r.prompt.Sampling; sampling.Temperature > 0 {
			id = sample(logits.Select(0, int64(slot)).Float32s(), sampling.Temperature, sampling.TopP, r.random)
		}
		if !r.append(w.vocab, id) {
			continue
		}
		w.active[slot] = nil
		if err := w.emit(r.index, r.reply()); err != nil {
			return err
		}
	}
	return nil
}

// applyRepetitionPenalty applies the rows' repetition penalties to the logits [sequences,
// vocabulary].
func applyRepetitionPenalty(logits *torch.Tensor, rows []*sequence) {
	for slot, r := range rows {
		if r == nil || r.prompt.Sampling.RepetitionPenalty == 1 || len(r.seen) == 0 {
			continue
		}
		ids := make([]int64, 0, len(r.seen))
		for id := range r.seen {
			ids = append(ids, int64(id))
		}
		s := logits.Scope()
		index := s.FromInt64(ids, int64(len(ids))).ToDevice(logits.Device())
		rowLogits := logits.Select(0, int64(slot))
		values := rowLogits.IndexSelect(0, index).Float32s()
		for i := range values {
			values[i] = penalize(values[i], r.prompt.Sampling.RepetitionPenalty)
		}
		rowLogits.IndexCopyTo(0, index, s.FromFloat32(values, int64(len(values))).ToDevice(logits.Device()))
	}
}

// prefill runs several tokens of each row through the layers to fill the KV cache.
func (m *model) prefill(s *torch.Scope, ids []int64, w *forwardPass) *torch.Tensor {
	groupSize := m.config.Heads / m.config.Groups
	mask := s.FromFloat32(causalMask(int(w.tokens), groupSize), 1, w.tokens*int64(groupSize), w.tokens)
	w.mask = mask.ToDevice(m.device).To(m.dtype)
	return m.run(m.embed(s, ids), w)
}

// ropeAt returns RoPE's rotations at the given positions. [positions, 1, head/2]
func (m *model) ropeAt(s *torch.Scope, positions []int64) *torch.Tensor {
	return s.Use(m.ropeTable).IndexSelect(0, m.int64s(s, positions)).Unsqueeze(1)
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
	positions := make([]int64, len(ids))
	for i, id := range ids {
		p.ids = append(p.ids, int64(id))
		positions[i] = int64(i)
	}
	inner := s.Sub()
	defer inner.Close()
	m.prefill(inner, p.ids, &forwardPass{rows: 1, tokens: int64(len(ids)), rope: m.ropeAt(inner, positions), cache: p})
	complete = true
	return p
}

func roundUp(n int) int { return (n + rowMultiple - 1) / rowMultiple * rowMultiple }
