package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"time"

	"rdrec/internal/optim"
	"rdrec/internal/prediction"
	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/task"
	"rdrec/internal/token"
	"rdrec/internal/torch"
)

// trainer is a running training.
type trainer struct {
	job     Job
	corpus  *task.Corpus
	encoder *task.Encoder
	mixer   *task.Mixer
	model   *t5.Model
	adam    *optim.AdamW
	// average is the moving average of the weights; nil for none.
	average *average
	state   state
	// unread is the loss of the last step until it is read; lastRead is when one was read last.
	unread   *unreadLoss
	lastRead time.Time
	// tokenizer decodes what the selection of the best epoch generates.
	tokenizer *token.T5
	// steps is the maximum number of steps, and epochSteps the number of steps in an epoch.
	steps, epochSteps int
}

// prepare returns a trainer before its first step, or restored from a checkpoint.
func prepare(job Job) (*trainer, error) {
	t := &trainer{job: job, state: state{
		Seed: job.Seed, MicroBatch: job.Spec.Train.MicroBatch,
		GradientCheckpointing: job.Spec.Train.GradientCheckpointing,
	}}
	err := t.prepareModel()
	if err == nil {
		err = t.prepareBatches()
	}
	if err == nil && job.Resume != "" {
		err = t.restore(job.Resume)
	}
	if err != nil {
		t.free()
		return nil, err
	}
	t.model.GradientCheckpointing = t.state.GradientCheckpointing
	return t, nil
}

// prepareBatches creates what makes the training batches.
func (t *trainer) prepareBatches() (err error) {
	job := t.job
	settings := task.Settings{
		Method: job.Method, Protocol: job.Protocol, Negatives: job.Spec.Data.Negatives, Seed: job.Seed,
		Items: t.model.ItemTokens(),
	}
	if t.corpus, err = task.New(job.Data, settings); err != nil {
		return err
	}
	if t.mixer, err = t.corpus.Mixer(job.Spec.Train, job.Seed); err != nil {
		return err
	}
	if t.tokenizer, err = token.OpenStudent(job.Spec.Student.Pretrained); err != nil {
		return err
	}
	if t.encoder, err = task.NewEncoder(t.tokenizer, settings, job.Spec.Train.MaxTargetTokens); err != nil {
		return err
	}
	t.epochSteps = t.mixer.EpochSteps()
	t.steps = t.epochSteps * job.Spec.Train.Epochs
	if limit := job.Spec.Train.Steps; limit > 0 {
		t.steps = min(t.steps, limit)
	}
	return nil
}

// prepareModel creates the initial model and its optimizer.
func (t *trainer) prepareModel() (err error) {
	job, settings := t.job, t.job.Spec.Train
	if t.model, err = newStudent(job); err != nil {
		return err
	}
	if job.Data.Codes != nil {
		if err := t.model.UseItems(job.Data.Codes); err != nil {
			return err
		}
	}
	t.adam = optim.NewAdamW(t.model.Flat(), optim.DefaultConfig(settings.LearningRate, settings.WeightDecay))
	if settings.EMADecay > 0 {
		t.average = newAverage(t.model.Flat())
	}
	t.model.BFloat16 = settings.Precision == spec.BFloat16
	t.model.HeadWeight, t.model.LabelSmoothing = settings.HeadWeight, settings.LabelSmoothing
	return nil
}

// itemConfig returns the student's item tokens; none if the items have no codes.
func (j Job) itemConfig() t5.ItemConfig {
	if j.Data.Codes == nil {
		return t5.ItemConfig{}
	}
	items := t5.ItemConfig{
		ItemCodes: int64(j.Data.Codes.Tokens()), OnePosition: j.Spec.Student.History == spec.HistoryItems,
		ItemHead: j.Spec.Train.HeadWeight > 0,
	}
	if j.Spec.Student.ItemEmbeddings {
		items.ItemEmbeddings = int64(j.Data.Items)
	}
	return items
}

// newStudent returns the initial model.
func newStudent(job Job) (*t5.Model, error) {
	device, err := torch.ParseDevice(job.Device)
	if err != nil {
		return nil, err
	}
	settings := job.Spec.Student
	if settings.Pretrained != "" {
		return t5.LoadPretrained(settings.Pretrained, t5.PretrainedOptions{
			Prompts: job.Method.PromptVectors, Dropout: settings.Dropout, Seed: job.Seed, Items: job.itemConfig(),
		}, device)
	}
	size, err := spec.SizeNamed(settings.Size)
	if err != nil {
		return nil, err
	}
	config := t5.FromSize(size, job.Method.PromptVectors)
	if settings.ItemsOnly {
		config = config.WithoutWords()
	}
	config = config.WithItems(job.itemConfig())
	config.InitializerRange = settings.InitializerRange
	if settings.Dropout != nil {
		config.Dropout = *settings.Dropout
	}
	return t5.New(config, job.Seed, device)
}

func (t *trainer) free() {
	if t.model != nil {
		t.model.Free()
	}
	if t.adam != nil {
		t.adam.Free()
	}
	t.average.free()
	if t.unread != nil {
		t.unread.loss.Free()
	}
	torch.Trim()
}

// run loops over steps and epochs.
func (t *trainer) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	batches := t.prefetch(ctx)
	for {
		if t.atEpochEnd() {
			if err := t.settle(); err != nil {
				return err
			}
			if err := t.endEpoch(ctx); err != nil {
				return err
			}
		}
		if t.state.StoppedEarly || t.state.Step >= t.steps {
			return nil
		}
		if err := t.step(ctx, batches); err != nil {
			return err
		}
		if t.state.Step%t.job.Spec.Train.CheckpointSteps == 0 && !t.atEpochEnd() {
			if err := t.settle(); err != nil {
				return err
			}
			if err := t.save(ctx); err != nil {
				return err
			}
		}
	}
}

// checkStop returns an error if ctx has ended, or if Stop is closed, after it has saved a
// checkpoint.
func (t *trainer) checkStop(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-t.job.Stop: // never ready if nil
		if err := t.save(ctx); err != nil {
			return err
		}
		return ErrStopped
	default:
		return nil
	}
}

// step trains on one batch. It reads the loss of the step before and leaves its own to be read
// later, so that a GPU does not wait for the host in between.
func (t *trainer) step(ctx context.Context, batches <-chan prefetched) error {
	began := t.now()
	next, ok := <-batches
	if !ok {
		return fmt.Errorf("step %d: no batch: %w", t.state.Step+1, context.Cause(ctx))
	}
	if next.err != nil {
		return fmt.Errorf("step %d: %w", t.state.Step+1, next.err)
	}
	waited := t.now().Sub(began)
	if t.unread != nil {
		t.unread.waited += waited
		if err := t.settle(); err != nil {
			return err
		}
		began, waited = t.lastRead, 0
	}
	if err := t.checkStop(ctx); err != nil {
		return err
	}
	loss, err := t.trainBatch(next.batch)
	if err != nil {
		return fmt.Errorf("step %d: %w", t.state.Step+1, err)
	}
	t.state.advance(next)
	t.unread = &unreadLoss{loss: loss, rows: next.batch.Size, began: began, waited: waited}
	return nil
}

// unreadLoss is the loss of the last step, which may still be computed.
type unreadLoss struct {
	loss *torch.Tensor
	rows int
	// began is the time at which the loss before it was read, or the step began; waited is the time
	// since then that was spent waiting for a batch.
	began  time.Time
	waited time.Duration
}

// settle reads the loss of the last step, unless it has been read, and reports the step. The state
// is complete only afterwards.
func (t *trainer) settle() error {
	last := t.unread
	if last == nil {
		return nil
	}
	t.unread = nil
	var loss float64
	err := torch.Run(func(*torch.Scope) error {
		defer last.loss.Free()
		loss = last.loss.Float()
		return nil
	})
	if err == nil && (math.IsNaN(loss) || math.IsInf(loss, 0)) {
		err = fmt.Errorf("loss is %v at learning rate %g; a lower one may help", loss, t.job.Spec.Train.LearningRate)
	}
	if err != nil {
		return fmt.Errorf("step %d: %w", t.state.Step, err)
	}
	t.state.addLoss(loss, last.rows)
	t.lastRead = t.now()
	p := t.progress()
	if elapsed := t.lastRead.Sub(last.began).Seconds(); elapsed > 0 {
		p.SamplesPerSecond, p.WaitFraction = float64(last.rows)/elapsed, last.waited.Seconds()/elapsed
	}
	t.report(p)
	return nil
}

// trainBatch updates the weights by the batch's gradient and returns its loss, which the caller
// frees.
func (t *trainer) trainBatch(b task.Batch) (loss *torch.Tensor, err error) {
	err = torch.Run(func(s *torch.Scope) error {
		batchLoss, gradient, err := t.gradient(s, b)
		if err != nil {
			return err
		}
		clipNorm(gradient, t.job.Spec.Train.MaxGradNorm)
		t.adam.SetLearningRate(t.learningRate())
		t.adam.Step(gradient)
		t.average.update(t.model.Flat(), t.job.Spec.Train.EMADecay, t.state.Step)
		loss = torch.Keep(batchLoss.Detach())
		return nil
	})
	return loss, err
}

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
	notices := slices.Concat(t.corpus.Notices, t.unknownNotices())
	if t.state.MicroBatch != t.job.Spec.Train.MicroBatch {
		notices = append(slices.Clone(notices), fmt.Sprintf(
			"out of memory after step %d: from there on the micro-batch was %d rows, with gradient accumulation",
			t.state.OOMStep, t.state.MicroBatch))
	}
	if t.state.GradientCheckpointing && !t.job.Spec.Train.GradientCheckpointing {
		notices = append(slices.Clone(notices), "out of memory with a micro-batch of one row: "+
			"gradient checkpointing was enabled (train.gradient_checkpointing)")
	}
	bestEpoch := 0
	for _, epoch := range t.state.Curve {
		if epoch.Best {
			bestEpoch = epoch.Epoch
		}
	}
	return Result{Dir: filepath.Join(t.job.Dir, bestDir), TrainingRecord: prediction.TrainingRecord{
		Parameters: t.model.Flat().Numel(), Steps: t.state.Step, Epochs: t.state.epochs(), BestEpoch: bestEpoch,
		StoppedEarly: t.state.StoppedEarly, Weights: t.state.BestHash, Curve: t.state.Curve, Notices: notices,
	}}
}
