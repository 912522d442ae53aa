package train

import (
	"errors"

	"rdrec/internal/task"
	"rdrec/internal/torch"
)

// gradient returns the loss of a batch and its gradient, of which the processes of the training
// compute their shares.
func (t *trainer) gradient(s *torch.Scope, b task.Batch) (loss, gradient *torch.Tensor, err error) {
	err = t.withOOMBackoff(b, func(inner *torch.Scope, rows int) error {
		l, g, err := t.ownGradient(inner, b, rows)
		if err == nil {
			loss, gradient = s.Adopt(l), s.Adopt(g)
		}
		return err
	})
	if err == nil && t.job.Parallel != nil {
		loss, gradient, err = t.job.Parallel.sum(s, t.state.Step, loss, gradient)
	}
	return loss, gradient, err
}

// ownGradient returns this process's share of the loss of a batch, and its gradient.
func (t *trainer) ownGradient(s *torch.Scope, b task.Batch, rows int) (loss, gradient *torch.Tensor, err error) {
	seed := stepSeed(t.job.Seed, t.state.Step)
	if t.job.Parallel == nil {
		return t.model.AccumulatedGradient(s, b, t.job.Protocol, seed, rows)
	}
	share := t.job.Parallel.share
	share.MicroBatch, share.Rows = t.job.Spec.Train.MicroBatch, rows
	return t.model.SharedGradient(s, b, t.job.Protocol, seed, share)
}

// withOOMBackoff calls f, and halves the micro-batch each time memory runs out. If it runs out with
// a single row, gradient checkpointing is enabled. f must change nothing before it succeeds.
func (t *trainer) withOOMBackoff(b task.Batch, f func(s *torch.Scope, rows int) error) error {
	for {
		err := torch.Run(func(s *torch.Scope) error { return f(s, t.state.MicroBatch) })
		rows := b.Size
		if t.state.MicroBatch > 0 {
			rows = min(rows, t.state.MicroBatch)
		}
		switch {
		case !errors.Is(err, torch.ErrOutOfMemory) || rows == 1 && t.state.GradientCheckpointing:
			return err
		case rows == 1:
			t.state.GradientCheckpointing, t.model.GradientCheckpointing = true, true
		default:
			t.state.MicroBatch = (rows + 1) / 2
		}
		if t.state.OOMStep == 0 {
			t.state.OOMStep = t.state.Step
		}
	}
}

// stepSeed derives the seed of a step's dropout from the job's seed. SplitMix64's mixing keeps the
// streams of adjacent seeds independent.
func stepSeed(seed int64, step int) int64 {
	z := uint64(seed) + uint64(step+1)*0x9e3779b97f4a7c15 //nolint:gosec // bits, not numbers
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return int64((z ^ z>>31) >> 1) //nolint:gosec // 63 bits
}
