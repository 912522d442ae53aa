package llama

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"rdrec/internal/teacher"
	"rdrec/internal/torch"
)

// How many replies are written together where nobody says: beyond these numbers a row more takes
// about as long as it saves.
const (
	batchOnCPU = 32
	batchOnGPU = 256
)

// defaultMemory bounds the rows' bytes where the system does not say what is free.
const defaultMemory = 1 << 30

// limits are how many replies are written together, and what they may take: half of what is free,
// since layers need memory too.
func (o *Options) limits(device torch.Device) (batch int, memory int64) {
	batch, memory = o.Batch, o.Memory
	if batch == 0 && device == torch.CPU {
		batch = batchOnCPU
	}
	return cmp.Or(batch, batchOnGPU), cmp.Or(memory, torch.Free(device)/2, defaultMemory)
}

// BatchHalvings is how often the batch was halved since memory ran out.
func (e *Engine) BatchHalvings() int { return int(e.halvings.Load()) }

// indices is how many rows of the given need fit into the memory, at most the batch: their keys and
// values, and a line of logits that is copied a few times.
func (e *Engine) maxRows(tokens int) int {
	c := e.model.config
	row := int64(2*c.Layers*c.Groups*c.Head*e.model.dtype.Size())*int64(tokens) + 16*int64(c.Vocabulary)
	return int(min(max(e.memory/row, 1), int64(max(e.batch, 1))))
}

// nextBatch is how many of the rows, the longest first, are written with the places that the first
// one leaves: all of them where it leaves the whole batch, else those that would leave no more.
func (e *Engine) nextBatch(rows []*sequence) int {
	slots := e.maxRows(roundUp(rows[0].cacheLength()))
	if slots >= e.batch {
		return len(rows)
	}
	n := 1
	for n < len(rows) && (n < slots || e.maxRows(roundUp(rows[n].cacheLength())) < 2*slots) {
		n++
	}
	return n
}

// generateBatch writes rows in as many places as there is memory for. Where it runs out, the places
// are halved and the rows whose replies were not finished are left, to be written from their
// beginning: none is lost, and none becomes another.
func (e *Engine) generateBatch(
	ctx context.Context, start *prefix, rows []*sequence, emit func(int, teacher.Reply) error,
) (unfinished []*sequence, err error) {
	capacity := roundUp(rows[0].cacheLength())
	slots := roundUp(min(e.maxRows(capacity), len(rows)))
	w := &generator{
		model: e.model, vocab: e.vocab, prefix: start, waiting: slices.Clone(rows), emit: emit, twoLines: e.twoLines, active: make([]*sequence, slots),
	}
	err = torch.Run(func(s *torch.Scope) error {
		w.scope, w.cache = s, newKVCache(s, e.model, int64(slots), int64(capacity))
		return w.run(ctx)
	})
	if !errors.Is(err, torch.ErrOutOfMemory) || slots <= rowMultiple {
		return nil, err
	}
	e.batch = slots / 2 / rowMultiple * rowMultiple
	e.halvings.Add(1)
	if e.options.OnBatchHalved != nil {
		e.options.OnBatchHalved(e.batch, err)
	}
	return w.unfinished(), nil
}

// unfinished are the rows whose replies are not finished, as they were before they were begun, the
// longest first.
func (w *generator) unfinished() []*sequence {
	var rows []*sequence
	for _, r := range w.active {
		if r != nil {
			rows = append(rows, r.restarted())
		}
	}
	rows = append(rows, w.waiting...)
	slices.SortStableFunc(rows, func(a, b *sequence) int { return b.cacheLength() - a.cacheLength() })
	return rows
}
