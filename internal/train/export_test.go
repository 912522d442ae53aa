package train

import (
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
	s.endEpoch(epoch, patience, resets)
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
func (p Prepared) Next() task.Batch { return p.t.encoder.Encode(p.t.mixer.Next()) }

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
