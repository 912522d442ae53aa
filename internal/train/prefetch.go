package train

import (
	"context"

	"rdrec/internal/task"
)

// prefetched is a batch and, now and then, the mixer's state after it.
type prefetched struct {
	batch task.Batch
	// mixer is set at the steps where a checkpoint is due; a checkpoint between them draws the
	// batches since anew.
	mixer []byte
	err   error
}

// prefetch draws and encodes the coming batches while the student learns. From now on the mixer is
// the feed's alone. The channel is closed when ctx ends.
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
