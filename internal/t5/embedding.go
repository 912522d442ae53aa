package t5

import (
	"rdrec/internal/task"
	"rdrec/internal/torch"
)

// embeddedGroup is a group of rows as the two stacks read it.
type embeddedGroup struct {
	lengthBucket
	source *torch.Tensor // [goldenRows, prompts + source, model]
	target *torch.Tensor // [goldenRows, target, model], moved one place on behind the start token
}

// embed looks up all that the stacks read: for the encoder the task's prompt vectors, then each
// token's embedding plus its whole word's; for the decoder the tokens' alone. Tokens of no word,
// pads and the end token get row 0 of the whole-word table; the prompts get none (REFERENCE.md 3).
// Each table is looked up once for all groups, as its gradient is as large as the table each time.
func (n *network) embed(s *torch.Scope, groups []lengthBucket, device torch.Device) []embeddedGroup {
	tables := []string{"shared", "prompt_embeddings", "whole_word_embeddings"}
	texts := n.segments(s, tables, func(s *torch.Scope, n *network, _ []*torch.Tensor) []*torch.Tensor {
		return n.lookUp(s, groups, device)
	})
	embedded := make([]embeddedGroup, len(groups))
	for i, g := range groups {
		embedded[i] = embeddedGroup{lengthBucket: g, source: texts[i], target: texts[len(groups)+i]}
	}
	return embedded
}

// lookUp is what the encoder reads of each group, then what the decoder does.
func (n *network) lookUp(s *torch.Scope, groups []lengthBucket, device torch.Device) []*torch.Tensor {
	var tokens, wholes, prompts lookup
	for _, g := range groups {
		tokens.add(g.batch.SourceLen, g.batch.Source)
		wholes.add(g.batch.SourceLen, g.batch.Whole)
		prompts.add(int(n.Prompts), n.promptRows(g.batch))
	}
	for _, g := range groups {
		tokens.add(g.batch.TargetLen, n.shift(g.batch))
	}
	texts := tokens.embed(s, n.words, device) // of all sources, then of all targets
	whole := wholes.embed(s, n.wholeWords, device)
	vectors := prompts.embed(s, n.prompts, device)
	for i := range groups {
		texts[i] = texts[i].Add(whole[i]) // [goldenRows, source, model]
		if n.Prompts > 0 {
			texts[i] = torch.Cat(1, vectors[i], texts[i]) // [goldenRows, prompts + source, model]
		}
	}
	return texts
}

// promptRows are the rows of the prompt table for each row of a batch. [goldenRows, prompts]
func (n *network) promptRows(b task.Batch) []int64 {
	rows := make([]int64, 0, b.Size*int(n.Prompts))
	for _, t := range b.Prompts {
		for i := range n.Prompts {
			rows = append(rows, t*n.Prompts+i)
		}
	}
	return rows
}

// lookup gathers ids of several texts, to look them all up in a table at once.
type lookup struct {
	ids     []int64
	sizes   []int64 // ids of each text
	lengths []int64 // of each text's rows
}

func (l *lookup) add(length int, ids []int64) {
	l.ids = append(l.ids, ids...)
	l.sizes = append(l.sizes, int64(len(ids)))
	l.lengths = append(l.lengths, int64(length))
}

// embed looks the ids up. One tensor a text: [goldenRows, length, model]; nil where the text is
// empty.
func (l *lookup) embed(s *torch.Scope, table *torch.Tensor, device torch.Device) []*torch.Tensor {
	texts := make([]*torch.Tensor, len(l.sizes))
	if len(l.ids) == 0 {
		return texts
	}
	all := s.FromInt64(l.ids, int64(len(l.ids))).ToDevice(device).Embedding(table) // [ids, model]
	for i, text := range all.Split(0, l.sizes...) {
		if l.sizes[i] > 0 {
			texts[i] = text.View(l.sizes[i]/l.lengths[i], l.lengths[i], -1)
		}
	}
	return texts
}

// shift is what the decoder reads to answer the targets: the start token, then all but the last.
// [goldenRows, target]
func (n *network) shift(b task.Batch) []int64 {
	shifted := make([]int64, len(b.Target))
	for row := 0; row < len(shifted); row += b.TargetLen {
		shifted[row] = n.Start
		copy(shifted[row+1:row+b.TargetLen], b.Target[row:])
	}
	return shifted
}
