package sasrec_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/prediction"
	"rdrec/internal/sasrec"
	"rdrec/internal/torch"
)

// resumable is a job of two points and two seeds, with dropout: 3 trainings of 3 epochs of 9 steps.
func resumable() sasrec.Job {
	settings := sasrec.Settings{
		HiddenSize: 8, Heads: 1, Blocks: 1, MaxLength: 5, Batch: 8, Epochs: 3, Patience: 3, Dropout: 0.3,
		LearningRate: 0.01, Loss: sasrec.LossLast,
	}
	better := settings
	better.HiddenSize = 4
	return sasrec.Job{Data: chains(20), Grid: []sasrec.Settings{settings, better}, Seeds: []int64{3, 4}}
}

// ranked runs a job and returns its result and each seed's rankings.
func ranked(t *testing.T, job sasrec.Job) (sasrec.TuneResult, [][]prediction.Prediction, error) {
	t.Helper()
	var all [][]prediction.Prediction
	tuned, err := sasrec.Run(t.Context(), job, func(_ int64, m *sasrec.Model) error {
		rows, err := m.Recommend(t.Context(), job.Data.Users, 5)
		all = append(all, rows)
		return err
	})
	return tuned, all, err
}

// TestAResumedRunHasTheSameResult stops a run within each of its epochs; it goes on from the
// checkpoint to the same weights and the same curves.
func TestAResumedRunHasTheSameResult(t *testing.T) {
	before := torch.Live()
	want, wantRows, err := ranked(t, resumable())
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, stop := range []int{2, 13, 20, 35, 50, 62, 77} {
		job := resumable()
		job.Dir = t.TempDir()
		stopping, steps := make(chan struct{}), 0
		job.Stop = stopping
		job.SaveDue = func() bool {
			if steps++; steps == stop {
				close(stopping)
			}
			return false
		}
		saved := ""
		job.Save = func(_ context.Context, step int, dir string) error {
			if step != stop {
				t.Errorf("a checkpoint after %d steps, want %d", step, stop)
			}
			saved = filepath.Join(t.TempDir(), "saved")
			return os.CopyFS(saved, os.DirFS(dir))
		}
		if _, _, err := ranked(t, job); !errors.Is(err, sasrec.ErrStopped) || saved == "" {
			t.Fatalf("stopped after %d of %d steps: %v, checkpoint %q", stop, steps, err, saved)
		}
		resumed := resumable()
		resumed.Resume = saved
		resumed.SaveDue = func() bool { total++; return false }
		got, rows, err := ranked(t, resumed)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("stopped after %d steps (-want +got):\n%s", stop, diff)
		}
		if diff := cmp.Diff(wantRows, rows); diff != "" {
			t.Errorf("rankings after %d steps (-want +got):\n%s", stop, diff)
		}
	}
	if all := 81 * 7; total != all-(2+13+20+35+50+62+77) {
		t.Errorf("the resumed runs made %d steps, want all that were left", total)
	}
	if after := torch.Live(); after != before {
		t.Errorf("%d tensors were left behind", after-before)
	}
}

// TestSavesWhenDue stores a checkpoint at each step that is due, and none at an epoch's end: the
// next step follows at once.
func TestSavesWhenDue(t *testing.T) {
	job := resumable()
	job.Dir = t.TempDir()
	steps := 0
	job.SaveDue = func() bool { steps++; return steps%4 == 0 }
	var saved []int
	broken := errors.New("no room")
	job.Save = func(_ context.Context, step int, _ string) error {
		if saved = append(saved, step); step == 16 {
			return broken
		}
		return nil
	}
	if _, _, err := ranked(t, job); !errors.Is(err, broken) {
		t.Errorf("error is %v", err)
	}
	if diff := cmp.Diff([]int{4, 8, 12, 16}, saved); diff != "" {
		t.Errorf("saved (-want +got):\n%s", diff)
	}
	if left, err := os.ReadDir(job.Dir); err != nil || len(left) > 0 {
		t.Errorf("%d folders are left, %v", len(left), err)
	}
}

// TestABrokenCheckpointIsRefused: one of other settings or with a torn state.
func TestABrokenCheckpointIsRefused(t *testing.T) {
	for name, state := range map[string]string{
		"torn":     "{",
		"random":   `{"shuffle":"AAAA"}`,
		"finished": `{"finished":[{},{},{}],"chosen":9}`,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "state.json"), []byte(state), 0o600); err != nil {
			t.Fatal(err)
		}
		job := resumable()
		job.Resume = dir
		if _, _, err := ranked(t, job); !errors.Is(err, sasrec.ErrSettings) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}
