package t5

import (
	"rdrec/internal/task"
	"rdrec/internal/torch"
)

// read is a group of rows as the two stacks read it.
type read struct {
	group
	source *torch.Tensor // [rows, prompts + source, model]
	target *torch.Tensor // [rows, target, model], moved one place on behind the start token
}

// embed looks up all that the stacks read: for the encoder the task's prompt vectors, then each token's embedding plus its whole word's;
// for the decoder the tokens' alone. Tokens of no word, pads and the end token get row 0 of the whole-word table; the prompts get none
// (REFERENCE.md 3). Each table is looked up once for all groups, as its gradient is as large as the table each time.
func (n *network) embed(s *torch.Scope, groups []group, device torch.Device) []read {
	var ids, whole, prompts []int64
	for _, g := range groups {
		ids, whole = append(ids, g.batch.Source...), append(whole, g.batch.Whole...)
		for _, t := range g.batch.Tasks {
			for i := range n.Prompts {
				prompts = append(prompts, t*n.Prompts+i)
			}
		}
	}
	sources := len(ids)
	for _, g := range groups {
		ids = append(ids, n.shift(g.batch)...)
	}
	lookup := func(ids []int64, table *torch.Tensor) *cursor {
		if len(ids) == 0 {
			return nil
		}
		return &cursor{rows: s.FromInt64(ids, int64(len(ids))).On(device).Embedding(table)}
	}
	tokens := lookup(ids, n.words)                            // [all tokens, model]
	targets := &cursor{rows: tokens.rows, at: int64(sources)} // of the same
	words, vectors := lookup(whole, n.wholeWords), lookup(prompts, n.prompts)
	reads := make([]read, len(groups))
	for i, g := range groups {
		rows, length := int64(g.batch.Size), int64(g.batch.SourceLen)
		text := tokens.next(rows, length).Add(words.next(rows, length)) // [rows, source, model]
		if vectors != nil {
			text = torch.Cat(1, vectors.next(rows, n.Prompts), text) // [rows, prompts + source, model]
		}
		reads[i] = read{group: g, source: text}
		if g.batch.TargetLen > 0 {
			reads[i].target = targets.next(rows, int64(g.batch.TargetLen))
		}
	}
	return reads
}

// cursor hands out the rows of a lookup in their order.
type cursor struct {
	rows *torch.Tensor // [all, model]
	at   int64
}

// next is the rows of a group. [rows, length, model]
func (c *cursor) next(rows, length int64) *torch.Tensor {
	c.at += rows * length
	return c.rows.Narrow(0, c.at-rows*length, rows*length).View(rows, length, -1)
}

// shift is what the decoder reads to answer the targets: the start token, then all but the last. [rows, target]
func (n *network) shift(b task.Batch) []int64 {
	shifted := make([]int64, len(b.Target))
	for row := 0; row < len(shifted); row += b.TargetLen {
		shifted[row] = n.Start
		copy(shifted[row+1:row+b.TargetLen], b.Target[row:])
	}
	return shifted
}
