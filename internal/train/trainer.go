package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"time"

	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/task"
	"rdrec/internal/token"
	"rdrec/internal/torch"
)

// trainer is a training under way.
type trainer struct {
	job     Job
	corpus  *task.Corpus
	encoder *task.Encoder
	mixer   *task.Mixer
	model   *t5.Model
	adam    *AdamW
	state   state
	// steps is how many there are at most, and perEpoch how many an epoch has.
	steps, perEpoch int
}

// prepare makes all that training needs, and puts it where a checkpoint left off.
func prepare(job Job) (*trainer, error) {
	t := &trainer{job: job, state: state{Seed: job.Seed, MicroBatch: job.Spec.Train.MicroBatch, Recompute: job.Spec.Train.Recompute}}
	var err error
	settings := task.Settings{Method: job.Method, Protocol: job.Protocol, Negatives: job.Spec.Data.Negatives}
	if t.corpus, err = task.New(job.Data, settings); err != nil {
		return nil, err
	}
	if t.mixer, err = t.corpus.Mixer(job.Spec.Train, job.Seed); err != nil {
		return nil, err
	}
	tokenizer, err := token.NewT5()
	if err != nil {
		return nil, err
	}
	if t.encoder, err = task.NewEncoder(tokenizer, settings, job.Spec.Train.TargetTokens); err != nil {
		return nil, err
	}
	t.perEpoch = t.mixer.EpochSteps()
	t.steps = t.perEpoch * job.Spec.Train.Epochs
	if limit := job.Spec.Train.Steps; limit > 0 {
		t.steps = min(t.steps, limit)
	}
	if t.model, err = student(job); err != nil {
		return nil, err
	}
	t.adam = NewAdamW(t.model.Flat(), Defaults(job.Spec.Train.LearningRate, job.Spec.Train.WeightDecay))
	if job.Resume != "" {
		err = t.restore(job.Resume)
	}
	t.model.BFloat16, t.model.Recompute = job.Spec.Train.Precision == spec.BFloat16, t.state.Recompute
	if err != nil {
		t.free()
	}
	return t, err
}

// student is the model to begin with.
func student(job Job) (*t5.Model, error) {
	device, err := torch.Pick(job.Device)
	if err != nil {
		return nil, err
	}
	ask := job.Spec.Student
	if ask.From != "" {
		return t5.LoadPretrained(ask.From, t5.Extra{Prompts: job.Method.PromptVectors, Dropout: ask.Dropout, Seed: job.Seed}, device)
	}
	for _, size := range spec.Sizes() {
		if size.Name == ask.Size {
			config := t5.FromSize(size, job.Method.PromptVectors)
			if ask.Dropout != nil {
				config.Dropout = *ask.Dropout
			}
			return t5.New(config, job.Seed, device)
		}
	}
	return nil, fmt.Errorf("no student size is named %q", ask.Size)
}

func (t *trainer) free() {
	t.model.Free()
	t.adam.Free()
	torch.Trim()
}

// run is the loop over steps and epochs.
func (t *trainer) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	batches := t.feed(ctx)
	for {
		if t.epochIsDue() {
			if err := t.endEpoch(ctx); err != nil {
				return err
			}
		}
		if t.state.StoppedEarly || t.state.Step >= t.steps {
			return nil
		}
		if err := t.pause(ctx); err != nil {
			return err
		}
		if err := t.step(ctx, batches); err != nil {
			return err
		}
		if t.state.Step%t.job.Spec.Train.CheckpointSteps == 0 && !t.epochIsDue() {
			if err := t.save(ctx); err != nil {
				return err
			}
		}
	}
}

// pause ends training when ctx does, and when it was asked to stop: then with a checkpoint.
func (t *trainer) pause(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-t.job.Stop: // never, if nil
		if err := t.save(ctx); err != nil {
			return err
		}
		return ErrStopped
	default:
		return nil
	}
}

// step learns from one batch.
func (t *trainer) step(ctx context.Context, batches <-chan fed) error {
	began := t.now()
	next, ok := <-batches
	if !ok {
		return fmt.Errorf("step %d: no batch: %w", t.state.Step+1, context.Cause(ctx))
	}
	if next.err != nil {
		return fmt.Errorf("step %d: %w", t.state.Step+1, next.err)
	}
	waited := t.now().Sub(began)
	loss, err := t.learn(next.batch)
	if err != nil {
		return fmt.Errorf("step %d: %w", t.state.Step+1, err)
	}
	t.state.advance(next, loss)
	p := t.progress()
	if took := t.now().Sub(began).Seconds(); took > 0 {
		p.SamplesPerSecond, p.WaitShare = float64(next.batch.Size)/took, waited.Seconds()/took
	}
	t.report(p)
	return nil
}

// learn moves the weights by the batch's gradient and returns its loss.
func (t *trainer) learn(b task.Batch) (float64, error) {
	var value float64
	err := torch.Run(func(s *torch.Scope) error {
		loss, gradient, err := t.gradient(s, b)
		if err != nil {
			return err
		}
		value = loss.Float()
		if math.IsNaN(value) || math.IsInf(value, 0) {
			return fmt.Errorf("loss is %v at learning rate %g; a lower one may help", value, t.job.Spec.Train.LearningRate)
		}
		t.adam.Step(gradient)
		return nil
	})
	return value, err
}

// gradient is the batch's loss and its derivative by the weights.
func (t *trainer) gradient(s *torch.Scope, b task.Batch) (loss, gradient *torch.Tensor, err error) {
	err = t.frugally(b, func(inner *torch.Scope, rows int) error {
		l, g, err := t.model.Accumulated(inner, b, t.job.Protocol, mix(t.job.Seed, t.state.Step), rows)
		if err == nil {
			loss, gradient = s.Adopt(l), s.Adopt(g)
		}
		return err
	})
	return loss, gradient, err
}

// frugally has f work at half as many of the batch's rows at a time for as long as memory does not suffice, and, when it does not for a
// single one, without keeping what layers computed. f changes nothing before it succeeds.
func (t *trainer) frugally(b task.Batch, f func(s *torch.Scope, rows int) error) error {
	for {
		err := torch.Run(func(s *torch.Scope) error { return f(s, t.state.MicroBatch) })
		rows := b.Size
		if t.state.MicroBatch > 0 {
			rows = min(rows, t.state.MicroBatch)
		}
		switch {
		case !errors.Is(err, torch.ErrOutOfMemory) || rows == 1 && t.state.Recompute:
			return err
		case rows == 1:
			t.state.Recompute, t.model.Recompute = true, true
		default:
			t.state.MicroBatch = (rows + 1) / 2
		}
		if t.state.ShortAt == 0 {
			t.state.ShortAt = t.state.Step
		}
	}
}

// mix makes a seed for each step's dropout out of the job's: SplitMix64's scrambling, so that near seeds share nothing.
func mix(seed int64, step int) int64 {
	z := uint64(seed) + uint64(step+1)*0x9e3779b97f4a7c15 //nolint:gosec // bits, not numbers
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return int64((z ^ z>>31) >> 1) //nolint:gosec // 63 bits
}

func (t *trainer) now() time.Time {
	if t.job.Now == nil {
		return time.Time{}
	}
	return t.job.Now()
}

func (t *trainer) progress() Progress {
	return Progress{
		Epoch: t.state.epochs() + 1, Epochs: t.job.Spec.Train.Epochs,
		Step: t.state.Step, Steps: t.steps, Loss: t.state.loss(),
	}
}

func (t *trainer) report(p Progress) {
	if t.job.Progress != nil {
		t.job.Progress(p)
	}
}

func (t *trainer) result() Result {
	notices := t.corpus.Notices
	if t.state.MicroBatch != t.job.Spec.Train.MicroBatch {
		notices = append(slices.Clone(notices), fmt.Sprintf(
			"memory ran out after step %d: since then %d rows were worked at at a time, and the gradients of a batch added up",
			t.state.ShortAt, t.state.MicroBatch))
	}
	if t.state.Recompute && !t.job.Spec.Train.Recompute {
		notices = append(slices.Clone(notices), "not even one row fitted into memory: layers were computed again for the gradient (train.recompute)")
	}
	return Result{
		Dir: filepath.Join(t.job.Dir, bestDir), Hash: t.state.BestHash, Parameters: t.model.Flat().Numel(),
		Curves: t.state.Curves, Steps: t.state.Step, StoppedEarly: t.state.StoppedEarly, Notices: notices,
	}
}
