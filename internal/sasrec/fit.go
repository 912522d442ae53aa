package sasrec

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"rdrec/internal/optim"
	"rdrec/internal/torch"
)

// progressEvery is the number of steps between two calls of Job.Progress.
const progressEvery = 20

// training is the training of one point with one seed, until the validation NDCG@10 no longer
// improves. Its weights are those of the best epoch.
type training struct {
	*runner
	model    *Model
	fitted   *FitResult
	examples []example
	adam     *optim.AdamW
	source   *rand.PCG
	random   *rand.Rand
	// best has the weights after the best epoch so far.
	best *torch.Tensor
	// loss is the sum over the epoch's positions so far; step counts the steps of all epochs.
	loss      float64
	positions int
	step      int
	// batch is the number of batches of the running epoch that are done, and shuffle the state of
	// the random source before the epoch, from which its order follows.
	batch   int
	shuffle []byte
}

func (r *runner) newTraining(settings Settings, seed int64) (*training, error) {
	examples := trainingExamples(r.Data, settings.Loss)
	if len(examples) == 0 {
		return nil, fmt.Errorf("%w: no user has the four items that training and evaluation need", ErrSettings)
	}
	model, err := New(settings, r.Data.Items, seed, r.device)
	if err != nil {
		return nil, err
	}
	source := rand.NewPCG(uint64(seed), 0x5a5) //nolint:gosec // a shuffle, not a secret
	return &training{
		runner: r, model: model, examples: examples, source: source,
		random: rand.New(source), //nolint:gosec // as above
		fitted: &FitResult{Settings: settings, Seed: seed, Parameters: model.flat.Numel()},
		adam:   optim.NewAdamW(model.flat, optim.DefaultConfig(settings.LearningRate, 0)),
	}, nil
}

// free frees the tensors.
func (t *training) free() {
	t.freeBest()
	t.adam.Free()
	t.model.Free()
}

// takeBest returns the weights of the best epoch, which the caller frees.
func (t *training) takeBest() *torch.Tensor {
	best := t.best
	t.best = nil
	return best
}

func (t *training) run(ctx context.Context) error {
	f := t.fitted
	for f.Epochs < t.model.Epochs && f.Epochs-f.BestEpoch < max(1, t.model.Patience) {
		if err := t.epoch(ctx); err != nil {
			return err
		}
		valid, err := t.model.validate(ctx, t.Data)
		if err != nil {
			return err
		}
		f.Epochs++
		f.Losses, f.Validations = append(f.Losses, t.loss/float64(max(1, t.positions))), append(f.Validations, valid)
		if f.BestEpoch == 0 || valid > f.Validation {
			f.BestEpoch, f.Validation = f.Epochs, valid
			t.saveBest()
		}
		t.report(0, 0)
	}
	return nil
}

// saveBest copies the weights.
func (t *training) saveBest() {
	t.freeBest()
	s := torch.NewScope()
	defer s.Close()
	t.best = torch.Keep(s.Use(t.model.flat).Clone())
}

func (t *training) freeBest() {
	if t.best != nil {
		t.best.Free()
		t.best = nil
	}
}

// epoch does an epoch, or what is left of one that was interrupted.
func (t *training) epoch(ctx context.Context) (err error) {
	done := t.batch
	if done == 0 {
		t.loss, t.positions = 0, 0
		if t.shuffle, err = t.source.MarshalBinary(); err != nil {
			return err
		}
	}
	batches := shuffled(t.examples, t.model.Batch, t.random)
	for range done {
		t.random.Int64() // the seeds of the steps that are done
	}
	for i, examples := range batches[done:] {
		i += done
		if err := t.checkStop(ctx); err != nil {
			return t.saveStopped(ctx, err)
		}
		if err := t.trainBatch(batchOf(examples, t.model.MaxLength)); err != nil {
			return fmt.Errorf("sasrec %+v, epoch %d, step %d: %w", t.model.Settings, t.fitted.Epochs+1, i+1, err)
		}
		if t.batch++; i%progressEvery == 0 {
			t.report(i+1, len(batches))
		}
		if t.SaveDue != nil && t.SaveDue() && t.batch < len(batches) {
			if err := t.save(ctx); err != nil {
				return err
			}
		}
	}
	t.batch = 0
	return nil
}

func (r *runner) checkStop(ctx context.Context) error {
	select {
	case <-r.Stop: // blocks if nil
		return ErrStopped
	default:
		return ctx.Err()
	}
}

// trainBatch does one optimizer step on a batch.
func (t *training) trainBatch(b Batch) error {
	t.step++
	t.steps++
	return torch.Run(func(s *torch.Scope) error {
		loss, gradient := t.model.Gradient(s, b, t.random.Int64())
		value := loss.Float()
		if math.IsNaN(value) || math.IsInf(value, 0) {
			return fmt.Errorf("%w: loss is %v; a lower learning rate may help", ErrSettings, value)
		}
		t.adam.Step(gradient)
		t.loss += value * float64(len(b.Labels))
		t.positions += len(b.Labels)
		return nil
	})
}

func (t *training) report(step, steps int) {
	if t.Progress == nil {
		return
	}
	t.Progress(Progress{
		Training: len(t.finished) + 1, Trainings: t.trainings(),
		Epoch: min(t.fitted.Epochs+1, t.model.Epochs), Epochs: t.model.Epochs, Step: step, Steps: steps,
		Loss: t.loss / float64(max(1, t.positions)), Best: t.fitted.Validation,
	})
}
