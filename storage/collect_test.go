package storage_test

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rdrec/storage"
)

// age sets when an object was written.
func (h runHistory) age(t *testing.T, key string, written time.Time) {
	t.Helper()
	if err := os.Chtimes(filepath.Join(h.root, key), written, written); err != nil {
		t.Fatal(err)
	}
}

// ageAll sets when all objects of the bucket were written.
func (h runHistory) ageAll(t *testing.T, written time.Time) {
	t.Helper()
	for key := range contents(t, h.root) {
		h.age(t, key, written)
	}
}

// TestCollectAgeLimitIsExclusive has one object of each kind that is collected, written at the
// limit or a moment before.
func TestCollectAgeLimitIsExclusive(t *testing.T) {
	limit := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	const half = "checkpoints/ffffffffffff/000001-a/000000010/weights"
	orphan := content(digestOfOne)
	for _, c := range []struct {
		key  string
		want func(storage.CollectResult) storage.Count
	}{
		{orphan, func(c storage.CollectResult) storage.Count { return c.Contents }},
		{half, func(c storage.CollectResult) storage.Count { return c.Checkpoints }},
		{
			"quarantine/rationales/teacher/part.jsonl",
			func(c storage.CollectResult) storage.Count { return c.Quarantined },
		},
		{"cas/sha256/ab/abcd.1f.tmp", func(c storage.CollectResult) storage.Count { return c.TempFiles }},
		{"rationales/teacher/part.jsonl.1f.tmp", func(c storage.CollectResult) storage.Count { return c.TempFiles }},
		{"stages/import/x.json.1f.tmp", func(c storage.CollectResult) storage.Count { return c.TempFiles }},
		{"runs/w/r/run.json.1f.tmp", func(c storage.CollectResult) storage.Count { return c.TempFiles }},
	} {
		t.Run(c.key, func(t *testing.T) {
			h := newRunHistory(t)
			h.ageAll(t, limit.Add(time.Hour))
			inUse := collect(t, h, storage.CollectOptions{Before: limit}).Remaining
			writeFile(t, filepath.Join(h.root, c.key))
			one := storage.Count{Objects: 1, Bytes: int64(len("half"))}

			h.age(t, c.key, limit)
			kept := storage.Count{Objects: inUse.Objects + 1, Bytes: inUse.Bytes + one.Bytes}
			got := collect(t, h, storage.CollectOptions{Before: limit})
			got.Usage = nil
			if diff := cmp.Diff(storage.CollectResult{Remaining: kept}, got); diff != "" {
				t.Errorf("written at the limit, want all of it to remain: %s", diff)
			}
			h.age(t, c.key, limit.Add(-time.Nanosecond))
			got = collect(t, h, storage.CollectOptions{Before: limit})
			if got.Remaining != inUse || c.want(got) != one {
				t.Errorf("written a moment before: %+v, want %+v of its kind", got, one)
			}
			if _, err := os.Stat(filepath.Join(h.root, c.key)); !os.IsNotExist(err) {
				t.Errorf("it is still there: %v", err)
			}
		})
	}
}

// TestCollectCountsRemainingObjects has the two artifacts of the runs: 2 lists, 2 files of data, 1
// of weights.
func TestCollectCountsRemainingObjects(t *testing.T) {
	h := newRunHistory(t)
	got := collect(t, h, storage.CollectOptions{Before: time.Now().Add(time.Hour)})
	bytes := h.data.Size + h.model.Size + int64(len("1 2 3")+len("[]")+len("weights"))
	want := storage.CollectResult{
		Remaining: storage.Count{Objects: 5, Bytes: bytes},
		Usage: []storage.Usage{ // the second run has the model, too
			{Name: "second", Runs: 1, Bytes: bytes},
			{Name: "first", Runs: 1, Bytes: h.data.Size + int64(len("1 2 3[]"))},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestCollectDeletesManifestsFirst breaks off at the first file of a checkpoint: no manifest is
// left, of any checkpoint.
func TestCollectDeletesManifestsFirst(t *testing.T) {
	h := newRunHistory(t)
	finished := strings.Repeat("b", 64)
	c, err := storage.OpenCheckpoints(t.Context(), h.Bucket, finished, "a", 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []int{10, 20} {
		if err := c.Save(t.Context(), step,
			folder(t, map[string]string{"adam": "moments", "weights": "w"})); err != nil {
			t.Fatal(err)
		}
	}
	for name := range contents(t, filepath.Join(h.root, "checkpoints")) {
		if path.Base(name) != "manifest.json" {
			blockDeletion(t, filepath.Join(h.root, "checkpoints", name))
		}
	}
	if _, err := h.Collect(t.Context(), storage.CollectOptions{Before: time.Now().Add(time.Hour)}); err == nil {
		t.Fatal("a file that can't be deleted is no error")
	}
	for name := range contents(t, filepath.Join(h.root, "checkpoints")) {
		if path.Base(name) == "manifest.json" {
			t.Errorf("%s is still there when files are being deleted", name)
		}
	}
}

// TestQuarantineIsKeptWhileTrainingIsUnfinished deletes a corrupt checkpoint only once the training
// is done.
func TestQuarantineIsKeptWhileTrainingIsUnfinished(t *testing.T) {
	h := newRunHistory(t)
	unfinished, finished := "quarantine/checkpoints/"+strings.Repeat(
		"c",
		64,
	), "quarantine/checkpoints/"+strings.Repeat(
		"b",
		64,
	)
	const manifest = "/000001-a/000000010/manifest.json"
	writeFile(t, filepath.Join(h.root, unfinished+manifest))
	writeFile(t, filepath.Join(h.root, finished+manifest))
	got := collect(t, h, storage.CollectOptions{Before: time.Now().Add(time.Hour)})
	if got.Quarantined.Objects != 1 {
		t.Errorf("collected %+v, want the finished training's manifest", got.Quarantined)
	}
	for key, want := range map[string]bool{unfinished: true, finished: false} {
		if _, err := os.Stat(filepath.Join(h.root, key+manifest)); (err == nil) != want {
			t.Errorf("%s: %v, want it there: %t", key, err, want)
		}
	}
}

// TestCollectRetainsLast30NightlyRuns has one more run than the retained ones, under each
// of two names.
func TestCollectRetainsLast30NightlyRuns(t *testing.T) {
	h := newRunHistory(t)
	var models []storage.Ref
	for k := range 31 {
		models = append(
			models, h.putArtifact(t, "model", map[string]string{"model.safetensors": fmt.Sprint("model ", k)}),
		)
		record := fmt.Appendf(nil, `{"model":{"digest":%q,"size":%d}}`, models[k].Digest, models[k].Size)
		if err := h.PutNightlyRun(t.Context(), "shop", k+1, record); err != nil {
			t.Fatal(err)
		}
	}
	other := h.putArtifact(t, "model", map[string]string{"model.safetensors": "another name's"})
	record := fmt.Appendf(nil, `[{"model":{"digest":%q,"size":%d}}]`, other.Digest, other.Size)
	if err := h.PutNightlyRun(t.Context(), "another", 1, record); err != nil {
		t.Fatal(err)
	}
	if got := collect(t, h, storage.CollectOptions{Before: time.Now().Add(time.Hour)}); got.Contents.Objects != 2 {
		t.Errorf("collected %+v, want the first run's model and its list", got.Contents)
	}
	for k, ref := range append(models, other) {
		if _, err := h.Get(t.Context(), ref); (err == nil) != (k > 0) {
			t.Errorf("model of nightly run %d: %v", k+1, err)
		}
	}
}

// TestPutRewritesContentAfterAnHour stores content again when it is a little younger and a little
// older than that.
func TestPutRewritesContentAfterAnHour(t *testing.T) {
	h := newRunHistory(t)
	file := filepath.Join(folder(t, map[string]string{"f": "two"}), "f")
	puts := map[string]func() error{
		digestOfOne: func() error { _, err := h.Put(t.Context(), []byte("one")); return err },
		digestOfTwo: func() error { _, err := h.PutFile(t.Context(), file); return err },
	}
	for digest, put := range puts {
		for _, age := range []time.Duration{0, 59 * time.Minute, 61 * time.Minute} {
			written := time.Now().Add(-age)
			if age > 0 {
				h.age(t, content(digest), written)
			}
			if err := put(); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(filepath.Join(h.root, content(digest)))
			if err != nil {
				t.Fatal(err)
			}
			if got, want := !info.ModTime().Equal(written), age > time.Hour; age > 0 && got != want {
				t.Errorf("%s old: written anew: %t, want %t", age, got, want)
			}
		}
	}
}

// TestPutRewritesTruncatedContent stores content again where an object of another size is in its
// place.
func TestPutRewritesTruncatedContent(t *testing.T) {
	h := newRunHistory(t)
	writeFile(t, filepath.Join(h.root, content(digestOfOne)))
	ref, err := h.Put(t.Context(), []byte("one"))
	if err != nil {
		t.Fatal(err)
	}
	if data, err := h.Get(t.Context(), ref); err != nil || string(data) != "one" {
		t.Errorf("%q, %v", data, err)
	}
	if diff := cmp.Diff(storage.Ref{Digest: digestOfOne, Size: 3}, ref); diff != "" {
		t.Error(diff)
	}
}
