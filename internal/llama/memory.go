package llama

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"rdrec/internal/teacher"
	"rdrec/internal/torch"
)

// How many replies are written together where nobody says: beyond these numbers a row more takes about as long as it saves.
const (
	batchOnCPU = 32
	batchOnGPU = 256
)

// unknownMemory bounds the rows' bytes where the system does not say what is free.
const unknownMemory = 1 << 30

// bounds are how many replies are written together, and what they may take: half of what is free, since layers need memory too.
func (o *Options) bounds(device torch.Device) (batch int, memory int64) {
	batch, memory = o.Batch, o.Memory
	if batch == 0 && device == torch.CPU {
		batch = batchOnCPU
	}
	return cmp.Or(batch, batchOnGPU), cmp.Or(memory, torch.Free(device)/2, unknownMemory)
}

// Halved is how often the batch was halved since memory ran out.
func (e *Engine) Halved() int { return int(e.halved.Load()) }

// places is how many rows of the given need fit into the memory, at most the batch: their keys and values, and a line of logits that is
// copied a few times.
func (e *Engine) places(need int) int {
	c := e.model.config
	row := int64(2*c.Layers*c.Groups*c.Head*e.model.dtype.Size())*int64(need) + 16*int64(c.Vocabulary)
	return int(min(max(e.memory/row, 1), int64(max(e.batch, 1))))
}

// wave is how many of the rows, the longest first, are written with the places that the first one leaves: all of them where it leaves
// the whole batch, else those that would leave no more.
func (e *Engine) wave(rows []*row) int {
	places := e.places(roundUp(rows[0].need()))
	if places >= e.batch {
		return len(rows)
	}
	n := 1
	for n < len(rows) && (n < places || e.places(roundUp(rows[n].need())) < 2*places) {
		n++
	}
	return n
}

// writeWave writes rows in as many places as there is memory for. Where it runs out, the places are halved and the rows whose replies
// were not finished are left, to be written from their beginning: none is lost, and none becomes another.
func (e *Engine) writeWave(
	ctx context.Context, start *prefix, rows []*row, emit func(int, teacher.Reply) error,
) (left []*row, err error) {
	room := roundUp(rows[0].need())
	places := roundUp(min(e.places(room), len(rows)))
	w := &writer{
		model: e.model, vocab: e.vocab, prefix: start, waiting: slices.Clone(rows), emit: emit, lines: e.lines, active: make([]*row, places),
	}
	err = torch.Run(func(s *torch.Scope) error {
		w.scope, w.slots = s, newSlots(s, e.model, int64(places), int64(room))
		return w.run(ctx)
	})
	if !errors.Is(err, torch.ErrOutOfMemory) || places <= stride {
		return nil, err
	}
	e.batch = places / 2 / stride * stride
	e.halved.Add(1)
	if e.options.Halved != nil {
		e.options.Halved(e.batch, err)
	}
	return w.left(), nil
}

// left are the rows whose replies are not finished, as they were before they were begun, the longest first.
func (w *writer) left() []*row {
	var rows []*row
	for _, r := range w.active {
		if r != nil {
			rows = append(rows, r.afresh())
		}
	}
	rows = append(rows, w.waiting...)
	slices.SortStableFunc(rows, func(a, b *row) int { return b.need() - a.need() })
	return rows
}
