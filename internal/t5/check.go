package t5

import (
	"errors"
	"fmt"

	"rdrec/internal/task"
)

// ErrNoTarget is returned for a batch without a target token to train on.
var ErrNoTarget = errors.New("batch has no target token to train on")

// checkBatch rejects ids outside the model's tables; on a GPU, libtorch's error would not name the
// id.
func (c Config) checkBatch(b task.Batch) error {
	if b.Size < 1 || b.SourceLen < 1 {
		return fmt.Errorf("batch of %d rows of %d source tokens: empty", b.Size, b.SourceLen)
	}
	for _, table := range []struct {
		what   string
		ids    []int64
		length int
		limit  int64
	}{
		{"task", b.Prompts, 1, c.Tasks},
		{"source", b.Source, b.SourceLen, c.Vocabulary},
		{"mask", b.Mask, b.SourceLen, 2},
		{"whole-word", b.Whole, b.SourceLen, c.Positions},
		{"target", b.Target, b.TargetLen, c.Vocabulary},
	} {
		if len(table.ids) != b.Size*table.length {
			return fmt.Errorf("batch of %d rows: %d %s ids do not fill rows of %d",
				b.Size, len(table.ids), table.what, table.length)
		}
		if i := indexOutOfRange(table.ids, table.limit); i >= 0 {
			return fmt.Errorf("batch of %d rows: row %d: %s id %d is not below %d",
				b.Size, i/table.length, table.what, table.ids[i], table.limit)
		}
	}
	return nil
}

// checkTargets is checkBatch for training: the batch also needs a target token that is not padding.
func (c Config) checkTargets(b task.Batch) error {
	if err := c.checkBatch(b); err != nil {
		return err
	}
	for _, label := range b.Target {
		if label != c.Pad {
			return nil
		}
	}
	return ErrNoTarget
}
