package recommend

import (
	"context"
	"fmt"

	"rdrec/internal/t5"
	"rdrec/internal/task"
	"rdrec/internal/torch"
)

// Search decodes a batch and returns each row's best sequences, best first: the reference's
// beam_search. maskCross hides padding from cross-attention; without it results depend on what else
// is in the batch (REFERENCE.md 1).
func Search(ctx context.Context, m *t5.Model, batch task.Batch, b BeamConfig, maskCross bool) ([][]Hypothesis, error) {
	v := vocabulary{size: int(m.Vocabulary), start: int32(m.Config.Start), end: int32(m.End)}
	if err := b.Validate(v.size, v.end); err != nil {
		return nil, fmt.Errorf("beam search: %w", err)
	}
	var found [][]Hypothesis
	err := torch.Run(func(*torch.Scope) (err error) {
		torch.NoGrad(func() {
			var d *t5.Decoding
			groups, _ := b.groupCounts()
			opt := t5.DecodeOptions{NumBeams: b.NumBeams / b.NumBeamGroups * groups, MaxLength: b.MaxLength, MaskCross: maskCross}
			if d, err = m.Start(batch, opt); err != nil {
				return
			}
			defer d.Close()
			found, err = run(ctx, d, v, batch.Size, b)
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("beam search over %d rows: %w", batch.Size, err)
	}
	return found, nil
}
