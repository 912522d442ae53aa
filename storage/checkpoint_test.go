package storage_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/storage"
)

// training is a file bucket with the checkpoints of one piece of work.
type training struct {
	*storage.Bucket
	t    *testing.T
	root string
}

const work = "0123456789abcdef"

func newTraining(t *testing.T) *training {
	t.Helper()
	root := filepath.Join(t.TempDir(), "bucket")
	return &training{open(t, "file://"+root), t, root}
}

// attempt begins an attempt that keeps so many checkpoints.
func (w *training) attempt(owner string, keep int) *storage.Checkpoints {
	w.t.Helper()
	c, err := storage.OpenCheckpoints(w.t.Context(), w.Bucket, work, owner, keep)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// restore begins another attempt and restores.
func (w *training) restore() (storage.Checkpoint, string, error) {
	w.t.Helper()
	dir := w.t.TempDir()
	saved, err := w.attempt("reader", 2).Restore(w.t.Context(), dir)
	weights, readErr := os.ReadFile(filepath.Join(dir, "weights"))
	if err == nil && readErr != nil {
		w.t.Error(readErr)
	}
	return saved, string(weights), err
}

// manifests are the checkpoints that are there, as ATTEMPT/STEP.
func (w *training) manifests() []string {
	w.t.Helper()
	var all []string
	for name := range contents(w.t, filepath.Join(w.root, "checkpoints", work)) {
		if dir, ok := strings.CutSuffix(name, "/manifest.json"); ok {
			all = append(all, dir)
		}
	}
	slices.Sort(all)
	return all
}

// TestCheckpointsToKeep saves after an earlier attempt: its checkpoint is the fallback until this
// attempt has more than enough of its own.
func TestCheckpointsToKeep(t *testing.T) {
	const (
		earlier = "000001-a/000000005"
		first   = "000002-b/000000010"
		second  = "000002-b/000000020"
		third   = "000002-b/000000030"
	)
	for _, c := range []struct {
		keep, saves int
		want        []string
	}{
		{2, 0, []string{earlier}},
		{2, 1, []string{earlier, first}},
		{2, 2, []string{earlier, first, second}},
		{2, 3, []string{second, third}},
		{1, 1, []string{earlier, first}},
		{1, 2, []string{second}},
		{3, 3, []string{earlier, first, second, third}},
		{0, 1, []string{earlier, first}},
		{0, 2, []string{second}},
	} {
		w := newTraining(t)
		save(t, w.attempt("a", 2), 5)
		now := w.attempt("b", c.keep)
		for step := 1; step <= c.saves; step++ {
			save(t, now, 10*step)
		}
		if diff := cmp.Diff(c.want, w.manifests()); diff != "" {
			t.Errorf("keep %d, %d saves: %s", c.keep, c.saves, diff)
		}
	}
}

func TestPruneKeepsAFallbackOfTheEarlierAttempt(t *testing.T) {
	w := newTraining(t)
	save(t, w.attempt("a", 2), 5)
	now := w.attempt("b", 2)
	save(t, now, 10)
	save(t, now, 20)
	corruptObject(t, w.root, "checkpoints/*/000002-b/000000010/weights")
	corruptObject(t, w.root, "checkpoints/*/000002-b/000000020/weights")
	saved, weights, err := w.restore()
	if err != nil || saved.Token != "000001-a" || saved.Step != 5 || weights != "5" || len(saved.Quarantined) != 2 {
		t.Errorf("restored %+v with weights %q, %v; want step 5 of the attempt before", saved, weights, err)
	}
	for i, step := range []string{"000000020", "000000010"} {
		if !strings.Contains(saved.Quarantined[i], step) {
			t.Errorf("skipped %q, want step %s: the newest is tried first", saved.Quarantined[i], step)
		}
	}
}

// TestRestorePrefersNewestAttemptThenHighestStep has steps and attempts of different numbers of
// digits, saved in any order.
func TestRestorePrefersNewestAttemptThenHighestStep(t *testing.T) {
	type saves struct {
		owner string
		steps []int
	}
	for _, c := range []struct {
		name     string
		attempts []saves
		token    string
		step     int
	}{
		{"one", []saves{{"a", []int{7}}}, "000001-a", 7},
		{"digits of steps", []saves{{"a", []int{9, 10, 99, 100, 99_999, 100_000}}}, "000001-a", 100_000},
		{"a later attempt with fewer steps", []saves{{"a", []int{100}}, {"b", []int{20, 30}}}, "000002-b", 30},
		{"the owner's name decides nothing", []saves{{"z", []int{100}}, {"a", []int{20}}}, "000002-a", 20},
		{"a later attempt without a checkpoint", []saves{{"a", []int{100}}, {"b", nil}}, "000001-a", 100},
		{"ten attempts", []saves{
			{"a", nil},
			{"b", nil},
			{"c", nil},
			{"d", nil},
			{"e", nil},
			{"f", nil},
			{"g", nil},
			{"h", nil},
			{"i", []int{90}},
			{"j", []int{10}},
		}, "000010-j", 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newTraining(t)
			for _, a := range c.attempts {
				now := w.attempt(a.owner, 100)
				for _, step := range slices.Backward(a.steps) {
					save(t, now, step)
				}
			}
			saved, weights, err := w.restore()
			if err != nil || saved.Token != c.token || saved.Step != c.step || weights != fmt.Sprint(c.step) {
				t.Errorf("restored %+v with weights %q, %v; want step %d of %s", saved, weights, err, c.step, c.token)
			}
		})
	}
}

// TestAttemptsWithoutACheckpointAreCounted counts those between the last checkpoint and the present
// attempt.
func TestAttemptsWithoutACheckpointAreCounted(t *testing.T) {
	w := newTraining(t)
	for want := range 3 {
		saved, _, err := w.restore()
		if !errors.Is(err, storage.ErrNotFound) || saved.AttemptsWithoutCheckpoint != want ||
			!strings.HasPrefix(err.Error(), "resume 0123456789ab: ") {
			t.Errorf("before the first checkpoint: %+v, %v; want %d attempts without one", saved, err, want)
		}
	}
	save(t, w.attempt("a", 2), 10)
	for want := range 3 {
		if saved, _, err := w.restore(); err != nil || saved.AttemptsWithoutCheckpoint != want {
			t.Errorf("after it: %+v, %v; want %d attempts without one", saved, err, want)
		}
	}
}

// TestAttemptRecord names its owner and the attempt before.
func TestAttemptRecord(t *testing.T) {
	w := newTraining(t)
	w.attempt("a", 2)
	w.attempt("b", 2)
	for token, want := range map[string]map[string]string{
		"000001-a": {"owner": "a", "parent": ""}, "000002-b": {"owner": "b", "parent": "000001-a"},
	} {
		data, err := os.ReadFile(filepath.Join(w.root, "checkpoints", work, token, "attempt.json"))
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]string
		if err := json.Unmarshal(data, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", token, diff)
		}
	}
}

// TestForeignFoldersAreIgnored puts folders of other names beside the attempts.
func TestForeignFoldersAreIgnored(t *testing.T) {
	w := newTraining(t)
	for _, name := range []string{"000000-zero", "notes", "-1-x", "stray"} {
		writeFile(t, filepath.Join(w.root, "checkpoints", work, name, "file"))
	}
	writeFile(t, filepath.Join(w.root, "checkpoints", work, "999999-in-no-folder"))
	save(t, w.attempt("a", 2), 10)
	save(t, w.attempt("b", 2), 20)
	if diff := cmp.Diff([]string{"000001-a/000000010", "000002-b/000000020"}, w.manifests()); diff != "" {
		t.Error(diff)
	}
}

// TestCheckpointManifest is byte for byte what earlier versions wrote and later ones read.
func TestCheckpointManifest(t *testing.T) {
	w := newTraining(t)
	c := w.attempt("a", 2)
	if err := c.Save(t.Context(), 3, folder(t, map[string]string{"weights": "one", "sub/adam": "two"})); err != nil {
		t.Fatal(err)
	}
	got := contents(t, filepath.Join(w.root, "checkpoints", work, "000001-a", "000000003"))
	want := map[string]string{
		"weights": "one", "sub/adam": "two",
		"manifest.json": `{"step":3,"files":[{"name":"sub/adam","digest":"` + digestOfTwo + `","size":3},` +
			`{"name":"weights","digest":"` + digestOfOne + `","size":3}]}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestMissingFileMakesCheckpointCorrupt deletes a file that the manifest names: the checkpoint
// before it is used.
func TestMissingFileMakesCheckpointCorrupt(t *testing.T) {
	w := newTraining(t)
	c := w.attempt("a", 2)
	save(t, c, 10)
	save(t, c, 20)
	if err := os.Remove(filepath.Join(w.root, "checkpoints", work, "000001-a/000000020/weights")); err != nil {
		t.Fatal(err)
	}
	saved, weights, err := w.restore()
	if err != nil || saved.Step != 10 || weights != "10" || len(saved.Quarantined) != 1 {
		t.Errorf("restored %+v with weights %q, %v; want step 10", saved, weights, err)
	}
	quarantined := filepath.Join(w.root, "quarantine/checkpoints", work, "000001-a/000000020/manifest.json")
	if _, err := os.Stat(quarantined); err != nil {
		t.Error(err)
	}
}

// TestUnreadableCheckpointIsNotQuarantined fails for a reason that may pass: nothing older is
// used in its place.
func TestUnreadableCheckpointIsNotQuarantined(t *testing.T) {
	w := newTraining(t)
	c := w.attempt("a", 2)
	save(t, c, 10)
	save(t, c, 20)
	now := w.attempt("b", 2)
	blocked := filepath.Join(t.TempDir(), "file")
	writeFile(t, blocked)
	if saved, err := now.Restore(
		t.Context(), filepath.Join(blocked, "folder"),
	); err == nil || len(saved.Quarantined) > 0 {
		t.Errorf("restored %+v, %v into a folder that can't be made", saved, err)
	}
	if diff := cmp.Diff([]string{"000001-a/000000010", "000001-a/000000020"}, w.manifests()); diff != "" {
		t.Error(diff)
	}
}

// blockDeletion lets the deletion of the object at path fail just after it is gone: the blob
// library deletes a file of attributes next, and here that is a folder.
func blockDeletion(t *testing.T, path string) {
	t.Helper()
	writeFile(t, filepath.Join(path+".attrs", "x.attrs"))
}

// TestPruningDeletesTheManifestFirst breaks off at the first file: a half-deleted checkpoint is
// never chosen.
func TestPruningDeletesTheManifestFirst(t *testing.T) {
	w := newTraining(t)
	c := w.attempt("a", 1)
	for _, step := range []int{10, 20} {
		dir := folder(t, map[string]string{"adam": "moments", "weights": fmt.Sprint(step)})
		if step == 20 {
			blockDeletion(t, filepath.Join(w.root, "checkpoints", work, "000001-a/000000010/adam"))
		}
		if err := c.Save(t.Context(), step, dir); (err != nil) != (step == 20) {
			t.Fatalf("step %d: %v", step, err)
		}
	}
	left := contents(t, filepath.Join(w.root, "checkpoints", work, "000001-a/000000010"))
	delete(left, "adam.attrs/x.attrs")
	if diff := cmp.Diff(map[string]string{"weights": "10"}, left); diff != "" {
		t.Errorf("left of step 10 when its first file could not be deleted: %s", diff)
	}
}

// TestManifestsNeverLeaveTheFolder restores a checkpoint whose manifest names files outside the
// folder: it is corrupt, nothing is written, and the checkpoint before it is used.
func TestManifestsNeverLeaveTheFolder(t *testing.T) {
	for _, name := range []string{"../../escaped", "/escaped", "a/../../escaped", ""} {
		w := newTraining(t)
		c := w.attempt("a", 2)
		save(t, c, 10)
		save(t, c, 20)
		manifest := filepath.Join(w.root, "checkpoints", work, "000001-a/000000020/manifest.json")
		text, err := os.ReadFile(manifest)
		if err != nil {
			t.Fatal(err)
		}
		changed := strings.Replace(string(text), `"name":"weights"`, fmt.Sprintf(`"name":%q`, name), 1)
		if err := os.WriteFile(manifest, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(t.TempDir(), "a", "b")
		saved, err := w.attempt("next", 1).Restore(t.Context(), dir)
		if err != nil || saved.Step != 10 || len(saved.Quarantined) != 1 ||
			!strings.Contains(saved.Quarantined[0], "leads out of its folder") {
			t.Errorf("%q: restored %+v, %v; want step 10", name, saved, err)
		}
		if found, err := filepath.Glob(filepath.Join(dir, "..", "..", "escaped")); err != nil || found != nil {
			t.Errorf("%q: wrote %v, error %v", name, found, err)
		}
	}
}
