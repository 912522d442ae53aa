package storage_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rdrec/storage"
)

// runHistory is a file bucket with two runs: both use the data set, only the second the model.
type runHistory struct {
	*storage.Bucket
	root        string
	data, model storage.Ref
}

func newRunHistory(t *testing.T) runHistory {
	t.Helper()
	root := filepath.Join(t.TempDir(), "bucket")
	h := runHistory{Bucket: open(t, "file://"+root), root: root}
	h.data = h.putArtifact(t, "dataset", map[string]string{"sequential.txt": "1 2 3", "titles.json": "[]"})
	h.model = h.putArtifact(t, "model", map[string]string{"model.safetensors": "weights"})
	data := storage.StageRecord{Stage: "import", Fingerprint: strings.Repeat("a", 64), Output: h.data}
	model := storage.StageRecord{Stage: "pretrain", Fingerprint: strings.Repeat("b", 64), Output: h.model}
	for _, err := range []error{
		h.Commit(t.Context(), data), h.Commit(t.Context(), model),
		h.AddLineage(t.Context(), "first", "run-1", data),
		h.AddLineage(t.Context(), "second", "run-2", data), h.AddLineage(t.Context(), "second/rdrec-1", "run-3", model),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func (h runHistory) putArtifact(t *testing.T, kind string, files map[string]string) storage.Ref {
	t.Helper()
	ref, err := h.PutFolder(t.Context(), kind, folder(t, files))
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// flipByte changes one byte of the object that holds text.
func (h runHistory) flipByte(t *testing.T, text string) (key string) {
	t.Helper()
	key = storage.ContentKey(storage.Ref{Digest: storage.Digest([]byte(text))})
	path := filepath.Join(h.root, key)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return key
}

func (h runHistory) verify(t *testing.T, name string) storage.VerifyResult {
	t.Helper()
	v, err := h.Verify(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVerifyReportsCorruptObjectAndItsRuns(t *testing.T) {
	h := newRunHistory(t)
	for name, runs := range map[string]int{"": 3, "first": 1, "second": 2, "second/run-2": 1} {
		if v := h.verify(t, name); len(v.BadObjects) != 0 || v.Runs != runs || v.Objects == 0 {
			t.Errorf("%q before: %+v, want %d runs and no fault", name, v, runs)
		}
	}
	weights, data := h.flipByte(t, "weights"), h.flipByte(t, "1 2 3")
	if v := h.verify(t, "first"); len(v.BadObjects) != 1 || v.BadObjects[0].Key != data {
		t.Errorf("the first run: %+v, want the data's fault alone", v)
	}
	want := map[string][]string{data: {"first/run-1", "second/run-2"}, weights: {"second/rdrec-1/run-3"}}
	got := map[string][]string{}
	for _, f := range h.verify(t, "").BadObjects {
		got[f.Key] = f.Runs
		if !strings.Contains(f.Reason, "hash to") {
			t.Errorf("%s: %q", f.Key, f.Reason)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := h.Verify(t.Context(), "no-such-run"); err == nil {
		t.Error("a run without records is verified")
	}
}

// TestVerifySaysWhatIsWrong has a fault of each kind, one at a time.
func TestVerifySaysWhatIsWrong(t *testing.T) {
	weights := content(storage.Digest([]byte("weights")))
	hash := storage.Digest([]byte("weighty"))
	const note = "runs/first/run-1/stages/import-aaaaaaaaaaaa.json"
	record := "stages/import/" + strings.Repeat("a", 64) + ".json"
	for _, c := range []struct{ name, key, text, run, reason string }{
		{"the same length", weights, "weighty", "second/rdrec-1/run-3", "its 7 bytes hash to " + hash},
		{
			"another length", weights, "half", "second/rdrec-1/run-3",
			"its 4 bytes hash to " + storage.Digest([]byte("half")) + "; 7 bytes were written",
		},
		{
			"a manifest that is no JSON", "checkpoints/f/000001-a/000000010/manifest.json", "half", "",
			"not a checkpoint's manifest: invalid character 'h' looking for beginning of value",
		},
		{"a record of no artifact", record, "{}", "", "not a stage's record: its 2 bytes contain no artifact"},
		{
			"a record with a field of another type", record,
			`{"output":{"digest":"` + digestOfOne + `","size":3},"seconds":"x"}`, "",
			"not a stage's record: its 111 bytes contain no artifact",
		},
		{"a record that is no JSON", record, "half", "", "not a stage's record: its 4 bytes contain no artifact"},
		{
			"a run's record that is no JSON", note, "half", "first/run-1",
			"not a record: invalid character 'h' looking for beginning of value",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newRunHistory(t)
			writeFile(t, filepath.Join(h.root, c.key))
			if err := os.WriteFile(filepath.Join(h.root, c.key), []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			found := h.verify(t, "").BadObjects
			if len(found) != 1 || found[0].Key != c.key || found[0].Reason != c.reason || strings.Join(found[0].Runs,
				" ") != c.run {
				t.Errorf("found %+v, want %s of %q: %s", found, c.key, c.run, c.reason)
			}
		})
	}
}

// TestATornPointerHidesNoOtherName has one under a name that comes before another's, whose model is
// spoilt.
func TestATornPointerHidesNoOtherName(t *testing.T) {
	h := newRunHistory(t)
	h.promote(t, 0, h.promotion(t, "one"))
	writeFile(t, filepath.Join(h.root, "nightly/another/current.json"))
	weights := h.flipByte(t, "one")
	var got []string
	for _, f := range h.verify(t, "").BadObjects {
		got = append(got, f.Key+" of "+strings.Join(f.Runs, " "))
	}
	want := []string{
		weights + " of nightly/shop/promotions/000001", "nightly/another/current.json of nightly/another/current",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestATornPointerIsFoundUnderItsName(t *testing.T) {
	h := newRunHistory(t)
	h.promote(t, 0, h.promotion(t, "one"))
	writeFile(t, filepath.Join(h.root, "nightly/shop/current.json"))
	faults := h.verify(t, "nightly/shop").BadObjects
	if len(faults) != 1 || faults[0].Key != "nightly/shop/current.json" {
		t.Errorf("found %+v, want the pointer", faults)
	}
}

// TestVerifyReadsRationales spoils a part of a shard, and one of none.
func TestVerifyReadsRationales(t *testing.T) {
	h := newRunHistory(t)
	all := storage.OpenRationales[int](h.Bucket, "teacher")
	for _, rows := range []storage.Rationales[int]{all, all.Shard(strings.Repeat("e", 64))} {
		if err := rows.Append(t.Context(), []int{1}); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"notes.jsonl", "x-notes.jsonl", digestOfOne + ".1f.tmp"} {
		writeFile(t, filepath.Join(h.root, "rationales/teacher", name))
	}
	if v := h.verify(t, ""); len(v.BadObjects) > 0 || v.Objects != 7 {
		t.Errorf("before: %+v, want 7 objects and no fault", v)
	}
	digest := storage.Digest([]byte("1\n"))
	for i, name := range []string{digest, strings.Repeat("e", 16) + "-" + digest} {
		key := "rationales/teacher/" + name + ".jsonl"
		corruptObject(t, h.root, key)
		if faults := h.verify(t, "").BadObjects; len(faults) != i+1 || faults[i].Key != key {
			t.Errorf("%s is spoilt: found %+v", key, faults)
		}
	}
}

// TestVerifyCountsWhatItReads has the two artifacts of the runs, and an orphan that only the whole
// bucket has.
func TestVerifyCountsWhatItReads(t *testing.T) {
	h := newRunHistory(t)
	orphan, err := h.Put(t.Context(), []byte("orphan"))
	if err != nil {
		t.Fatal(err)
	}
	data, model := h.data.Size+int64(len("1 2 3")+len("[]")), h.model.Size+int64(len("weights"))
	for name, want := range map[string]storage.VerifyResult{
		"first": {Runs: 1, Objects: 3, Bytes: data}, "second": {Runs: 2, Objects: 5, Bytes: data + model},
		"": {Runs: 3, Objects: 6, Bytes: data + model + orphan.Size},
	} {
		want.BadObjects = []storage.BadObject{}
		if diff := cmp.Diff(want, h.verify(t, name)); diff != "" {
			t.Errorf("%q: %s", name, diff)
		}
	}
}

// TestARunsOtherFilesAreNoRecords puts files beside the records that would be unreadable ones.
func TestARunsOtherFilesAreNoRecords(t *testing.T) {
	h := newRunHistory(t)
	for _, name := range []string{
		"report.json", "notes/x.json", "stages/x.json.1f.tmp", "stages/x.txt",
		"stages/sub/x.json",
	} {
		writeFile(t, filepath.Join(h.root, "runs/first/run-1", name))
	}
	if v := h.verify(t, ""); len(v.BadObjects) > 0 || v.Runs != 3 {
		t.Errorf("%+v", v)
	}
}

func TestVerifyReportsMissingTruncatedAndUnreadable(t *testing.T) {
	h := newRunHistory(t)
	c := attempt(t, h.Bucket)
	save(t, c, 10)
	rows := storage.OpenRationales[string](h.Bucket, "teacher")
	if err := rows.Append(t.Context(), []string{"row"}); err != nil {
		t.Fatal(err)
	}
	if v := h.verify(t, ""); len(v.BadObjects) != 0 {
		t.Fatalf("before: %+v", v.BadObjects)
	}
	gone := storage.ContentKey(h.model)
	if err := os.Remove(filepath.Join(h.root, gone)); err != nil {
		t.Fatal(err)
	}
	patterns := []string{"checkpoints/*/*/*/weights", "rationales/*/*", "stages/import/*", "runs/first/*/stages/*"}
	for _, pattern := range patterns {
		corruptObject(t, h.root, pattern)
	}
	bad := h.verify(t, "").BadObjects
	if len(bad) != len(patterns)+1 {
		t.Errorf("%d faults, want %d: %+v", len(bad), len(patterns)+1, bad)
	}
	i := slices.IndexFunc(bad, func(f storage.BadObject) bool { return f.Key == gone })
	if i < 0 || bad[i].Reason != "missing" || !slices.Contains(bad[i].Runs, "second/rdrec-1/run-3") {
		t.Errorf("the missing model: %+v", bad)
	}
}

func TestCollectSparesReferencedObjects(t *testing.T) {
	h := newRunHistory(t)
	orphan := h.putArtifact(
		t, "model", map[string]string{"model.safetensors": "of a training whose record was never written"},
	)
	unfinished := attempt(t, h.Bucket)
	save(t, unfinished, 10)
	half := filepath.Join(h.root, "checkpoints/0123456789abcdef/000001-run-1/000000020")
	writeFile(t, filepath.Join(half, "weights"))
	writeFile(t, filepath.Join(h.root, "cas/sha256/ab/abcd.1f.tmp"))
	finished, err := storage.OpenCheckpoints(t.Context(), h.Bucket, strings.Repeat("b", 64), "run-3", 2)
	if err != nil {
		t.Fatal(err)
	}
	save(t, finished, 30)

	young := storage.CollectOptions{Before: time.Now().Add(-time.Hour)}
	if got := collect(t, h, young); got.Contents.Objects+got.Checkpoints.Objects+got.TempFiles.Objects != 0 {
		t.Errorf("too young to be collected: %+v", got)
	}
	all := storage.CollectOptions{Before: time.Now().Add(time.Hour), DryRun: true}
	want := collect(t, h, all)
	if want.Contents.Objects != 2 || want.Checkpoints.Objects != 4 || want.TempFiles.Objects != 1 ||
		want.Contents.Bytes == 0 {
		t.Errorf(
			"dry run: %+v, want the orphan's 2 objects, the finished training's 3 and the half checkpoint's 1, 1 "+
				"leftover",
			want,
		)
	}
	if _, err := h.Get(t.Context(), orphan); err != nil {
		t.Errorf("a dry run deleted: %v", err)
	}
	all.DryRun = false
	if diff := cmp.Diff(want, collect(t, h, all)); diff != "" {
		t.Errorf("collected other objects than the dry run said: %s", diff)
	}
	if _, err := h.Get(t.Context(), orphan); err == nil {
		t.Error("the orphan is still there")
	}
	if again := collect(t, h, all); again.Contents.Objects+again.Checkpoints.Objects+again.TempFiles.Objects != 0 {
		t.Errorf("the second time there is nothing to collect: %+v", again)
	}
	if v := h.verify(t, ""); len(v.BadObjects) != 0 {
		t.Errorf("after: %+v", v.BadObjects)
	}
	if saved, err := attempt(t, h.Bucket).Restore(t.Context(), t.TempDir()); err != nil || saved.Step != 10 {
		t.Errorf("the unfinished training: %+v, %v", saved, err)
	}
}

func collect(t *testing.T, h runHistory, c storage.CollectOptions) storage.CollectResult {
	t.Helper()
	got, err := h.Collect(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func writeFile(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Who can't be read can't say what it needs: nothing is deleted then.
func TestCollectStopsAtUnreadableRecord(t *testing.T) {
	for _, pattern := range []string{"runs/first/*/stages/*", "stages/import/*"} {
		h := newRunHistory(t)
		orphan := h.putArtifact(t, "model", map[string]string{"x": "orphan"})
		corruptObject(t, h.root, pattern)
		if _, err := h.Collect(t.Context(), storage.CollectOptions{Before: time.Now().Add(time.Hour)}); err == nil {
			t.Errorf("%s: collected beside a spoilt record", pattern)
		}
		if _, err := h.Get(t.Context(), orphan); err != nil {
			t.Errorf("%s: %v", pattern, err)
		}
	}
}

// What is stored again must not look old to a collection that began before.
func TestPutRewritesOldContent(t *testing.T) {
	h := newRunHistory(t)
	path := filepath.Join(h.root, storage.ContentKey(h.data))
	old := time.Now().Add(-48 * time.Hour)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	if again := h.putArtifact(t, "dataset", map[string]string{
		"sequential.txt": "1 2 3",
		"titles.json":    "[]",
	}); again != h.data {
		t.Fatalf("stored as %v", again)
	}
	info, err := os.Stat(path)
	if err != nil || time.Since(info.ModTime()) > time.Hour {
		t.Errorf("%v, %v: want it young", info.ModTime(), err)
	}
}

// TestVerifyChecksStagesWithoutARun finds a missing file of an artifact that only the record of a
// stage names.
func TestVerifyChecksStagesWithoutARun(t *testing.T) {
	h := newRunHistory(t)
	lone := h.putArtifact(t, "dataset", map[string]string{"lone.txt": "only here"})
	err := h.Commit(t.Context(), storage.StageRecord{
		Stage: "import", Fingerprint: strings.Repeat("c", 64), Output: lone,
	})
	if err != nil {
		t.Fatal(err)
	}
	key := storage.ContentKey(storage.Ref{Digest: storage.Digest([]byte("only here"))})
	if err := os.Remove(filepath.Join(h.root, key)); err != nil {
		t.Fatal(err)
	}
	found := h.verify(t, "").BadObjects
	if len(found) != 1 || found[0].Key != key {
		t.Errorf("%+v, want %s", found, key)
	}
}

// TestOwnRunStages reads the stages of a run without those of its children, and of none.
func TestOwnRunStages(t *testing.T) {
	h := newRunHistory(t)
	stages, err := h.OwnRunStages(t.Context(), "second", "run-2")
	if err != nil || len(stages) != 1 || stages[0].Stage != "import" {
		t.Errorf("%+v, %v", stages, err)
	}
	if stages, err := h.OwnRunStages(t.Context(), "third", "run-9"); err != nil || len(stages) != 0 {
		t.Errorf("an unknown run: %+v, %v", stages, err)
	}
}

// TestRunsOfNoNameAreNotFound reads the records of names that are no names of runs.
func TestRunsOfNoNameAreNotFound(t *testing.T) {
	h := newRunHistory(t)
	for _, name := range []string{"", "../first", "first/", "first//run-1"} {
		if run, stages, err := h.RunStages(t.Context(), name); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("%q: %q, %+v, %v", name, run, stages, err)
		}
	}
}

// TestRequestsAreCounted makes one request of a kind at a time.
func TestRequestsAreCounted(t *testing.T) {
	h := newRunHistory(t)
	before := h.Requests()
	if there, err := h.IsComplete(t.Context(), h.model); err != nil || !there {
		t.Fatal(there, err)
	}
	if got := h.Requests().Sub(before); got.Heads == 0 || got.Writes != 0 || got.Deletes != 0 {
		t.Errorf("looking at an artifact: %+v", got)
	}
	before = h.Requests()
	if _, err := h.Collect(t.Context(), storage.CollectOptions{Before: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if got := h.Requests().Sub(before); got.Deletes != 0 {
		t.Errorf("collecting nothing: %+v", got)
	}
	h.putArtifact(t, "dataset", map[string]string{"lone.txt": "only here"})
	before = h.Requests()
	if _, err := h.Collect(t.Context(), storage.CollectOptions{Before: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if got := h.Requests().Sub(before); got.Deletes == 0 {
		t.Errorf("collecting an artifact: %+v", got)
	}
}
