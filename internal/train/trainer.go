package train

import (
	"context"
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
