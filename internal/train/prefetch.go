package train

import (
	"context"

	"rdrec/internal/task"
	"rdrec/internal/token"
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
			next := prefetched{batch: t.nextBatch()}
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

// nextBatch samples a batch, or, with a number of tokens for a step, as many batches as are needed
// for them.
func (t *trainer) nextBatch() task.Batch {
	examples := t.mixer.Next()
	batch := t.encoder.Encode(examples)
	limit := t.job.Spec.Train.BatchTokens
	for limit > 0 && tokens(batch) < limit {
		examples = append(examples, t.mixer.Next()...)
		batch = t.encoder.Encode(examples)
	}
	return batch
}

// tokens returns the number of tokens of sources and targets, without padding.
func tokens(b task.Batch) int {
	count := 0
	for _, isToken := range b.Mask {
		count += int(isToken)
	}
	for _, id := range b.Target {
		if id != int64(token.Pad) {
			count++
		}
	}
	return count
}
