package train

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"rdrec/internal/prediction"
	"rdrec/internal/task"
	"rdrec/internal/torch"
)

// atEpochEnd reports whether an epoch's steps are done and it has not been validated. The last
// epoch may be shorter.
func (t *trainer) atEpochEnd() bool {
	end := min((t.state.epochs()+1)*t.epochSteps, t.steps)
	return t.state.Step >= end && t.state.Step > t.state.epochs()*t.epochSteps
}

// endEpoch validates, keeps the model if it is the best so far, decides whether to stop early, and
// saves a checkpoint.
func (t *trainer) endEpoch(ctx context.Context) error {
	t.average.swapIn(t.model.Flat())
	epoch, err := t.validateEpoch(ctx)
	if err != nil {
		return err
	}
	measure := epoch.Mean
	if epoch.NDCG10 != nil {
		measure = -*epoch.NDCG10
	}
	epoch.Best = t.state.isBest(measure)
	if epoch.Best {
		if err := t.saveBest(); err != nil {
			return err
		}
	}
	t.average.swapOut(t.model.Flat())
	t.state.endEpoch(epoch, measure, t.job.Spec.Train.Patience, t.job.Protocol.PatienceResets)
	return t.save(ctx)
}

// validateEpoch returns the point of the learning curve at the end of an epoch.
func (t *trainer) validateEpoch(ctx context.Context) (prediction.Epoch, error) {
	epoch := prediction.Epoch{Epoch: t.state.epochs() + 1, Step: t.state.Step, Loss: t.state.loss()}
	sum, tasks := 0.0, 0
	for _, tk := range task.Tasks() {
		loss, rows, err := t.validate(ctx, tk, epoch.Epoch)
		if err != nil {
			return epoch, err
		}
		if rows > 0 {
			epoch.Validation = append(epoch.Validation, prediction.TaskLoss{Task: tk.String(), Loss: loss})
			sum, tasks = sum+loss, tasks+1
		}
	}
	if tasks == 0 {
		return epoch, errors.New("no validation data: none of the trained tasks has validation examples")
	}
	epoch.Mean = sum / float64(tasks)
	if t.job.Spec.Train.SelectBy != "" {
		ndcg, err := t.rankValidation(ctx)
		if err != nil {
			return epoch, fmt.Errorf("validating NDCG@10 after step %d: %w", t.state.Step, err)
		}
		epoch.NDCG10 = &ndcg
	}
	return epoch, nil
}

// validate returns the mean loss per row of a task's validation examples; rows is 0 if the task is
// not trained or has none.
func (t *trainer) validate(ctx context.Context, tk task.Task, epoch int) (loss float64, rows int, err error) {
	if t.mixer.Counts()[tk] == 0 {
		return 0, 0, nil
	}
	list, err := t.corpus.Validation(tk, t.job.Seed, epoch)
	if err != nil {
		return 0, 0, fmt.Errorf("validating %s: %w", tk, err)
	}
	sum := 0.0
	for batch := range list.SampleEvenly(t.job.Spec.Train.ValidationRows).Batches(t.encoder, t.job.Spec.Train.Batch) {
		if err := t.checkStop(ctx); err != nil {
			return 0, 0, err
		}
		loss, err := t.loss(batch)
		if err != nil {
			return 0, 0, fmt.Errorf("validating %s after step %d: %w", tk, t.state.Step, err)
		}
		sum += loss * float64(batch.Size)
		rows += batch.Size
		p := t.progress()
		p.Validating = true
		t.report(p)
	}
	return sum / float64(max(rows, 1)), rows, nil
}

// loss returns the loss of a batch without dropout.
func (t *trainer) loss(b task.Batch) (loss float64, err error) {
	err = t.withOOMBackoff(b, func(s *torch.Scope, rows int) error {
		loss = 0
		return t.model.MicroBatches(b, t.job.Protocol, rows, func(part task.Batch, _ int, weight float64) error {
			l, err := t.model.Loss(s, part, t.job.Protocol)
			if err == nil {
				loss += weight * l.Float()
			}
			return err
		})
	})
	return loss, err
}

// saveBest writes the model to a new folder, which then replaces the previous best model.
func (t *trainer) saveBest() error {
	hash, err := t.model.Hash()
	if err != nil {
		return err
	}
	staged := filepath.Join(t.job.Dir, bestDir+".new")
	if err := os.RemoveAll(staged); err != nil { // its files may be linked from a checkpoint
		return err
	}
	if err := t.model.Save(staged); err != nil {
		return fmt.Errorf("best model: %w", err)
	}
	if err := t.tokenizer.Save(staged); err != nil {
		return fmt.Errorf("best model: %w", err)
	}
	t.state.BestHash = hash
	return replaceDir(filepath.Join(t.job.Dir, bestDir), staged)
}
