package storage_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/storage"
)

// syncs records which files and folders of a file bucket are synced, in order, by their paths
// inside of it.
type syncs struct {
	t      *testing.T
	root   string
	synced []string
	// failAt is the call that fails, counted from 1; 0 is none.
	failAt int
}

var errDisk = errors.New("the disk is broken")

func (s *syncs) fsync(f *os.File) error {
	s.synced = append(s.synced, s.name(f))
	if len(s.synced) == s.failAt {
		return errDisk
	}
	return nil
}

// name is the present path of an open file, which may have been renamed since. A folder's ends with
// a slash.
func (s *syncs) name(f *os.File) string {
	s.t.Helper()
	info, err := f.Stat()
	if err != nil {
		s.t.Fatal(err)
	}
	if info.IsDir() {
		return s.inside(f.Name()) + "/"
	}
	entries, err := os.ReadDir(filepath.Dir(f.Name()))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range entries {
		path := filepath.Join(filepath.Dir(f.Name()), e.Name())
		if other, err := os.Stat(path); err == nil && os.SameFile(info, other) {
			return s.inside(path)
		}
	}
	return "a deleted file"
}

func (s *syncs) inside(path string) string {
	s.t.Helper()
	name, err := filepath.Rel(s.root, path)
	if err != nil {
		s.t.Fatal(err)
	}
	return filepath.ToSlash(name)
}

// syncedBucket opens a file bucket whose URL ends with suffix and records its syncs.
func syncedBucket(t *testing.T, suffix string) (*storage.Bucket, *syncs) {
	t.Helper()
	s := &syncs{t: t, root: filepath.Join(t.TempDir(), "bucket")}
	b := open(t, "file://"+s.root+suffix)
	b.SetFsync(s.fsync)
	return b, s
}

// written are the syncs of one object: the file under its final name, then each folder above it up
// to the bucket's.
func written(key string) []string {
	want := []string{key}
	for parts := strings.Split(key, "/"); len(parts) > 1; {
		parts = parts[:len(parts)-1]
		want = append(want, strings.Join(parts, "/")+"/")
	}
	return append(want, "./")
}

// The SHA-256 of "one", "two" and of the artifact {"kind":"model","files":[...]} with it in a.txt.
const (
	digestOfOne = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
	digestOfTwo = "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3"
	digestOfAll = "08d94e4ae24d4c86ea0425cbb0465c8c18c409afa5ffc1f10e11f9136aaa43b6"
)

func content(digest string) string { return "cas/sha256/" + digest[:2] + "/" + digest }

// writeOperations are the operations that write, and the objects that each of them writes, in
// order.
func writeOperations() []struct {
	name  string
	write func(*testing.T, *storage.Bucket) error
	want  []string
} {
	return []struct {
		name  string
		write func(*testing.T, *storage.Bucket) error
		want  []string
	}{
		{"content", func(t *testing.T, b *storage.Bucket) error {
			t.Helper()
			_, err := b.Put(t.Context(), []byte("one"))
			return err
		}, []string{content(digestOfOne)}},
		{"an artifact lists a file that is there", func(t *testing.T, b *storage.Bucket) error {
			t.Helper()
			_, err := b.PutFolder(t.Context(), "model", folder(t, map[string]string{"a.txt": "one"}))
			return err
		}, []string{content(digestOfOne), content(digestOfAll)}},
		{"a checkpoint's manifest is last", func(t *testing.T, b *storage.Bucket) error {
			t.Helper()
			c, err := storage.OpenCheckpoints(t.Context(), b, "f", "owner", 1)
			if err != nil {
				return err
			}
			return c.Save(t.Context(), 7, folder(t, map[string]string{"weights": "one", "adam": "two"}))
		}, []string{
			"checkpoints/f/000001-owner/attempt.json", "checkpoints/f/000001-owner/000000007/adam",
			"checkpoints/f/000001-owner/000000007/weights", "checkpoints/f/000001-owner/000000007/manifest.json",
		}},
		{"rationales", func(t *testing.T, b *storage.Bucket) error {
			t.Helper()
			return storage.OpenRationales[int](b, "t").Shard("0123456789abcdefgh").Append(t.Context(), []int{1, 2})
		}, []string{"rationales/t/0123456789abcdef-" +
			"a6e2b7a040683432de03a18fd8a1939a2fdf82585b364bfc874bdd4095c4cae1.jsonl"}},
		{"a run's file", func(t *testing.T, b *storage.Bucket) error {
			t.Helper()
			return b.PutRun(t.Context(), "w", "r", "run.json", []byte("{}"))
		}, []string{"runs/w/r/run.json"}},
		{"a nightly run", func(t *testing.T, b *storage.Bucket) error {
			t.Helper()
			return b.PutNightlyRun(t.Context(), "shop", 12, []byte("{}"))
		}, []string{"nightly/shop/runs/000012.json"}},
	}
}

// TestWritesAreSynced counts the syncs: each written file once, under its final name, then
// the folders that name it.
func TestWritesAreSynced(t *testing.T) {
	for _, c := range writeOperations() {
		for _, suffix := range []string{"", "/"} {
			t.Run(c.name+suffix, func(t *testing.T) {
				b, s := syncedBucket(t, suffix)
				if err := c.write(t, b); err != nil {
					t.Fatal(err)
				}
				var want []string
				for _, key := range c.want {
					want = append(want, written(key)...)
				}
				if diff := cmp.Diff(want, s.synced); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// TestFailedSyncFailsTheWrite fails each sync in turn: nothing is written after it, and the caller
// is notified.
func TestFailedSyncFailsTheWrite(t *testing.T) {
	for _, c := range writeOperations() {
		t.Run(c.name, func(t *testing.T) {
			all := 0
			for _, key := range c.want {
				all += len(written(key))
			}
			for n := range all {
				b, s := syncedBucket(t, "")
				s.failAt = n + 1
				if err := c.write(t, b); !errors.Is(err, errDisk) || len(s.synced) != n+1 {
					t.Errorf("sync %d fails: %v after %d syncs, want %v at once", n+1, err, len(s.synced), errDisk)
				}
			}
		})
	}
}

// TestArtifactListsFilesThatAreThere stores many files, some at a time: the list of them is the
// last.
func TestArtifactListsFilesThatAreThere(t *testing.T) {
	s := &syncs{t: t, root: filepath.Join(t.TempDir(), "bucket")}
	b := open(t, "file://"+s.root)
	var mutex sync.Mutex
	b.SetFsync(func(f *os.File) error {
		mutex.Lock()
		defer mutex.Unlock()
		return s.fsync(f)
	})
	files := map[string]string{}
	for i := range 40 {
		files[fmt.Sprint(i)] = fmt.Sprint("content ", i)
	}
	ref, err := b.PutFolder(t.Context(), "model", folder(t, files))
	if err != nil {
		t.Fatal(err)
	}
	if n := slices.Index(s.synced, content(ref.Digest)); n != 40*5 {
		t.Errorf("the list is sync %d, want the first after 40 files with 4 folders each", n+1)
	}
}

func TestPromotionRecordIsSyncedBeforeItsPointer(t *testing.T) {
	h := newRunHistory(t)
	p := h.promotion(t, "one")
	s := &syncs{t: t, root: h.root}
	h.SetFsync(s.fsync)
	h.promote(t, 0, p)
	want := append(written("nightly/shop/promotions/000001.json"), written("nightly/shop/current.json")...)
	if diff := cmp.Diff(want, s.synced); diff != "" {
		t.Error(diff)
	}
}

func TestQuarantinedCheckpointIsSynced(t *testing.T) {
	b, s := syncedBucket(t, "")
	save(t, attempt(t, b), 10)
	corruptObject(t, s.root, "checkpoints/*/*/000000010/weights")
	c := attempt(t, b)
	s.synced = nil
	if _, err := c.Restore(t.Context(), t.TempDir()); !errors.Is(err, storage.ErrAllCorrupt) {
		t.Fatal(err)
	}
	const manifest = "checkpoints/0123456789abcdef/000001-run-1/000000010/manifest.json"
	if diff := cmp.Diff(written("quarantine/"+manifest), s.synced); diff != "" {
		t.Error(diff)
	}
	save(t, c, 20)
	corruptObject(t, s.root, "checkpoints/*/*/000000020/weights")
	s.synced, s.failAt = nil, 1
	if _, err := c.Restore(t.Context(), t.TempDir()); !errors.Is(err, errDisk) {
		t.Errorf("a sync fails: %v, want %v", err, errDisk)
	}
	if _, err := os.Stat(filepath.Join(s.root,
		"checkpoints/0123456789abcdef/000002-run-1/000000020/manifest.json")); err != nil {
		t.Errorf("the manifest was deleted before its copy was on the disk: %v", err)
	}
}

// exportSyncs records the syncs of a delivery into a folder and what is in the folder at each.
func exportSyncs(t *testing.T, folder string, failAt int) (seen []string, err error) {
	t.Helper()
	b, s := syncedBucket(t, "")
	ref, err := b.Put(t.Context(), []byte("new"))
	if err != nil {
		t.Fatal(err)
	}
	s.root = folder
	b.SetFsync(func(f *os.File) error {
		text := s.name(f) + ":"
		for _, name := range []string{"table.csv.part", "table.csv"} {
			if data, err := os.ReadFile(filepath.Join(folder, name)); err == nil {
				text += " " + name + "=" + string(data)
			}
		}
		seen = append(seen, text)
		if len(seen) == failAt {
			return errDisk
		}
		return nil
	})
	_, err = b.Export(t.Context(), ref, folder, "table.csv")
	return seen, err
}

func TestExportIsSyncedBeforeAndAfterTheRename(t *testing.T) {
	for _, c := range []struct {
		failAt int
		synced []string
		left   map[string]string
	}{
		{
			0,
			[]string{"table.csv.part: table.csv.part=new table.csv=old", "./: table.csv=new"},
			map[string]string{"table.csv": "new"},
		},
		{1, []string{"table.csv.part: table.csv.part=new table.csv=old"}, map[string]string{"table.csv": "old"}},
		{
			2,
			[]string{"table.csv.part: table.csv.part=new table.csv=old", "./: table.csv=new"},
			map[string]string{"table.csv": "new"},
		},
	} {
		target := folder(t, map[string]string{"table.csv": "old"})
		synced, err := exportSyncs(t, target, c.failAt)
		if failed := errors.Is(err, errDisk); failed != (c.failAt > 0) {
			t.Errorf("sync %d fails: %v", c.failAt, err)
		}
		if diff := cmp.Diff(c.synced, synced); diff != "" {
			t.Errorf("sync %d fails: %s", c.failAt, diff)
		}
		if diff := cmp.Diff(c.left, contents(t, target)); diff != "" {
			t.Errorf("sync %d fails: left: %s", c.failAt, diff)
		}
	}
}

func TestFileBucketSyncs(t *testing.T) {
	f, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b, err := storage.Open(t.Context(), "file://"+t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Fsync(f); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Fsync(f); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a closed file is synced: %v", err)
	}
}

func TestOtherBucketsNeedNoSync(t *testing.T) {
	b := open(t, "mem://")
	b.SetFsync(func(*os.File) error { return errDisk })
	if _, err := b.Put(t.Context(), []byte("one")); err != nil {
		t.Error(err)
	}
}
