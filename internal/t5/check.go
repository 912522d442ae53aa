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
func (m *Model) checkBatch(b task.Batch) error {
	c, source := m.Config, m.Vocabulary
	if m.OnePosition && m.items != nil {
		source += m.items.items
	}
	if c.ItemCodes > 0 && m.items == nil {
		return errors.New("the model has item tokens: it needs the codes of the items")
	}
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
		{"source", b.Source, b.SourceLen, source},
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
	return m.checkHistories(b)
}

// checkHistories rejects ends of histories outside the sources, and unknown next items.
func (m *Model) checkHistories(b task.Batch) error {
	if b.Last == nil || m.items == nil {
		return nil
	}
	if len(b.Last) != b.Size || len(b.Next) != b.Size {
		return fmt.Errorf("batch of %d rows: %d ends of histories and %d next items", b.Size, len(b.Last), len(b.Next))
	}
	for row, last := range b.Last {
		if last < -1 || last >= int64(b.SourceLen) || b.Next[row] < 0 || b.Next[row] > m.items.items {
			return fmt.Errorf("batch of %d rows: row %d: history ends at %d of %d positions, before item %d of %d",
				b.Size, row, last, b.SourceLen, b.Next[row], m.items.items)
		}
	}
	return nil
}

// checkTargets is checkBatch for training: the batch also needs a target token that is not padding.
func (m *Model) checkTargets(b task.Batch) error {
	if err := m.checkBatch(b); err != nil {
		return err
	}
	for _, label := range b.Target {
		if label != m.Pad {
			return nil
		}
	}
	return ErrNoTarget
}
