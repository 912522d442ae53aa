package train

import (
	"context"

	"rdrec/internal/prediction"
	"rdrec/internal/task"
	"rdrec/internal/torch"
)

// State is what a checkpoint holds beside tensors.
type State = state

// DropoutSeed returns the seed of a step's dropout.
func DropoutSeed(seed int64, step int) int64 { return stepSeed(seed, step) }

// Improves reports whether a mean validation loss is the lowest so far.
func Improves(s *State, mean float64) bool { return s.isBest(mean) }

// CloseEpoch ends an epoch.
func CloseEpoch(s *State, epoch prediction.Epoch, patience int, resets bool) {
	s.endEpoch(epoch, epoch.Mean, patience, resets)
}

// EpochIsDue reports whether an epoch is to be validated after so many steps and validated epochs.
func EpochIsDue(step, epochs, perEpoch, steps int) bool {
	t := &trainer{steps: steps, epochSteps: perEpoch, state: state{Step: step, Curve: make([]prediction.Epoch, epochs)}}
	return t.atEpochEnd()
}

// Prepared is a training before its first step.
type Prepared struct{ t *trainer }

// Prepare returns a training before its first step. The caller frees it.
func Prepare(job Job) (Prepared, error) {
	t, err := prepare(job)
	return Prepared{t}, err
}

// Free frees the model and the optimizer.
func (p Prepared) Free() { p.t.free() }

// Next returns the next training batch.
func (p Prepared) Next() task.Batch { return p.t.nextBatch() }

// Step trains on the next batch.
func (p Prepared) Step(ctx context.Context) error {
	batches := make(chan prefetched, 1)
	batches <- prefetched{batch: p.t.nextBatch()}
	return p.t.step(ctx, batches)
}

// Settle reads the loss of the last step.
func (p Prepared) Settle() error { return p.t.settle() }

// Loss returns the loss of a batch with the dropout of a step.
func (p Prepared) Loss(b task.Batch, step int) (loss float64, err error) {
	p.t.state.Step = step
	err = torch.Run(func(s *torch.Scope) error {
		l, _, err := p.t.gradient(s, b)
		if err == nil {
			loss = l.Float()
		}
		return err
	})
	return loss, err
}

// ValidationLoss returns the loss of a batch without dropout.
func (p Prepared) ValidationLoss(b task.Batch) (float64, error) { return p.t.loss(b) }

// MicroBatch returns how many rows of a batch are computed at a time.
func (p Prepared) MicroBatch() int { return p.t.state.MicroBatch }

// ScheduledRate returns the learning rate after so many of all steps.
func ScheduledRate(rate float64, step, warmup, steps int, scheduler string) float64 {
	return scheduledRate(rate, step, warmup, steps, scheduler)
}

// Clipped returns a gradient after clipping.
func Clipped(gradient []float32, limit float64) (clipped []float32) {
	s := torch.NewScope()
	defer s.Close()
	g := s.FromFloat32(gradient, int64(len(gradient)))
	clipNorm(g, limit)
	return g.Float32s()
}

// Averages returns the moving averages of weights after each of their steps, and the weights that
// each swap restores.
func Averages(start float32, steps []float32, decay float64) (averages, restored []float32) {
	s := torch.NewScope()
	defer s.Close()
	weights := s.FromFloat32([]float32{start}, 1)
	a := newAverage(weights)
	defer a.free()
	for i, x := range steps {
		weights.Fill(float64(x))
		a.update(weights, decay, i)
		a.swapIn(weights)
		averages = append(averages, weights.Float32s()[0])
		if a.trained(weights).Float32s()[0] != x {
			averages[i] = 0
		}
		a.swapOut(weights)
		restored = append(restored, weights.Float32s()[0])
	}
	return averages, restored
}
