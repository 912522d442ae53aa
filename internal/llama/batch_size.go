package llama

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"rdrec/internal/teacher"
	"rdrec/internal/torch"
)

// The default number of replies that are generated together. Beyond it, another row costs about as
// much time as it saves.
const (
	batchOnCPU = 32
	batchOnGPU = 256
)

// defaultMemory is the limit on the rows' bytes if the free memory is unknown.
const defaultMemory = 1 << 30

// DefaultBatch returns the maximum number of replies that are generated together on a device.
func DefaultBatch(device torch.Device) int {
	if device == torch.CPU {
		return batchOnCPU
	}
	return batchOnGPU
}

// limits returns the number of replies that are generated together, and the limit on their bytes:
// half of the free memory, since layers need memory too.
func (o *Options) limits(device torch.Device) (batch int, memory int64) {
	return cmp.Or(o.Batch, DefaultBatch(device)), cmp.Or(o.Memory, torch.Free(device)/2, defaultMemory)
}

// BatchHalvings returns the number of times the batch was halved after memory ran out.
func (e *Engine) BatchHalvings() int { return int(e.halvings.Load()) }

// maxRows returns the number of rows of the given length that fit into memory, at most the batch:
// their keys and values, and a row of logits, which sampling copies in float64.
func (e *Engine) maxRows(tokens int) int {
	c := e.model.config
	row := int64(2*c.Layers*c.Groups*c.Head*e.model.dtype.Size())*int64(tokens) + 32*int64(c.Vocabulary)
	return int(min(max(e.memory/row, 1), int64(max(e.batch, 1))))
}

// nextBatch returns the number of rows, the longest first, to generate with the slots that the
// first one permits: all rows if it permits the whole batch, otherwise those that would not permit
// twice as many.
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

// generateBatch generates the replies of rows with as many slots as memory permits. If memory runs
// out, it halves the slots and returns the unfinished rows, which are generated again from their
// start. No reply is lost or changed.
func (e *Engine) generateBatch(
	ctx context.Context, start *prefix, rows []*sequence, emit func(int, teacher.Reply) error,
) (unfinished []*sequence, err error) {
	capacity := roundUp(rows[0].cacheLength())
	slots := roundUp(min(e.maxRows(capacity), len(rows)))
	w := &generator{
		model: e.model, vocab: e.vocab, prefix: start, emit: emit, twoLines: e.twoLines, sampler: newSampler(),
		waiting: slices.Clone(rows), active: make([]*sequence, slots),
	}
	err = torch.Run(func(s *torch.Scope) error {
		w.prepare(s, int64(capacity))
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

// unfinished returns the rows whose replies are not finished, in their initial state, the longest
// first.
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
