package storage_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/storage"
)

// backends are the kinds of bucket that the whole suite runs on.
func backends(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{"mem": "mem://", "file": "file://" + filepath.Join(t.TempDir(), "bucket")}
}

// open opens a bucket that does not wait for the disk.
func open(t *testing.T, url string) *storage.Bucket {
	t.Helper()
	b, err := storage.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	b.SetFsync(func(*os.File) error { return nil })
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		files[filepath.ToSlash(name)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// suite is what every kind of bucket must do.
func suite() map[string]func(*testing.T, *storage.Bucket) {
	return map[string]func(*testing.T, *storage.Bucket){
		"content is what was put": func(t *testing.T, b *storage.Bucket) {
			t.Helper()
			ref, err := b.Put(t.Context(), []byte("hello"))
			if err != nil {
				t.Fatal(err)
			}
			if again, err := b.Put(t.Context(), []byte("hello")); err != nil || again != ref {
				t.Errorf("second put: %v, %v", again, err)
			}
			got, err := b.Get(t.Context(), ref)
			if err != nil || string(got) != "hello" {
				t.Errorf("get: %q, %v", got, err)
			}
		},
		"what is absent is not found": func(t *testing.T, b *storage.Bucket) {
			t.Helper()
			_, err := b.Get(t.Context(), storage.Ref{Digest: strings.Repeat("a", 64)})
			if !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("got %v", err)
			}
		},
		"a folder comes back as it was": func(t *testing.T, b *storage.Bucket) {
			t.Helper()
			want := map[string]string{"a.txt": "1", "sub/b.txt": "2", "empty": ""}
			ref, err := b.PutFolder(t.Context(), "dataset", folder(t, want))
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			if err := b.GetFolder(t.Context(), ref, dir); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, contents(t, dir)); diff != "" {
				t.Error(diff)
			}
			one, err := b.ReadArtifactFile(t.Context(), ref, "sub/b.txt")
			if err != nil || string(one) != "2" {
				t.Errorf("named file: %q, %v", one, err)
			}
		},
		"a stage is found by its fingerprint": findsStageByFingerprint,
		"rationales are kept":                 keepsRationales,
		"a finished shard is one part":        compactsFinishedShard,
		"the newest checkpoint is restored":   restoresNewestCheckpoint,
	}
}

func TestConformance(t *testing.T) {
	for name, url := range backends(t) {
		for testName, test := range suite() {
			t.Run(name+"/"+testName, func(t *testing.T) { test(t, open(t, url)) })
		}
	}
}

func findsStageByFingerprint(t *testing.T, b *storage.Bucket) {
	t.Helper()
	ref, err := b.PutFolder(t.Context(), "dataset", folder(t, map[string]string{"a": "1"}))
	if err != nil {
		t.Fatal(err)
	}
	fingerprint, err := storage.Fingerprint("import", 1, map[string]int{"core": 5}, "input")
	if err != nil {
		t.Fatal(err)
	}
	if _, found, err := b.LookUp(t.Context(), "import", fingerprint); found || err != nil {
		t.Errorf("before: %v, %v", found, err)
	}
	want := storage.StageRecord{Stage: "import", Fingerprint: fingerprint, Output: ref, Seconds: 1.5}
	if err := b.Commit(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	got, found, err := b.LookUp(t.Context(), "import", fingerprint)
	if !found || err != nil {
		t.Fatalf("after: %v, %v", found, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	other, err := storage.Fingerprint("import", 2, map[string]int{"core": 5}, "input")
	if err != nil || other == fingerprint {
		t.Errorf("another version has the same fingerprint (%v)", err)
	}
}

func keepsRationales(t *testing.T, b *storage.Bucket) {
	t.Helper()
	type row struct{ ID, Text string }
	rows := storage.OpenRationales[row](b, "teacher")
	want := []row{{"1", "a"}, {"2", "b"}, {"3", "c"}}
	for _, part := range [][]row{want[:2], want[2:], want[2:]} {
		if err := rows.Append(t.Context(), part); err != nil {
			t.Fatal(err)
		}
	}
	got, err := rows.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Errorf("got %d rows, want %d: a part that was written twice is one part", len(got), len(want))
	}
	if other, err := storage.OpenRationales[row](b, "another").Load(t.Context()); err != nil || len(other) != 0 {
		t.Errorf("another teacher's rows: %v, %v", other, err)
	}
}

func compactsFinishedShard(t *testing.T, b *storage.Bucket) {
	t.Helper()
	type row struct{ ID string }
	all := storage.OpenRationales[row](b, "sharded")
	first, second := all.Shard(strings.Repeat("a", 64)), all.Shard(strings.Repeat("b", 64))
	for _, r := range []row{{"1"}, {"2"}, {"3"}} {
		if err := first.Append(t.Context(), []row{r}); err != nil {
			t.Fatal(err)
		}
	}
	if err := second.Append(t.Context(), []row{{"4"}}); err != nil {
		t.Fatal(err)
	}
	if err := all.Append(t.Context(), []row{{"5"}}); err != nil { // as rows were kept before there were shards
		t.Fatal(err)
	}
	if err := first.Compact(t.Context(), []row{{"1"}, {"2"}, {"3"}}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		rows storage.Rationales[row]
		want int
	}{"first": {first, 3}, "second": {second, 1}, "all": {all, 5}} {
		got, err := c.rows.Load(t.Context())
		if err != nil || len(got) != c.want {
			t.Errorf("%s: %v, %v; want %d rows", name, got, err, c.want)
		}
	}
	if got, err := first.Load(t.Context()); err != nil || !cmp.Equal(got, []row{{"1"}, {"2"}, {"3"}}) {
		t.Errorf("one part keeps the order that it is given: %v, %v", got, err)
	}
}

func restoresNewestCheckpoint(t *testing.T, b *storage.Bucket) {
	t.Helper()
	ctx := t.Context()
	first := attempt(t, b)
	if _, err := first.Restore(ctx, t.TempDir()); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("no checkpoint yet: %v", err)
	}
	save(t, first, 10)
	save(t, first, 20)
	second := attempt(t, b)
	save(t, second, 15)
	save(t, first, 30) // a zombie goes on
	third := attempt(t, b)
	dir := t.TempDir()
	saved, err := third.Restore(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	if saved.Step != 15 || !strings.HasPrefix(saved.Token, "000002-") {
		t.Errorf("restored %+v, want step 15 of the second attempt", saved)
	}
	if got := contents(t, dir)["weights"]; got != "15" {
		t.Errorf("weights %q", got)
	}
}

func attempt(t *testing.T, b *storage.Bucket) *storage.Checkpoints {
	t.Helper()
	c, err := storage.OpenCheckpoints(t.Context(), b, "0123456789abcdef", "run-1", 2)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func save(t *testing.T, c *storage.Checkpoints, step int) {
	t.Helper()
	if err := c.Save(t.Context(), step, folder(t, map[string]string{"weights": fmt.Sprint(step)})); err != nil {
		t.Fatal(err)
	}
}

// corruptObject overwrites the one file of a file bucket whose key matches.
func corruptObject(t *testing.T, root, pattern string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, pattern))
	if err != nil || len(paths) != 1 {
		t.Fatalf("%q matches %v (%v)", pattern, paths, err)
	}
	if err := os.WriteFile(paths[0], []byte("spoilt"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRestoreFallsBackFromCorruptCheckpoint(t *testing.T) {
	root := filepath.Join(t.TempDir(), "bucket")
	b := open(t, "file://"+root)
	c := attempt(t, b)
	save(t, c, 10)
	save(t, c, 20)
	corruptObject(t, root, "checkpoints/*/*/000000020/weights")
	saved, err := attempt(t, b).Restore(t.Context(), t.TempDir())
	if err != nil || saved.Step != 10 || len(saved.Quarantined) != 1 {
		t.Errorf("got %+v, %v; want step 10 and one skipped", saved, err)
	}
	corruptObject(t, root, "checkpoints/*/*/000000010/manifest.json")
	if _, err := attempt(t, b).Restore(t.Context(), t.TempDir()); !errors.Is(err, storage.ErrAllCorrupt) {
		t.Errorf("all corrupt: %v", err)
	}
	if _, err := attempt(t, b).Restore(t.Context(), t.TempDir()); !errors.Is(err, storage.ErrAllCorrupt) {
		t.Errorf("whoever tries again begins silently from zero: %v", err)
	}
}

func TestCheckpointsArePruned(t *testing.T) {
	root := filepath.Join(t.TempDir(), "bucket")
	b := open(t, "file://"+root)
	save(t, attempt(t, b), 5)
	c := attempt(t, b)
	for step := 10; step <= 50; step += 10 {
		save(t, c, step)
	}
	got, err := filepath.Glob(filepath.Join(root, "checkpoints/*/*/*/manifest.json"))
	if err != nil || len(got) != 2 {
		t.Errorf("kept %v (%v), want the last two", got, err)
	}
}

func TestCorruptContentIsRejected(t *testing.T) {
	root := filepath.Join(t.TempDir(), "bucket")
	b := open(t, "file://"+root)
	ref, err := b.Put(t.Context(), []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	corruptObject(t, root, "cas/sha256/*/*")
	var corrupt *storage.CorruptError
	if _, err := b.Get(t.Context(), ref); !errors.As(err, &corrupt) || !strings.Contains(corrupt.Key, ref.Digest) {
		t.Errorf("get: %v", err)
	}
	target := filepath.Join(t.TempDir(), "f")
	if err := b.GetFile(t.Context(), ref, target); !errors.As(err, &corrupt) {
		t.Errorf("get file: %v", err)
	}
	if _, err := os.Stat(target); !os.IsNotExist(err) {
		t.Errorf("a corrupt file was left behind: %v", err)
	}
}

func TestCancelledWriteLeavesNothing(t *testing.T) {
	root := filepath.Join(t.TempDir(), "bucket")
	b := open(t, "file://"+root)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.PutFolder(ctx, "dataset", folder(t, map[string]string{"a": "1"})); err == nil {
		t.Error("a cancelled put succeeded")
	}
	if left := contents(t, root); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestOpenNamesTheBucket(t *testing.T) {
	for _, url := range []string{"nosuch://x", "file:///proc/no/such/bucket", "::"} {
		if _, err := storage.Open(t.Context(), url); err == nil || !strings.Contains(err.Error(), url) {
			t.Errorf("%q: %v", url, err)
		}
	}
}
