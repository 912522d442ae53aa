package train_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/torch"
	"rdrec/internal/train"
)

// archive keeps every checkpoint, in the order in which they were saved.
type archive struct {
	dir   string
	dirs  []string
	steps []int
}

func (a *archive) save(_ context.Context, c train.Checkpoint) error {
	a.dirs = append(a.dirs, filepath.Join(a.dir, fmt.Sprintf("%03d", len(a.dirs))))
	a.steps = append(a.steps, c.Step)
	return os.CopyFS(a.last(), os.DirFS(c.Dir))
}

func (a *archive) last() string { return a.dirs[len(a.dirs)-1] }

// tensors are the weights and the two moments of the last checkpoint.
func (a *archive) tensors(t *testing.T) (weights, first, second []float32) {
	t.Helper()
	file, err := torch.OpenSafetensors(filepath.Join(a.last(), "tensors.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	err = torch.Run(func(s *torch.Scope) error {
		for name, into := range map[string]*[]float32{
			"weights": &weights, "first_moment": &first, "second_moment": &second,
		} {
			tensor, err := file.Read(s, name)
			if err != nil {
				return err
			}
			*into = tensor.Float32s()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return weights, first, second
}

// stopped runs a job until its first progress that at accepts, and returns its checkpoints. One
// that accepts the zero Progress stops before the first step.
func stopped(t *testing.T, j train.Job, at func(train.Progress) bool) *archive {
	t.Helper()
	kept, stop := &archive{dir: t.TempDir()}, make(chan struct{})
	closed := at(train.Progress{})
	if closed {
		close(stop)
	}
	j.Save, j.Stop = kept.save, stop
	j.Progress = func(p train.Progress) {
		if !closed && at(p) {
			closed = true
			close(stop)
		}
	}
	if _, err := train.Run(context.Background(), j); !errors.Is(err, train.ErrStopped) {
		t.Fatalf("stopped: %v", err)
	}
	return kept
}

// files are the contents of a folder by their paths.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	contents := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(dir, path))
		contents[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return contents
}

// sameFiles compares two folders byte by byte and names the files that differ.
func sameFiles(t *testing.T, want, got string) {
	t.Helper()
	a, b := files(t, want), files(t, got)
	for path, text := range a {
		if other, ok := b[path]; !ok || other != text {
			t.Errorf("file %q differs", path)
		}
	}
	if len(a) != len(b) {
		t.Errorf("%d files, want %d", len(b), len(a))
	}
}

// injectOOM makes the first operations of the step after step at fail, so many of them. It returns
// what ends that and reports the failures.
func injectOOM(j *train.Job, at, failures int) (end func() (failed int)) {
	done, failed := 0, 0
	j.Progress = func(p train.Progress) { done = p.Step }
	restore := torch.InjectOOM(func(int64) bool {
		if done != at || failed == failures {
			return false
		}
		failed++
		return true
	})
	return func() int {
		restore()
		return failed
	}
}

// TestEveryCheckpointResumesToTheSameBytes resumes trainings from their checkpoints: the result,
// the best model and the last checkpoint equal those of the undisturbed training in every byte.
func TestEveryCheckpointResumesToTheSameBytes(t *testing.T) {
	for _, c := range []struct {
		name     string
		change   func(*train.Job)
		failures int // operations that fail after the first step
		steps    []int
		first    bool // resume from the first checkpoint alone
		check    func(train.Result) bool
	}{
		{
			name: "undisturbed", change: func(*train.Job) {}, steps: []int{2, 3, 4, 6},
			check: func(r train.Result) bool { return len(r.Curve) == 2 && !r.StoppedEarly && len(r.Notices) == 0 },
		},
		{
			name: "memory ran out for a batch", change: func(*train.Job) {}, failures: 1, steps: []int{2, 3, 4, 6},
			first: true,
			check: func(r train.Result) bool { return len(r.Notices) == 1 },
		},
		{
			name: "memory ran out for a row", change: func(*train.Job) {}, failures: 2, steps: []int{2, 3, 4, 6},
			first: true,
			check: func(r train.Result) bool { return len(r.Notices) == 2 },
		},
		{
			name: "early stop", steps: []int{1, 2, 3},
			change: func(j *train.Job) {
				j.Spec.Train.EpochSteps, j.Spec.Train.Epochs = 1, 9
				j.Spec.Train.Patience, j.Spec.Train.LearningRate = 2, 0.9
			},
			check: func(r train.Result) bool { return r.StoppedEarly && r.Curve[0].Best && !r.Curve[2].Best },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			straight := func() train.Job {
				j := quick(t)
				c.change(&j)
				return j
			}
			j, all := straight(), &archive{dir: t.TempDir()}
			j.Save = all.save
			end := injectOOM(&j, 1, c.failures)
			want := run(t, j)
			if failed := end(); failed != c.failures || !c.check(want) {
				t.Fatalf("%d operations failed: %+v", failed, want)
			}
			if diff := cmp.Diff(c.steps, all.steps); diff != "" {
				t.Fatalf("checkpoints: %s", diff)
			}
			for i, dir := range all.dirs {
				if c.first && i > 0 {
					break
				}
				j, kept := straight(), &archive{dir: t.TempDir()}
				j.Save, j.Resume = kept.save, dir
				got := run(t, j)
				sameResult(t, want, got)
				if diff := cmp.Diff(all.steps[i+1:], kept.steps, cmpEmpty()); diff != "" {
					t.Errorf("resumed at step %d: checkpoints: %s", all.steps[i], diff)
				}
				if len(kept.dirs) > 0 {
					sameFiles(t, all.last(), kept.last())
				}
			}
		})
	}
}

// cmpEmpty takes no slice for an empty one.
func cmpEmpty() cmp.Option {
	return cmp.FilterValues(func(a, b []int) bool { return len(a)+len(b) == 0 }, cmp.Ignore())
}

func sameResult(t *testing.T, want, got train.Result) {
	t.Helper()
	sameFiles(t, want.Dir, got.Dir)
	want.Dir, got.Dir = "", ""
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestStoppedTrainingResumesToTheSameBytes stops a training where no checkpoint is due.
func TestStoppedTrainingResumesToTheSameBytes(t *testing.T) {
	j, all := quick(t), &archive{dir: t.TempDir()}
	j.Save = all.save
	want := run(t, j)
	for name, c := range map[string]struct {
		at   func(train.Progress) bool
		step int
	}{
		"before the first step":       {func(train.Progress) bool { return true }, 0},
		"before the first checkpoint": {func(p train.Progress) bool { return p.Step == 1 }, 1},
		"within validation":           {func(p train.Progress) bool { return p.Step == 3 && p.Validating }, 3},
	} {
		t.Run(name, func(t *testing.T) {
			kept := stopped(t, quick(t), c.at)
			if last := kept.steps[len(kept.steps)-1]; last != c.step {
				t.Errorf("stopped at step %d, want %d", last, c.step)
			}
			resumed := quick(t)
			resumed.Save, resumed.Resume = kept.save, kept.last()
			sameResult(t, want, run(t, resumed))
			sameFiles(t, all.last(), kept.last())
		})
	}
}

// TestEndOfMemoryEndsTraining: where one row does not fit either, nor when layers are computed
// again, the step fails.
func TestEndOfMemoryEndsTraining(t *testing.T) {
	j := quick(t)
	end := injectOOM(&j, 1, -1)
	_, err := train.Run(context.Background(), j)
	// Of two rows, of one, and of one whose layers are computed again.
	if failed := end(); failed != 3 || !errors.Is(err, torch.ErrOutOfMemory) {
		t.Errorf("%d operations failed: %v", failed, err)
	}
}

// TestMicroBatchIsHalvedRoundedUp lets a batch of five rows fail so often.
func TestMicroBatchIsHalvedRoundedUp(t *testing.T) {
	for _, c := range []struct{ start, failures, want int }{{0, 1, 3}, {0, 2, 2}, {0, 3, 1}, {4, 1, 2}, {9, 1, 3}} {
		j := quick(t)
		j.Spec.Train.Batch, j.Spec.Train.MicroBatch = 5, c.start
		prepared, err := train.Prepare(j)
		if err != nil {
			t.Fatal(err)
		}
		failed := 0
		end := torch.InjectOOM(func(int64) bool { failed++; return failed <= c.failures })
		_, err = prepared.ValidationLoss(prepared.Next())
		end()
		if got := prepared.MicroBatch(); err != nil || got != c.want {
			t.Errorf(
				"from %d rows at a time, %d failures: %d rows, want %d (%v)", c.start, c.failures, got, c.want, err,
			)
		}
		prepared.Free()
	}
}
