package sasrec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"rdrec/internal/torch"
	"rdrec/internal/untrusted"
)

// The files of a checkpoint.
const (
	stateFile   = "state.json"
	tensorsFile = "tensors.safetensors"
)

// checkpoint is everything, apart from tensors, that the next step depends on.
type checkpoint struct {
	Steps    int         `json:"steps"`
	Finished []FitResult `json:"finished"`
	Chosen   int         `json:"chosen"`
	// The running training: its result so far, its steps, the batches of its epoch that are done,
	// their sums, and the random state before the epoch.
	Fitted    FitResult `json:"fitted"`
	Step      int       `json:"step"`
	Batch     int       `json:"batch"`
	Loss      float64   `json:"loss"`
	Positions int       `json:"positions"`
	Shuffle   []byte    `json:"shuffle"`
}

// saveStopped saves a checkpoint before a training that is stopped returns err.
func (t *training) saveStopped(ctx context.Context, err error) error {
	if t.batch == 0 || !errors.Is(err, ErrStopped) {
		return err
	}
	return errors.Join(err, t.save(ctx))
}

// save stores a checkpoint within an epoch.
func (t *training) save(ctx context.Context) (err error) {
	if t.Save == nil {
		return nil
	}
	dir := filepath.Join(t.Dir, fmt.Sprintf("checkpoint-%08d", t.steps))
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	c := checkpoint{
		Steps: t.steps, Chosen: t.chosen, Fitted: *t.fitted, Step: t.step, Batch: t.batch, Loss: t.loss,
		Positions: t.positions, Shuffle: t.shuffle,
	}
	for _, fit := range t.finished {
		c.Finished = append(c.Finished, fit.FitResult)
	}
	text, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("sasrec: checkpoint: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, stateFile), text, 0o600); err != nil {
		return err
	}
	if err := torch.WriteSafetensors(filepath.Join(dir, tensorsFile), t.tensors()); err != nil {
		return err
	}
	return t.Save(ctx, t.steps, dir)
}

// tensors returns the tensors of a checkpoint: weights, moments and best weights of the running
// training, and the weights of the finished ones.
func (t *training) tensors() []torch.Named {
	first, second := t.adam.Moments()
	named := []torch.Named{
		{Name: "weights", Tensor: t.model.flat},
		{Name: "first_moment", Tensor: first},
		{Name: "second_moment", Tensor: second},
	}
	if t.best != nil {
		named = append(named, torch.Named{Name: "best", Tensor: t.best})
	}
	for i, fit := range t.finished {
		if fit.weights != nil {
			named = append(named, torch.Named{Name: fmt.Sprintf("finished-%d", i), Tensor: fit.weights})
		}
	}
	return named
}

// restore sets a new runner to the state of a checkpoint.
func (r *runner) restore(dir string) error {
	text, err := untrusted.ReadFile(filepath.Join(dir, stateFile), untrusted.MaxObject)
	if err != nil {
		return err
	}
	var c checkpoint
	if err := json.Unmarshal(text, &c); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrSettings, stateFile, err)
	}
	r.steps, r.chosen = c.Steps, c.Chosen
	for i, fit := range c.Finished {
		f := finishedFit{FitResult: fit}
		if i == c.Chosen || i >= len(r.Grid) {
			if f.weights, err = r.blank(fit.Settings); err != nil {
				return err
			}
		}
		r.finished = append(r.finished, f)
	}
	if len(r.finished) >= r.trainings() {
		return fmt.Errorf("%w: %d of %d trainings are finished, so none was running",
			ErrSettings, len(r.finished), r.trainings())
	}
	t, err := r.newTraining(r.next())
	if err != nil {
		return err
	}
	r.training = t
	*t.fitted, t.step, t.batch, t.loss, t.positions = c.Fitted, c.Step, c.Batch, c.Loss, c.Positions
	t.shuffle = c.Shuffle
	if err := t.source.UnmarshalBinary(c.Shuffle); err != nil {
		return fmt.Errorf("%w: the random state: %w", ErrSettings, err)
	}
	t.adam.SetStep(c.Step)
	if c.Fitted.BestEpoch > 0 {
		t.saveBest() // overwritten by the stored one
	}
	return t.readTensors(filepath.Join(dir, tensorsFile))
}

// blank returns a tensor for the weights of a point.
func (r *runner) blank(settings Settings) (*torch.Tensor, error) {
	model, err := New(settings, r.Data.Items, 0, r.device)
	if err != nil {
		return nil, err
	}
	return model.flat, nil
}

func (t *training) readTensors(path string) (err error) {
	weights, err := torch.OpenSafetensors(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, weights.Close()) }()
	err = torch.Run(func(s *torch.Scope) error { return torch.Fill(s, weights, t.tensors()) })
	if errors.Is(err, torch.ErrShapes) {
		return fmt.Errorf("%w: %q: %w", ErrSettings, path, err)
	}
	return err
}
