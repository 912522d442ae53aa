package train_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/t5/modeltest"
	"rdrec/internal/torch"
	"rdrec/internal/torch/torchtest"
	"rdrec/internal/train"
)

// job is a small training: 40 steps in 3 epochs, with dropout.
func job(t testing.TB) train.Job {
	t.Helper()
	settings := spec.Default()
	settings.Data.Negatives = 9
	settings.Student.Size = "t5-tiny"
	dropout := 0.1
	settings.Student.Dropout = &dropout
	settings.Train.Batch = 4
	settings.Train.EpochSteps, settings.Train.Epochs, settings.Train.Steps = 15, 3, 40
	settings.Train.CheckpointSteps, settings.Train.ValidationRows = 7, 8
	return train.Job{
		Data: modeltest.BeautyMini(t), Spec: settings, Method: spec.Methods()[0], Seed: 3, Threads: 1, Dir: t.TempDir(),
		Device: torchtest.Name(),
	}
}

// checkpointStore persists checkpoints as a worker would, and knows the last.
type checkpointStore struct {
	dir   string
	last  string
	steps []int
}

func (k *checkpointStore) save(_ context.Context, c train.Checkpoint) error {
	k.steps = append(k.steps, c.Step)
	k.last = filepath.Join(k.dir, filepath.Base(c.Dir))
	if err := os.RemoveAll(k.last); err != nil {
		return err
	}
	return os.CopyFS(k.last, os.DirFS(c.Dir))
}

func run(t *testing.T, j train.Job) train.Result {
	t.Helper()
	result, err := train.Run(context.Background(), j)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// resumedJob ends in its third epoch.
func resumedJob(t *testing.T) train.Job {
	t.Helper()
	j := job(t)
	j.Spec.Train.Batch, j.Spec.Train.EpochSteps, j.Spec.Train.Steps = 2, 10, 24
	return j
}

func TestResumedTrainingGivesTheSameWeights(t *testing.T) {
	before := torch.Live()
	uninterrupted := resumedJob(t)
	all := &checkpointStore{dir: t.TempDir()}
	uninterrupted.Save = all.save
	want := run(t, uninterrupted)
	if diff := cmp.Diff([]int{7, 10, 14, 20, 21, 24}, all.steps); diff != "" {
		t.Errorf("checkpoints: %s", diff)
	}
	want.Dir = ""
	for _, c := range []struct {
		name string
		at   int
		kill bool // by the end of its context, else by Stop
	}{
		{"stopped between checkpoints", 17, false},
		{"stopped before validation", 20, false},
		{"killed", 16, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			saved := &checkpointStore{dir: t.TempDir()}
			interrupt(t, saved, c.at, c.kill)
			resumed := resumedJob(t)
			resumed.Save, resumed.Resume = saved.save, saved.last
			got := run(t, resumed)
			got.Dir = ""
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if !bytes.Equal(tensors(t, all), tensors(t, saved)) {
				t.Error("other weights or moments at the end")
			}
		})
	}
	if left := torch.Live() - before; left != 0 {
		t.Errorf("%d tensors left", left)
	}
}

// interrupt starts the job and ends it at a step.
func interrupt(t *testing.T, store *checkpointStore, at int, kill bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stop := make(chan struct{})
	j := resumedJob(t)
	j.Save, j.Stop = store.save, stop
	want := train.ErrStopped
	if kill {
		want = context.Canceled
	}
	j.Progress = func(p train.Progress) {
		switch {
		case p.Step != at || p.Validating:
		case kill:
			cancel()
		default:
			close(stop)
		}
	}
	if _, err := train.Run(ctx, j); !errors.Is(err, want) {
		t.Fatalf("interrupted at step %d: %v, want %v", at, err, want)
	}
}

// tensors are the bytes of the last checkpoint's weights and moments.
func tensors(t *testing.T, k *checkpointStore) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(k.last, "tensors.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestRunReturnsTheBestModel(t *testing.T) {
	result := run(t, job(t))
	if len(result.Curve) != 3 || result.Steps != 40 {
		t.Fatalf("%d epochs, %d steps", len(result.Curve), result.Steps)
	}
	last := result.Curve[2]
	if first := result.Curve[0]; last.Loss >= first.Loss || len(last.Validation) != 4 || math.IsNaN(last.Mean) {
		t.Errorf("curves %+v", result.Curve)
	}
	m, err := t5.Load(result.Dir, torch.CPU)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Free()
	hash, err := m.Hash()
	if err != nil || hash != result.Weights {
		t.Errorf("loaded hash %q, want %q (%v)", hash, result.Weights, err)
	}
}

func TestEarlyStoppingFollowsTheProtocol(t *testing.T) {
	for _, row := range spec.Protocols() {
		j, protocol := job(t), row.Name
		j.Protocol = row
		j.Spec.Train.LearningRate = 0.9 // little gets better
		j.Spec.Train.EpochSteps, j.Spec.Train.Epochs, j.Spec.Train.Steps, j.Spec.Train.Patience = 1, 30, 0, 2
		result := run(t, j)
		if !result.StoppedEarly || result.Steps == 30 {
			t.Errorf("%s: %d steps, stopped early %v", protocol, result.Steps, result.StoppedEarly)
		}
		all, inARow := 0, 0
		for _, epoch := range result.Curve {
			inARow++
			if epoch.Best {
				inARow = 0
			} else {
				all++
			}
		}
		if protocol == spec.Paper && all != 2 || protocol == spec.Clean && inARow != 2 {
			t.Errorf("%s: stopped after %d epochs that were not the best, %d in a row", protocol, all, inARow)
		}
	}
}

func TestDivergingLossNamesItsStep(t *testing.T) {
	j := job(t)
	j.Spec.Train.LearningRate = 1e30
	_, err := train.Run(context.Background(), j)
	if err == nil || !strings.Contains(err.Error(), "step 3: loss is NaN at learning rate 1e+30") {
		t.Errorf("got %v", err)
	}
}

func TestResumingAnotherJobIsRejected(t *testing.T) {
	saved := &checkpointStore{dir: t.TempDir()}
	interrupt(t, saved, 1, false)
	for what, change := range map[string]func(j *train.Job){
		"seed":      func(j *train.Job) { j.Seed++ },
		"parameter": func(j *train.Job) { j.Method = spec.Methods()[2] },
		"missing":   func(j *train.Job) { j.Resume = t.TempDir() },
	} {
		j := job(t)
		j.Resume = saved.last
		change(&j)
		if _, err := train.Run(context.Background(), j); err == nil ||
			!strings.Contains(err.Error(), "resuming from checkpoint") {
			t.Errorf("%s: got %v", what, err)
		}
	}
}
