package t5

import (
	"errors"
	"fmt"

	"rdrec/internal/dataset"
	"rdrec/internal/task"
	"rdrec/internal/torch"
)

// ItemConfig is what a student with item tokens has and T5 lacks: tokens of items' codes, an
// embedding of each item, and a head that scores all items at once.
type ItemConfig struct {
	// ItemCodes is the number of tokens of codes, the last of the vocabulary.
	ItemCodes int64 `json:"item_codes,omitempty"`
	// ItemEmbeddings is the number of items with an embedding of their own, beside those of their
	// codes.
	ItemEmbeddings int64 `json:"item_embeddings,omitempty"`
	// OnePosition makes an item of a source one position, whose input is the item's vector: the sum
	// of the embeddings of its codes and its own.
	OnePosition bool `json:"item_one_position,omitempty"`
	// ItemHead means that the item head was trained: the encoder's state at the end of a history
	// times each item's vector is the item's logit.
	ItemHead bool `json:"item_head,omitempty"`
}

// words returns the number of tokens before those of codes.
func (c Config) words() int64 { return c.Vocabulary - c.ItemCodes }

// itemIndex holds the codes of all items on the model's device.
type itemIndex struct {
	codes *dataset.Codes
	// rows holds the rows of the items' codes among the tokens of codes, level by level within an
	// item; an item with fewer codes has the row after the last in their place.
	rows          *torch.Tensor // [items * levels]
	items, levels int64
	ragged        bool
}

// UseItems sets the codes of the items, which a model with item tokens needs before any batch.
// Items beyond its table have no embedding of their own.
func (m *Model) UseItems(codes *dataset.Codes) error {
	if tokens := int64(codes.Tokens()); tokens != m.ItemCodes {
		return fmt.Errorf("the items have %d codes, the model has %d", tokens, m.ItemCodes)
	}
	index := &itemIndex{codes: codes, items: int64(len(codes.Items)), levels: int64(len(codes.Widths))}
	rows := make([]int64, 0, index.items*index.levels)
	for item := range codes.Items {
		tokens := codes.ItemTokens(item + 1)
		for level := range codes.Widths {
			row := m.ItemCodes
			if level < len(tokens) {
				row = int64(tokens[level])
			}
			index.ragged = index.ragged || row == m.ItemCodes
			rows = append(rows, row)
		}
	}
	m.freeItems()
	s := torch.NewScope()
	defer s.Close()
	index.rows = torch.Keep(s.FromInt64(rows, int64(len(rows))).ToDevice(m.device))
	m.items = index
	return nil
}

func (m *Model) freeItems() {
	if m.items != nil {
		m.items.rows.Free()
		m.items = nil
	}
}

// ItemTokens returns how the model reads and generates items.
func (m *Model) ItemTokens() task.ItemTokens {
	if m.items == nil {
		return task.ItemTokens{}
	}
	return task.ItemTokens{Codes: m.items.codes, First: int(m.words()), OnePosition: m.OnePosition}
}

// itemVectors returns the vectors of all items. [items, model]
func (n *network) itemVectors(s *torch.Scope) *torch.Tensor {
	words := s.Use(n.words)
	codes := words.Narrow(0, n.Config.words(), n.ItemCodes) // [codes, model]
	if n.items.ragged {
		codes = torch.Cat(0, codes, codes.NewFloat32(make([]float32, n.Model), 1, n.Model))
	}
	vectors := n.items.rows.In(codes).Embedding(codes).View(n.items.items, n.items.levels, n.Model).SumAlong(1)
	if n.ItemEmbeddings == 0 {
		return vectors
	}
	own := s.Use(n.itemEmbeddings)
	switch missing := n.items.items - n.ItemEmbeddings; {
	case missing > 0:
		own = torch.Cat(0, own, own.NewFloat32(make([]float32, missing*n.Model), missing, n.Model))
	case missing < 0:
		own = own.Narrow(0, 0, n.items.items)
	}
	return vectors.Add(own)
}

// needsItemVectors reports whether a pass reads the vectors of items.
func (n *network) needsItemVectors() bool {
	return n.items != nil && (n.OnePosition || n.headWeight > 0)
}

// embedItems is [embedAll] for the ids of one lookup of which those from vocabulary on are items.
func (l *lookup) embedItems(
	s *torch.Scope, table, vectors *torch.Tensor, vocabulary int64, device torch.Device,
) []*torch.Tensor {
	words, items, isItem := make([]int64, len(l.ids)), make([]int64, len(l.ids)), make([]byte, len(l.ids))
	for i, id := range l.ids {
		if id < vocabulary {
			words[i] = id
		} else {
			items[i], isItem[i] = id-vocabulary, 1
		}
	}
	count := int64(len(l.ids))
	look := func(ids []int64, table *torch.Tensor) *torch.Tensor { // [ids, model]
		return s.FromInt64(ids, count).ToDevice(device).Embedding(table)
	}
	mask := s.FromBytes(isItem, torch.Uint8, count, 1).ToDevice(device).NotEqualNumber(0)
	return l.split(look(items, vectors).Where(mask, look(words, table)))
}

// ends returns the encoder's states at the ends of the histories of a bucket, and the items that
// follow them from 0; nil if the bucket has none. [histories, model]
func (n *network) ends(encoded *torch.Tensor, b task.Batch, all bool) (states *torch.Tensor, next []int64) {
	var positions []int64
	length := n.Prompts + int64(b.SourceLen)
	for row, last := range b.Last {
		if last >= 0 && (all || b.Next[row] > 0) {
			positions = append(positions, int64(row)*length+n.Prompts+last)
			next = append(next, b.Next[row]-1)
		}
	}
	if len(positions) == 0 {
		return nil, nil
	}
	index := encoded.NewInt64(positions, int64(len(positions)))
	return encoded.View(-1, n.Model).IndexSelect(0, index), next
}

// itemLogits returns the logits of all items. [histories, items]
func (n *network) itemLogits(states, vectors *torch.Tensor) *torch.Tensor {
	if n.half {
		vectors = vectors.To(torch.BFloat16)
	}
	return n.toFloat32(n.linear(states, vectors))
}

// ItemScores returns the log-probabilities of all items by the item head, each row's after its
// history. Every row must be a history. [rows, items]
func (m *Model) ItemScores(s *torch.Scope, b task.Batch) (*torch.Tensor, error) {
	b.TargetLen, b.Target = 0, nil
	if err := m.checkBatch(b); err != nil {
		return nil, err
	}
	if m.items == nil || len(b.Last) != b.Size {
		return nil, errors.New("item scores: the model or the batch has no item tokens")
	}
	inner := s.Sub()
	defer inner.Close()
	n := m.assemble(m.views, 0, false)
	n.headWeight = 1
	embedded, vectors := n.embed(inner, []lengthBucket{{batch: b, padRepeats: 1}}, m.device)
	encoded := n.encode(inner, embedded[0].source, n.padMask(inner, b, m.device))
	states, _ := n.ends(encoded, b, true)
	if states == nil || states.Dim(0) != int64(b.Size) {
		return nil, errors.New("item scores: a row has no history")
	}
	return s.Adopt(n.itemLogits(states, vectors).LogSoftmax(-1)), nil
}
