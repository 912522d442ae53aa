package train

import (
	"context"

	"rdrec/internal/task"
)

// prefetched is a batch and, at some steps, the mixer's state after it.
type prefetched struct {
	batch task.Batch
	// mixer is set at the steps where a checkpoint is due. After a checkpoint at another step, the
	// batches since the last state are sampled again.
	mixer []byte
	err   error
}

// prefetch samples and encodes the next batches during training. From now on only its goroutine
// uses the mixer. The channel is closed when ctx ends.
func (t *trainer) prefetch(ctx context.Context) <-chan prefetched {
	batches := make(chan prefetched, 2)
	go func() {
		defer close(batches)
		for step := t.state.Step + 1; step <= t.steps; step++ {
			next := prefetched{batch: t.encoder.Encode(t.mixer.Next())}
			if step%t.job.Spec.Train.CheckpointSteps == 0 || step%t.epochSteps == 0 {
				next.mixer, next.err = t.mixer.State()
			}
			select {
			case batches <- next:
			case <-ctx.Done():
				return
			}
		}
	}()
	return batches
}
