package train

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"rdrec/internal/prediction"
	"rdrec/internal/torch"
	"rdrec/internal/untrusted"
)

// The files of a checkpoint: the state as JSON, the weights and moments as flat tensors, and the
// best model so far.
const (
	stateFile   = "state.json"
	tensorsFile = "tensors.safetensors"
	bestDir     = "best"
)

// Names of the tensors in a checkpoint. Each covers all parameters as one flat tensor.
const (
	weightsName      = "weights"
	firstMomentName  = "first_moment"
	secondMomentName = "second_moment"
	averageName      = "average"
)

// state is everything, apart from tensors, that the next step depends on.
type state struct {
	Seed int64 `json:"seed"`
	// Parameters detects the checkpoint of another model.
	Parameters int `json:"parameters"`
	Step       int `json:"step"`
	// LossSum and Rows are sums over the epoch so far.
	LossSum float64 `json:"loss_sum"`
	Rows    int     `json:"rows"`
	// Best is the lowest mean validation loss, or minus the highest NDCG@10 where that selects (nil
	// before the first), and BestHash the digest of its model.
	Best     *float64 `json:"best,omitempty"`
	BestHash string   `json:"best_hash,omitempty"`
	// BadEpochs is the number of epochs without improvement.
	BadEpochs    int                `json:"bad_epochs"`
	StoppedEarly bool               `json:"stopped_early"`
	Curve        []prediction.Epoch `json:"curve"`
	// Mixer is the mixer's state after step MixerStep (absent at 0); the batches since then are
	// sampled again.
	Mixer     json.RawMessage `json:"mixer,omitempty"`
	MixerStep int             `json:"mixer_step"`
	// GradientCheckpointing is set if layers are recomputed for the gradient.
	GradientCheckpointing bool `json:"gradient_checkpointing,omitempty"`
	// MicroBatch is the number of rows that are computed at a time (0 for all); OOMStep is the
	// number of steps before memory first ran out.
	MicroBatch int `json:"micro_batch,omitempty"`
	OOMStep    int `json:"oom_step,omitempty"`
}

func (s *state) epochs() int { return len(s.Curve) }

func (s *state) loss() float64 { return s.LossSum / float64(max(s.Rows, 1)) }

// advance adds a step, whose loss addLoss adds later.
func (s *state) advance(f prefetched) {
	s.Step++
	if f.mixer != nil {
		s.Mixer, s.MixerStep = f.mixer, s.Step
	}
}

// addLoss adds the mean loss of a step's rows.
func (s *state) addLoss(loss float64, rows int) {
	s.LossSum += loss * float64(rows)
	s.Rows += rows
}

// isBest reports whether a validation measure is the lowest so far.
func (s *state) isBest(measure float64) bool { return s.Best == nil || measure < *s.Best }

// endEpoch ends an epoch. The reference counts all bad epochs; protocol clean counts only those
// since the best epoch (docs/deviations.md 17).
func (s *state) endEpoch(epoch prediction.Epoch, measure float64, patience int, resets bool) {
	s.Curve = append(s.Curve, epoch)
	s.LossSum, s.Rows = 0, 0
	switch {
	case epoch.Best:
		s.Best = &measure
		if resets {
			s.BadEpochs = 0
		}
	default:
		s.BadEpochs++
		s.StoppedEarly = s.BadEpochs >= patience
	}
}

// save writes a checkpoint to a folder of its own, calls Save, and deletes the folder.
func (t *trainer) save(ctx context.Context) (err error) {
	if t.job.Save == nil {
		return nil
	}
	dir := filepath.Join(t.job.Dir, fmt.Sprintf("checkpoint-%08d", t.state.Step))
	defer func() {
		if removed := os.RemoveAll(dir); err == nil {
			err = removed
		}
	}()
	if err := t.writeCheckpoint(dir); err != nil {
		return fmt.Errorf("checkpoint at step %d: %w", t.state.Step, err)
	}
	if err := t.job.Save(ctx, Checkpoint{Dir: dir, Step: t.state.Step, Epoch: t.state.epochs()}); err != nil {
		return fmt.Errorf("checkpoint at step %d: %w", t.state.Step, err)
	}
	return nil
}

func (t *trainer) writeCheckpoint(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if t.state.Best != nil {
		if err := linkFiles(filepath.Join(t.job.Dir, bestDir), filepath.Join(dir, bestDir)); err != nil {
			return err
		}
	}
	t.state.Parameters = t.model.Flat().Numel()
	text, err := json.Marshal(t.state)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, stateFile), text, 0o644); err != nil {
		return err
	}
	return torch.WriteSafetensors(filepath.Join(dir, tensorsFile), t.tensors())
}

// tensors returns the tensors of a checkpoint: weights, AdamW's moments and the weights' average.
func (t *trainer) tensors() []torch.Named {
	first, second := t.adam.Moments()
	named := []torch.Named{
		{Name: weightsName, Tensor: t.average.trained(t.model.Flat())},
		{Name: firstMomentName, Tensor: first},
		{Name: secondMomentName, Tensor: second},
	}
	if t.average != nil {
		named = append(named, torch.Named{Name: averageName, Tensor: t.average.weights})
	}
	return named
}

// restore sets a new trainer to the state of a checkpoint.
func (t *trainer) restore(dir string) error {
	if err := t.readCheckpoint(dir); err != nil {
		return fmt.Errorf("resuming from checkpoint %q: %w", dir, err)
	}
	t.adam.SetStep(t.state.Step)
	if t.state.Best != nil {
		staged := filepath.Join(t.job.Dir, bestDir+".new")
		if err := linkFiles(filepath.Join(dir, bestDir), staged); err != nil {
			return fmt.Errorf("resuming from checkpoint %q: %w", dir, err)
		}
		return replaceDir(filepath.Join(t.job.Dir, bestDir), staged)
	}
	return nil
}

func (t *trainer) readCheckpoint(dir string) error {
	text, err := untrusted.ReadFile(filepath.Join(dir, stateFile), untrusted.MaxObject)
	if err != nil {
		return err
	}
	var restored state
	if err := json.Unmarshal(text, &restored); err != nil {
		return fmt.Errorf("%s: %w", stateFile, err)
	}
	if parameters := t.model.Flat().Numel(); restored.Seed != t.job.Seed || restored.Parameters != parameters {
		return fmt.Errorf("the checkpoint has seed %d and %d parameters, the job has seed %d and %d",
			restored.Seed, restored.Parameters, t.job.Seed, parameters)
	}
	t.state = restored
	if restored.Mixer != nil {
		if err := t.mixer.Restore(restored.Mixer); err != nil {
			return err
		}
	}
	for range restored.Step - restored.MixerStep {
		t.nextBatch()
	}
	return t.readTensors(filepath.Join(dir, tensorsFile))
}

func (t *trainer) readTensors(path string) (err error) {
	weights, err := torch.OpenSafetensors(path)
	if err != nil {
		return err
	}
	defer func() {
		if closed := weights.Close(); err == nil {
			err = closed
		}
	}()
	return torch.Run(func(s *torch.Scope) error {
		return torch.Fill(s, weights, t.tensors())
	})
}

// replaceDir replaces the folder dir by staged.
func replaceDir(dir, staged string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Rename(staged, dir)
}

// linkFiles makes a folder with the same files as another. They are hard links if the file system
// supports them, otherwise copies.
func linkFiles(from, to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	files, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, file := range files {
		source, target := filepath.Join(from, file.Name()), filepath.Join(to, file.Name())
		if err := os.Remove(target); err != nil && !os.IsNotExist(err) {
			return err
		}
		if os.Link(source, target) == nil {
			continue
		}
		data, err := os.ReadFile(source)
		if err == nil {
			err = os.WriteFile(target, data, 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
