package llama

import (
	"context"

	"rdrec/internal/teacher"
	"rdrec/internal/torch"
)

// stride is what the number of rows in a pass is rounded up to. Below 12 rows MKL, which attention and unpacked weights are multiplied by, takes
// float32 matrices in another order, and a row's numbers would hang on how many others it has beside it; from there on they do not.
const stride = 16

// passTokens bounds how many tokens of new rows are read in one pass.
const passTokens = 512

// writer writes replies: one token for each row in the slots, until no row is left.
type writer struct {
	model   *model
	vocab   *vocabulary
	prefix  *prefix
	slots   *slots
	scope   *torch.Scope
	lines   *lines // nil where no reply is held to two lines
	waiting []*row // the longest first
	active  []*row // by slot; nil means free
	emit    func(int, teacher.Reply) error
}

// run writes all waiting rows' replies.
func (w *writer) run(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.admit(); err != nil {
			return err
		}
		rows := w.pack()
		if rows == 0 {
			return nil
		}
		if err := w.step(rows); err != nil {
			return err
		}
	}
}

// admit gives free slots to waiting rows and reads their prompts but for the last token, which the next step reads.
func (w *writer) admit() error {
	var fresh []*row
	var places []int
	flush := func() {
		if len(fresh) > 0 {
			w.readRows(fresh, places)
		}
		fresh, places = nil, nil
	}
	for slot := range w.active {
		if w.active[slot] != nil || len(w.waiting) == 0 {
			continue
		}
		r := w.waiting[0]
		w.waiting = w.waiting[1:]
		w.active[slot] = r
		r.read = len(r.own) - 1
		if r.read == 0 {
			continue
		}
		if len(fresh) > 0 && roundUp(fresh[0].read)*(len(fresh)+1) > passTokens {
			flush()
		}
		fresh, places = append(fresh, r), append(places, slot)
	}
	flush()
	return nil
}

// readRows reads several rows' own tokens in one pass, padded to the first's length: what pads leave in the memory lies behind the
// row's end and is overwritten before it is looked at.
func (w *writer) readRows(rows []*row, places []int) {
	tokens := 0
	for _, r := range rows {
		tokens = max(tokens, r.read)
	}
	tokens = min(roundUp(tokens), int(w.slots.room))
	ids := make([]int64, 0, len(rows)*tokens)
	positions := make([]int64, 0, len(rows)*tokens)
	for _, r := range rows {
		for i := range tokens {
			id := int64(0)
			if i < r.read {
				id = int64(r.own[i])
			}
			ids, positions = append(ids, id), append(positions, int64(w.ahead()+i))
		}
	}
	s := w.scope.Sub()
	defer s.Close()
	spots := w.model.numbers(s, w.slots.places(places, make([]int, len(places)), tokens))
	w.model.read(s, ids, &window{
		rows: int64(len(rows)), tokens: int64(tokens), turns: w.model.at(s, positions), prefix: w.prefix,
		memory: reading{slots: w.slots, places: spots},
	})
}

// ahead is how many tokens stand before the rows' own.
func (w *writer) ahead() int {
	if w.prefix == nil {
		return 0
	}
	return len(w.prefix.ids)
}

// pack moves rows so that the fewest slots hold them, in multiples of the stride, and answers how many slots are in use.
func (w *writer) pack() int {
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
		w.slots.move(w.scope, slot, free)
		w.active[free], w.active[slot] = w.active[slot], nil
	}
	return rows
}

// step writes one token for each row in the first slots.
func (w *writer) step(rows int) error {
	s := w.scope.Sub()
	defer s.Close()
	ids, at, all := make([]int64, rows), make([]int, rows), make([]int, rows)
	positions := make([]int64, rows)
	past := 0
	for slot := range rows {
		all[slot] = slot
		if r := w.active[slot]; r != nil {
			ids[slot], at[slot] = r.next(), r.read
		}
		positions[slot] = int64(w.ahead() + at[slot])
		past = max(past, at[slot]+1)
	}
	past = min(roundUp(past), int(w.slots.room))
	m := w.model
	groups := int64(m.config.Groups)
	mask := s.FromFloat32(upTo(at, past), int64(rows), 1, 1, int64(past)).On(m.device).To(m.dtype)
	x := m.run(m.embed(s, ids), &window{
		rows: int64(rows), tokens: 1, turns: m.at(s, positions), prefix: w.prefix,
		mask: mask.Expand(int64(rows), groups, 1, int64(past)).Reshape(int64(rows)*groups, 1, int64(past)),
		memory: writing{
			slots: w.slots, past: int64(past), places: m.numbers(s, w.slots.places(all, at, 1)),
		},
	})
	return w.choose(m.logits(x), rows)
}

// choose picks each row's token and hands finished replies over.
func (w *writer) choose(logits *torch.Tensor, rows int) error {
	weaken(logits, w.active[:rows])
	w.lines.hold(logits, w.active[:rows])
	likeliest := logits.ArgMax(1).Int64s()
	for slot, r := range w.active[:rows] {
		if r == nil {
			continue
		}
		id := int32(likeliest[slot])
		if how := r.prompt.Sampling; how.Temperature > 0 {
			id = draw(logits.Select(0, int64(slot)).Float32s(), how.Temperature, how.TopP, r.random)
		}
		if !r.take(w.vocab, id) {
			continue
		}
		w.active[slot] = nil
		if err := w.emit(r.index, r.reply()); err != nil {
			return err
		}
	}
	return nil
}

// weaken applies the rows' repetition penalties to the logits [rows, vocabulary].
func weaken(logits *torch.Tensor, rows []*row) {
	for slot, r := range rows {
		if r == nil || r.prompt.Sampling.RepetitionPenalty == 1 || len(r.used) == 0 {
			continue
		}
		ids := make([]int64, 0, len(r.used))
		for id := range r.used {
			ids = append(ids, int64(id))
		}
		s := logits.Scope()
		index := s.FromInt64(ids, int64(len(ids))).On(logits.Device())
		line := logits.Select(0, int64(slot))
		values := line.IndexSelect(0, index).Float32s()
		for i := range values {
			values[i] = penalise(values[i], r.prompt.Sampling.RepetitionPenalty)
		}
		line.IndexCopyTo(0, index, s.FromFloat32(values, int64(len(values))).On(logits.Device()))
	}
}

// read takes several tokens of each row through the layers; what matters is what they leave in the memory.
func (m *model) read(s *torch.Scope, ids []int64, w *window) *torch.Tensor {
	fan := m.config.Heads / m.config.Groups
	w.mask = s.FromFloat32(causal(int(w.tokens), fan), 1, w.tokens*int64(fan), w.tokens).On(m.device).To(m.dtype)
	return m.run(m.embed(s, ids), w)
}

// at is rope's turns at the given positions: [positions, 1, head/2].
func (m *model) at(s *torch.Scope, positions []int64) *torch.Tensor {
	return s.Use(m.turns).IndexSelect(0, m.numbers(s, positions)).Unsqueeze(1)
}

// numbers copies whole numbers to the model's device.
func (m *model) numbers(s *torch.Scope, all []int64) *torch.Tensor {
	return s.FromInt64(all, int64(len(all))).On(m.device)
}

// readPrefix reads what all prompts begin with.
func (m *model) readPrefix(s *torch.Scope, ids []int32) *prefix {
	p := &prefix{groups: int64(m.config.Groups)}
	whole := false
	defer func() {
		if !whole {
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
	m.read(inner, p.ids, &window{rows: 1, tokens: int64(len(ids)), turns: m.at(inner, positions), memory: p})
	whole = true
	return p
}

func roundUp(n int) int { return (n + stride - 1) / stride * stride }
