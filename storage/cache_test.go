package storage_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/storage"
	"rdrec/storage/storagetest"
)

// cachedBucket is a bucket on a server, with a cache.
type cachedBucket struct {
	*storage.Bucket
	t   *testing.T
	dir string
}

func newCachedBucket(t *testing.T, size int64) *cachedBucket {
	t.Helper()
	b, _ := storagetest.Open(t, nil, 0)
	c := &cachedBucket{b, t, filepath.Join(t.TempDir(), "cache")}
	if err := b.UseCache(c.dir, size); err != nil {
		t.Fatal(err)
	}
	return c
}

// put stores a folder, and returns it and the folder.
func (c *cachedBucket) put(files map[string]string) (ref storage.Ref, dir string) {
	c.t.Helper()
	dir = folder(c.t, files)
	ref, err := c.PutFolder(c.t.Context(), "data", dir)
	if err != nil {
		c.t.Fatal(err)
	}
	return ref, dir
}

// reads fetches a folder, checks its files, and returns the number of downloads.
func (c *cachedBucket) reads(ref storage.Ref, want map[string]string) int64 {
	c.t.Helper()
	before, dir := c.Requests(), filepath.Join(c.t.TempDir(), "out")
	if err := c.GetFolder(c.t.Context(), ref, dir); err != nil {
		c.t.Fatal(err)
	}
	got := map[string]string{}
	for name := range want {
		data, err := os.ReadFile(filepath.Join(dir, name)) //nolint:gosec // the test's own file
		if err != nil {
			c.t.Fatal(err)
		}
		got[name] = string(data)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		c.t.Error(diff)
	}
	return c.Requests().Sub(before).Reads
}

// Content that a stage stored is not downloaded again by the next one, and neither is content that
// was downloaded once; a new process has the cache of the one before.
func TestCachedContentIsFetchedOnce(t *testing.T) {
	t.Parallel()
	files := map[string]string{"a": "first", "b": "second"}
	c := newCachedBucket(t, 1<<20)
	ref, _ := c.put(files)
	if n := c.reads(ref, files); n != 1 { // the list of files
		t.Errorf("%d downloads after storing, want 1", n)
	}
	if n := c.reads(ref, files); n != 0 {
		t.Errorf("%d downloads the second time, want none", n)
	}
	if err := c.UseCache(c.dir, 1<<20); err != nil {
		t.Fatal(err)
	}
	if n := c.reads(ref, files); n != 0 {
		t.Errorf("%d downloads by a new process, want none", n)
	}
}

// Changed files, of the cache or of the folder that was stored, never become content.
func TestDamagedCacheIsFetchedAgain(t *testing.T) {
	t.Parallel()
	files := map[string]string{"a": "first", "b": "second"}
	c := newCachedBucket(t, 1<<20)
	ref, dir := c.put(files)
	c.reads(ref, files)
	for _, path := range []string{
		filepath.Join(dir, "a"), filepath.Join(c.dir, storage.Digest([]byte("second"))),
		filepath.Join(c.dir, ref.Digest),
	} {
		data, err := os.ReadFile(path) //nolint:gosec // the test's own file
		if err != nil {
			t.Fatal(err)
		}
		data[0] ^= 1
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if n := c.reads(ref, files); n != 3 {
		t.Errorf("%d downloads after damage, want 3", n)
	}
	if n := c.reads(ref, files); n != 0 {
		t.Errorf("%d downloads afterwards, want none", n)
	}
	if c.CacheHits() == 0 {
		t.Error("no hit is counted")
	}
}

// The least recently used content goes first, and what is too large for the cache is not kept.
func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	c := newCachedBucket(t, 25)
	fetch := func(content string) (reads int64) {
		t.Helper()
		before := c.Requests()
		path := filepath.Join(t.TempDir(), "f")
		ref := storage.Ref{Digest: storage.Digest([]byte(content)), Size: int64(len(content))}
		if err := c.GetFile(t.Context(), ref, path); err != nil {
			t.Fatal(err)
		}
		return c.Requests().Sub(before).Reads
	}
	contents := []string{"ten bytes.", "10 letters", "0123456789", "more than twenty-five bytes"}
	for _, content := range contents {
		if _, err := c.Put(t.Context(), []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	var got []int64
	for _, i := range []int{0, 1, 0, 2, 0, 1, 3, 3} { // 2 evicts 1, which 0 was used after
		got = append(got, fetch(contents[i]))
	}
	if diff := cmp.Diff([]int64{1, 1, 0, 1, 0, 1, 1, 1}, got); diff != "" {
		t.Error(diff)
	}
	entries, err := os.ReadDir(c.dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("%d files in the cache, want 2: %v", len(entries), err)
	}
}

// A bucket of files is as near as a cache.
func TestFilesAreNotCached(t *testing.T) {
	t.Parallel()
	b, _ := storagetest.OpenFolder(t)
	dir := filepath.Join(t.TempDir(), "cache")
	if err := b.UseCache(dir, 1<<20); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the cache was made: %v", err)
	}
}

// TestNoCacheIsMadeForNoBytes opens a bucket without a cache.
func TestNoCacheIsMadeForNoBytes(t *testing.T) {
	c := newCachedBucket(t, 0)
	if _, err := os.Stat(c.dir); !os.IsNotExist(err) {
		t.Errorf("a cache of 0 bytes has a folder: %v", err)
	}
}
