package t5

import (
	"rdrec/internal/task"
	"rdrec/internal/torch"
)

// embeddedBucket is a length bucket with the inputs of both stacks.
type embeddedBucket struct {
	lengthBucket
	source *torch.Tensor // [rows, prompts + source, model]
	target *torch.Tensor // [rows, target, model], shifted right behind the start token
}

// embed returns the inputs of the stacks. The encoder reads the prompt vectors, then each token's
// embedding plus its whole word's; the decoder reads token embeddings only. Tokens outside words,
// pads and the end token get row 0 of the whole-word table; the prompts get none
// (docs/deviations.md, behavior 3). Each table is looked up once for all buckets, because each
// lookup's gradient is as large as the table.
//
// A pass that needs the items' vectors gets them too, nil otherwise. [items, model]
func (n *network) embed(
	s *torch.Scope, buckets []lengthBucket, device torch.Device,
) (embedded []embeddedBucket, vectors *torch.Tensor) {
	tables := []string{"shared", "prompt_embeddings", "whole_word_embeddings", "item_embeddings"}
	texts := n.segments(s, tables, func(s *torch.Scope, n *network, _ []*torch.Tensor) []*torch.Tensor {
		return n.lookUp(s, buckets, device)
	})
	embedded = make([]embeddedBucket, len(buckets))
	for i, g := range buckets {
		embedded[i] = embeddedBucket{lengthBucket: g, source: texts[i], target: texts[len(buckets)+i]}
	}
	if len(texts) > 2*len(buckets) {
		vectors = texts[2*len(buckets)]
	}
	return embedded, vectors
}

// lookUp returns the encoder's input of each bucket, then the decoder's, then the items' vectors if
// the pass needs them.
func (n *network) lookUp(s *torch.Scope, buckets []lengthBucket, device torch.Device) []*torch.Tensor {
	var tokens, wholes, prompts lookup
	for _, g := range buckets {
		tokens.add(g.batch.SourceLen, g.batch.Source)
		wholes.add(g.batch.SourceLen, g.batch.Whole)
		prompts.add(int(n.Prompts), n.promptRows(g.batch))
	}
	for _, g := range buckets {
		tokens.add(g.batch.TargetLen, n.shift(g.batch))
	}
	var texts []*torch.Tensor // of all sources, then of all targets
	var items *torch.Tensor
	if n.needsItemVectors() {
		items = n.itemVectors(s)
	}
	lookups, tables := []*lookup{&wholes, &prompts}, []*torch.Tensor{n.wholeWords, n.prompts}
	if n.OnePosition && items != nil {
		texts = tokens.embedItems(s, n.words, items, n.Vocabulary, device)
	} else {
		lookups, tables = append(lookups, &tokens), append(tables, n.words)
	}
	embedded := embedAll(s, lookups, tables, device)
	whole, vectors := embedded[0], embedded[1]
	if len(embedded) > 2 {
		texts = embedded[2]
	}
	for i := range buckets {
		texts[i] = texts[i].Add(whole[i]) // [rows, source, model]
		if n.Prompts > 0 {
			texts[i] = torch.Cat(1, vectors[i], texts[i]) // [rows, prompts + source, model]
		}
	}
	if items != nil {
		texts = append(texts, items)
	}
	return texts
}

// promptRows returns the rows of the prompt table for each row of a batch. [rows, prompts]
func (n *network) promptRows(b task.Batch) []int64 {
	rows := make([]int64, 0, b.Size*int(n.Prompts))
	for _, t := range b.Prompts {
		for i := range n.Prompts {
			rows = append(rows, t*n.Prompts+i)
		}
	}
	return rows
}

// lookup collects the ids of several texts for one lookup in a table.
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

// embedAll looks all ids up in the table of their lookup, and returns for each lookup one tensor
// per text, [rows, length, model], or nil for an empty text. All ids are copied to the device at
// once.
func embedAll(s *torch.Scope, lookups []*lookup, tables []*torch.Tensor, device torch.Device) [][]*torch.Tensor {
	var ids []int64
	sizes := make([]int64, 0, len(lookups))
	for _, l := range lookups {
		ids, sizes = append(ids, l.ids...), append(sizes, int64(len(l.ids)))
	}
	embedded := make([][]*torch.Tensor, len(lookups))
	for i, part := range s.FromInt64(ids, int64(len(ids))).ToDevice(device).Split(0, sizes...) {
		if l := lookups[i]; len(l.ids) == 0 {
			embedded[i] = make([]*torch.Tensor, len(l.sizes))
		} else {
			embedded[i] = l.split(part.Embedding(tables[i]))
		}
	}
	return embedded
}

// split splits the embeddings of all ids, [ids, model], by texts.
func (l *lookup) split(all *torch.Tensor) []*torch.Tensor {
	texts := make([]*torch.Tensor, len(l.sizes))
	for i, text := range all.Split(0, l.sizes...) {
		if l.sizes[i] > 0 {
			texts[i] = text.View(l.sizes[i]/l.lengths[i], l.lengths[i], -1)
		}
	}
	return texts
}

// shift returns the decoder's input (teacher forcing): the start token, then all targets but the
// last. [rows, target]
func (n *network) shift(b task.Batch) []int64 {
	shifted := make([]int64, len(b.Target))
	for row := 0; row < len(shifted); row += b.TargetLen {
		shifted[row] = n.Start
		copy(shifted[row+1:row+b.TargetLen], b.Target[row:])
	}
	return shifted
}
