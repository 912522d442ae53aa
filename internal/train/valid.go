package train

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"rdrec/internal/task"
	"rdrec/internal/torch"
)

// epochIsDue tells that an epoch's steps are done and it has not been validated. The last epoch may be cut short.
func (t *trainer) epochIsDue() bool {
	end := min((t.state.epochs()+1)*t.perEpoch, t.steps)
	return t.state.Step >= end && t.state.Step > t.state.epochs()*t.perEpoch
}

// endEpoch validates, keeps the model if it is the best so far, decides on an early stop, and saves a checkpoint.
func (t *trainer) endEpoch(ctx context.Context) error {
	epoch := Epoch{Epoch: t.state.epochs() + 1, Step: t.state.Step, Loss: t.state.loss(), Valid: map[string]float64{}}
	sum, kinds := 0.0, 0
	for _, kind := range task.Kinds() {
		loss, rows, err := t.validate(ctx, kind, epoch.Epoch)
		if err != nil {
			return err
		}
		if rows > 0 {
			epoch.Valid[kind.String()] = loss
			sum, kinds = sum+loss, kinds+1
		}
	}
	if kinds == 0 {
		return errors.New("nothing to validate on: no kind of example that is trained has validation examples")
	}
	epoch.Mean = sum / float64(kinds)
	epoch.Best = t.state.improves(epoch.Mean)
	if epoch.Best {
		if err := t.keepBest(); err != nil {
			return err
		}
	}
	t.state.close(epoch, t.job.Spec.Train.Endure, t.job.Protocol.PatienceResets)
	return t.save(ctx)
}

// validate is the mean loss by rows of a kind of validation examples; no rows if it is not trained or has none.
func (t *trainer) validate(ctx context.Context, kind task.Kind, epoch int) (loss float64, rows int, err error) {
	if t.mixer.Counts()[kind] == 0 {
		return 0, 0, nil
	}
	list, err := t.corpus.Valid(kind, t.job.Seed, epoch)
	if err != nil {
		return 0, 0, fmt.Errorf("validating %s: %w", kind, err)
	}
	sum := 0.0
	for batch := range list.Spread(t.job.Spec.Train.ValidRows).Batches(t.encoder, t.job.Spec.Train.Batch) {
		if err := t.pause(ctx); err != nil {
			return 0, 0, err
		}
		loss, err := t.loss(batch)
		if err != nil {
			return 0, 0, fmt.Errorf("validating %s after step %d: %w", kind, t.state.Step, err)
		}
		sum += loss * float64(batch.Size)
		rows += batch.Size
		p := t.progress()
		p.Validating = true
		t.report(p)
	}
	return sum / float64(max(rows, 1)), rows, nil
}

// loss is a batch's, without dropout.
func (t *trainer) loss(b task.Batch) (loss float64, err error) {
	err = t.frugally(b, func(s *torch.Scope, rows int) error {
		loss = 0
		return t.model.InParts(b, t.job.Protocol, rows, func(part task.Batch, _ int, share float64) error {
			l, err := t.model.Loss(s, part, t.job.Protocol)
			if err == nil {
				loss += share * l.Float()
			}
			return err
		})
	})
	return loss, err
}

// keepBest writes the model beside the last best one and then takes its place.
func (t *trainer) keepBest() error {
	hash, err := t.model.Hash()
	if err != nil {
		return err
	}
	fresh := filepath.Join(t.job.Dir, bestDir+".new")
	if err := os.RemoveAll(fresh); err != nil { // its files may be a checkpoint's too
		return err
	}
	if err := t.model.Save(fresh); err != nil {
		return fmt.Errorf("best model: %w", err)
	}
	t.state.BestHash = hash
	return replace(filepath.Join(t.job.Dir, bestDir), fresh)
}
