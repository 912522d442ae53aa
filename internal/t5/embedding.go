package t5

import (
	"fmt"
	"slices"

	"rdrec/internal/task"
	"rdrec/internal/torch"
)

// embed is what the encoder reads: the task's prompt vectors, then each token's embedding plus its whole word's. Tokens of no word, pads
// and the end token get row 0 of the whole-word table; the prompts get none (REFERENCE.md 3). [batch, prompts + source, model]
func (n *network) embed(s *torch.Scope, b task.Batch, device torch.Device) *torch.Tensor {
	size, length := int64(b.Size), int64(b.SourceLen)
	tokens := s.FromInt64(b.Source, size, length).On(device).Embedding(n.words)    // [batch, source, model]
	whole := s.FromInt64(b.Whole, size, length).On(device).Embedding(n.wholeWords) // [batch, source, model]
	text := tokens.Add(whole)
	if n.Prompts == 0 {
		return text
	}
	rows := make([]int64, 0, size*n.Prompts)
	for _, t := range b.Tasks {
		for i := range n.Prompts {
			rows = append(rows, t*n.Prompts+i)
		}
	}
	prompts := s.FromInt64(rows, size, n.Prompts).On(device).Embedding(n.prompts) // [batch, prompts, model]
	return torch.Cat(1, prompts, text)
}

// mask hides padding from attention; nil where there is none. [batch, 1, 1, prompts + source]
func (n *network) mask(s *torch.Scope, b task.Batch, device torch.Device) *torch.Tensor {
	if !slices.Contains(b.Mask, 0) {
		return nil
	}
	size, source, length := int64(b.Size), int64(b.SourceLen), n.Prompts+int64(b.SourceLen)
	mask := make([]float32, size*length)
	for row := range size {
		for i := range source {
			if b.Mask[row*source+i] == 0 {
				mask[row*length+n.Prompts+i] = hidden
			}
		}
	}
	return s.FromFloat32(mask, size, 1, 1, length).On(device)
}

// check refuses a batch that points outside of the model's tables: a GPU would not say where.
func (c Config) checkBatch(b task.Batch) error {
	within := func(what string, ids []int64, length int, limit int64) error {
		if len(ids) != b.Size*length {
			return fmt.Errorf("batch of %d rows: %d %s ids do not fill rows of %d", b.Size, len(ids), what, length)
		}
		for i, id := range ids {
			if id < 0 || id >= limit {
				return fmt.Errorf("batch of %d rows: row %d: %s id %d is not below %d", b.Size, i/length, what, id, limit)
			}
		}
		return nil
	}
	if b.Size < 1 || b.SourceLen < 1 {
		return fmt.Errorf("batch of %d rows of %d source tokens: empty", b.Size, b.SourceLen)
	}
	for _, err := range []error{
		within("task", b.Tasks, 1, c.Tasks),
		within("source", b.Source, b.SourceLen, c.Vocabulary),
		within("mask", b.Mask, b.SourceLen, 2),
		within("whole-word", b.Whole, b.SourceLen, c.Positions),
		within("target", b.Target, b.TargetLen, c.Vocabulary),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}
