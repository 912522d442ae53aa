// Package beam decodes texts by beam search as transformers 4.36.2 does. In: a student, a batch and
// a [Config]; out: the best sequences of each row ([Hypothesis]). In each step the decoder scores
// the next token of every beam, the logits processors suppress or penalize tokens, each group of
// beams keeps its best candidates, and rows that are done leave the batch. Any text can result;
// package recommend decodes only items, by a trie.
package beam

import (
	"context"
	"fmt"

	"rdrec/internal/t5"
	"rdrec/internal/task"
	"rdrec/internal/torch"
)

// Search decodes a batch and returns the best sequences of each row, best first, as the reference's
// beam_search does. maskCross masks padding in cross-attention; without it, results depend on the
// other rows of the batch (docs/deviations.md 1).
func Search(ctx context.Context, m *t5.Model, batch task.Batch, c Config, maskCross bool) ([][]Hypothesis, error) {
	v := vocabulary{size: int(m.Vocabulary), start: int32(m.Config.Start), end: int32(m.End)}
	if err := c.Validate(v.size, v.end); err != nil {
		return nil, fmt.Errorf("beam search: %w", err)
	}
	var found [][]Hypothesis
	err := torch.Run(func(*torch.Scope) (err error) {
		torch.NoGrad(func() {
			var d *t5.Decoding
			groups, _ := c.groupCounts()
			beams := c.NumBeams / c.NumBeamGroups * groups
			opt := t5.DecodeOptions{NumBeams: beams, MaxLength: c.MaxLength, MaskCross: maskCross}
			if d, err = m.Start(batch, opt); err != nil {
				return
			}
			defer d.Close()
			found, err = run(ctx, d, v, batch.Size, c)
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("beam search over %d rows: %w", batch.Size, err)
	}
	return found, nil
}
