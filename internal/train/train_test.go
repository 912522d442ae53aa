package train_test

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/spec"
	"rdrec/internal/t5"
	"rdrec/internal/torch"
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
	settings.Train.Batch = 8
	settings.Train.EpochSteps, settings.Train.Epochs, settings.Train.Steps = 15, 3, 40
	settings.Train.CheckpointSteps, settings.Train.ValidRows = 7, 8
	return train.Job{Data: mini(t), Spec: settings, Method: spec.Methods()[0], Seed: 3, Threads: 1, Dir: t.TempDir()}
}

// keeper persists checkpoints as a worker would, and knows the last.
type keeper struct {
	dir   string
	last  string
	steps []int
}

func (k *keeper) save(_ context.Context, c train.Checkpoint) error {
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

func TestResumedTrainingEndsWithTheSameWeights(t *testing.T) {
	straight := job(t)
	all := &keeper{dir: t.TempDir()}
	straight.Save = all.save
	want := run(t, straight)
	if diff := cmp.Diff([]int{7, 14, 15, 21, 28, 30, 35, 40}, all.steps); diff != "" {
		t.Errorf("checkpoints: %s", diff)
	}
	for _, at := range []int{1, 17, 30, 33} {
		interrupted := job(t)
		kept := &keeper{dir: t.TempDir()}
		stop := make(chan struct{})
		interrupted.Save, interrupted.Stop = kept.save, stop
		interrupted.Progress = func(p train.Progress) {
			if p.Step == at && !p.Validating {
				close(stop)
			}
		}
		if _, err := train.Run(context.Background(), interrupted); !errors.Is(err, train.ErrStopped) {
			t.Fatalf("stopping at step %d: %v", at, err)
		}
		resumed := job(t)
		resumed.Save, resumed.Resume = kept.save, kept.last
		got := run(t, resumed)
		want.Dir, got.Dir = "", ""
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("stopped at step %d: %s", at, diff)
		}
		if same(t, filepath.Join(all.last, "tensors.safetensors"), filepath.Join(kept.last, "tensors.safetensors")) != nil {
			t.Errorf("stopped at step %d: other weights or moments at the end", at)
		}
	}
}

func TestKilledTrainingResumesFromItsLastCheckpoint(t *testing.T) {
	want := run(t, job(t))
	killed := job(t)
	kept := &keeper{dir: t.TempDir()}
	ctx, kill := context.WithCancel(context.Background())
	defer kill()
	killed.Save = kept.save
	killed.Progress = func(p train.Progress) {
		if p.Step == 26 {
			kill()
		}
	}
	if _, err := train.Run(ctx, killed); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	resumed := job(t)
	resumed.Resume = kept.last
	got := run(t, resumed)
	want.Dir, got.Dir = "", ""
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func same(t *testing.T, a, b string) error {
	t.Helper()
	first, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	if string(first) != string(second) {
		return errors.New("files differ")
	}
	return nil
}

func TestBestModelIsTheReturnedOne(t *testing.T) {
	result := run(t, job(t))
	if len(result.Curves) != 3 || result.Steps != 40 {
		t.Fatalf("%d epochs, %d steps", len(result.Curves), result.Steps)
	}
	last := result.Curves[2]
	if first := result.Curves[0]; last.Loss >= first.Loss || len(last.Valid) != 4 || math.IsNaN(last.Mean) {
		t.Errorf("curves %+v", result.Curves)
	}
	m, err := t5.Load(result.Dir, torch.CPU)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Free()
	hash, err := m.Hash()
	if err != nil || hash != result.Hash {
		t.Errorf("loaded hash %q, want %q (%v)", hash, result.Hash, err)
	}
}

func TestEarlyStopCountsAsTheProtocolSays(t *testing.T) {
	for protocol, want := range map[string]int{spec.Paper: 0, spec.Clean: 0} {
		j := job(t)
		j.Spec.Protocol = protocol
		j.Spec.Train.LearningRate = 0.9 // nothing gets better
		j.Spec.Train.EpochSteps, j.Spec.Train.Epochs, j.Spec.Train.Steps, j.Spec.Train.Endure = 1, 30, 0, 2
		result := run(t, j)
		if !result.StoppedEarly || result.Steps == 30 {
			t.Errorf("%s: %d steps, stopped early %v (want %d)", protocol, result.Steps, result.StoppedEarly, want)
		}
		bad, since := 0, 0
		for _, epoch := range result.Curves {
			since++
			if epoch.Best {
				since = 0
			} else {
				bad++
			}
		}
		if protocol == spec.Paper && bad != 2 || protocol == spec.Clean && since != 2 {
			t.Errorf("%s: stopped after %d bad epochs, %d in a row", protocol, bad, since)
		}
	}
}

func TestDivergingLossNamesItsStep(t *testing.T) {
	j := job(t)
	j.Spec.Train.LearningRate = 1e30
	_, err := train.Run(context.Background(), j)
	if err == nil {
		t.Fatal("no error")
	}
	t.Log(err)
}
