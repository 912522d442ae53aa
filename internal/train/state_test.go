package train_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/train"
)

// at4 is quick's checkpoint after step 4, in the second epoch.
func at4(t *testing.T) *archive {
	t.Helper()
	return stopped(t, quick(t), func(p train.Progress) bool { return p.Step == 4 })
}

// between is the part of a text between two others.
func between(t *testing.T, text, before, after string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, before)
	part, _, ends := strings.Cut(rest, after)
	if !ok || !ends {
		t.Fatalf("no %q before %q in %q", before, after, text)
	}
	return part
}

// TestEveryFieldOfACheckpointIsRestored writes a state whose fields all have values that nothing
// else has, resumes, and stops at once: the checkpoint that is saved then has every field.
func TestEveryFieldOfACheckpointIsRestored(t *testing.T) {
	kept := at4(t)
	path := filepath.Join(kept.last(), "state.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	parameters := between(t, string(text), `"parameters":`, ",")
	mixer := between(t, string(text), `"mixer":`, `,"mixer_step"`)
	want := fmt.Sprintf(`{"seed":3,"parameters":%s,"step":4,"loss_sum":1.25,"rows":7,"best":0.5,"best_hash":"abc",`+
		`"bad_epochs":1,"stopped_early":false,"curve":[{"epoch":8,"step":9,"loss":10.5,`+
		`"validation":[{"task":"sequential","loss":11.5}],`+
		`"mean":12.5,"best":true}],`+
		`"mixer":%s,"mixer_step":3,"gradient_checkpointing":true,"micro_batch":5,"oom_step":6}`, parameters, mixer)
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
	resumed := quick(t)
	resumed.Resume = kept.last()
	again := stopped(t, resumed, func(train.Progress) bool { return true })
	sameFiles(t, kept.last(), again.last())
	got, err := os.ReadFile(filepath.Join(again.last(), "state.json"))
	if diff := cmp.Diff(want, string(got)); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}

// TestEarlyStoppedStateIsFinished: a state that stopped early takes no step more, whatever steps
// are left.
func TestEarlyStoppedStateIsFinished(t *testing.T) {
	kept := at4(t)
	replaceIn(t, filepath.Join(kept.last(), "state.json"), `"stopped_early":false`, `"stopped_early":true`)
	resumed, later := quick(t), &archive{dir: t.TempDir()}
	resumed.Resume, resumed.Save = kept.last(), later.save
	got := run(t, resumed)
	if !got.StoppedEarly || got.Steps != 4 || len(later.steps) > 0 {
		t.Errorf("%d steps, stopped early %t, checkpoints %v", got.Steps, got.StoppedEarly, later.steps)
	}
}

func replaceIn(t *testing.T, path, old, text string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), old) {
		t.Fatalf("%q has no %q", path, old)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(data), old, text, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestMixerStateIsOfTheCheckpoint: where a checkpoint is due, its batches need not be sampled
// again.
func TestMixerStateIsOfTheCheckpoint(t *testing.T) {
	j, all := quick(t), &archive{dir: t.TempDir()}
	j.Save = all.save
	run(t, j)
	for i, dir := range all.dirs {
		text, err := os.ReadFile(filepath.Join(dir, "state.json"))
		if want := fmt.Sprintf(`"mixer_step":%d}`, all.steps[i]); err != nil || !strings.HasSuffix(string(text), want) {
			t.Errorf("checkpoint of step %d: no %s (%v)", all.steps[i], want, err)
		}
	}
}

func TestDamagedCheckpointsAreRefused(t *testing.T) {
	kept := at4(t)
	for name, damage := range map[string]func(dir string){
		"state is gone":      func(dir string) { remove(t, dir, "state.json") },
		"state is cut":       func(dir string) { truncate(t, dir, "state.json") },
		"tensors are gone":   func(dir string) { remove(t, dir, "tensors.safetensors") },
		"tensors are cut":    func(dir string) { truncate(t, dir, "tensors.safetensors") },
		"best model is gone": func(dir string) { remove(t, dir, "best") },
		"mixer is another's": func(dir string) {
			replaceIn(t, filepath.Join(dir, "state.json"), `"mixer":{`, `"mixer":{"counts":[9,9,9,9],"x":{`)
		},
		"seed is another": func(dir string) { replaceIn(t, filepath.Join(dir, "state.json"), `"seed":3`, `"seed":4`) },
		"model is another": func(dir string) {
			replaceIn(t, filepath.Join(dir, "state.json"), `"parameters":`, `"parameters":1`)
		},
		"a tensor is missing": func(dir string) {
			replaceIn(t, filepath.Join(dir, "tensors.safetensors"), "first_moment", "other_moment")
		},
	} {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(kept.last())); err != nil {
			t.Fatal(err)
		}
		damage(dir)
		j := quick(t)
		j.Resume = dir
		_, err := train.Run(context.Background(), j)
		if err == nil || !strings.Contains(err.Error(), "resuming from checkpoint") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func truncate(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Truncate(filepath.Join(dir, name), 60); err != nil {
		t.Fatal(err)
	}
}

// TestScratchFolderKeepsTheBestModelAlone: checkpoints are deleted once saved, also when saving
// fails, which ends training.
func TestScratchFolderKeepsTheBestModelAlone(t *testing.T) {
	full := errors.New("bucket is full")
	for _, c := range []struct {
		fails int // the step whose checkpoint is not saved
		want  []string
	}{{0, []string{"best"}}, {2, nil}, {3, []string{"best"}}} {
		j := quick(t)
		j.Save = func(_ context.Context, checkpoint train.Checkpoint) error {
			if _, err := os.Stat(filepath.Join(checkpoint.Dir, "state.json")); err != nil {
				return err
			}
			if checkpoint.Step == c.fails {
				return full
			}
			return nil
		}
		_, err := train.Run(context.Background(), j)
		if c.fails == 0 && err != nil || c.fails > 0 && !errors.Is(err, full) {
			t.Errorf("failing at step %d: %v", c.fails, err)
		}
		if want := fmt.Sprintf("checkpoint at step %d:", c.fails); err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not contain %q", err, want)
		}
		entries, err := os.ReadDir(j.Dir)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, entry := range entries {
			names = append(names, entry.Name())
		}
		if diff := cmp.Diff(c.want, names); diff != "" {
			t.Errorf("failing at step %d: %s", c.fails, diff)
		}
	}
}

// TestFilesOfAnEarlierAttemptStayAsTheyAre: a killed attempt may leave a half-written best model,
// whose files a saved checkpoint shares.
func TestFilesOfAnEarlierAttemptStayAsTheyAre(t *testing.T) {
	kept := at4(t)
	for name, resume := range map[string]string{"afresh": "", "resumed": kept.last()} {
		j := quick(t)
		j.Resume = resume
		shared := filepath.Join(t.TempDir(), "shared")
		if err := os.WriteFile(shared, []byte("shared"), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{"best", "best.new"} {
			if err := os.Mkdir(filepath.Join(j.Dir, dir), 0o755); err != nil {
				t.Fatal(err)
			}
			for _, file := range []string{"config.json", "model.safetensors", "left-over"} {
				if err := os.Link(shared, filepath.Join(j.Dir, dir, file)); err != nil {
					t.Fatal(err)
				}
			}
		}
		result := run(t, j)
		if text, err := os.ReadFile(shared); err != nil || string(text) != "shared" {
			t.Errorf("%s: a shared file was overwritten (%v)", name, err)
		}
		if _, err := os.Stat(filepath.Join(result.Dir, "left-over")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the best model has files of an earlier attempt (%v)", name, err)
		}
	}
}
