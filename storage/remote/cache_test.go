package remote_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"rdrec/internal/progress"
	"rdrec/internal/spec"
	"rdrec/storage/remote"
)

// stepping returns a context that reports steps one at a time.
func stepping(ctx context.Context, step func(string)) context.Context {
	var mutex sync.Mutex
	return progress.WithStep(ctx, func(note string) {
		mutex.Lock()
		defer mutex.Unlock()
		step(note)
	})
}

// Two processes that need the same files fetch them once.
func TestProcessesShareFiles(t *testing.T) {
	t.Parallel()
	u, _ := memory(t, map[string][]byte{"big": []byte(strings.Repeat("x", 1000))}, "big")
	files, dir := find(t, u), t.TempDir()
	caches := make([]*remote.Cache, 4)
	var all sync.WaitGroup
	for i := range caches {
		caches[i] = remote.NewCache(dir, 1<<20)
		caches[i].SetParts(7)
		all.Go(func() {
			if path, release, err := caches[i].Get(t.Context(), files); err != nil || path == "" {
				t.Errorf("%q, %v", path, err)
			} else {
				release()
			}
		})
	}
	all.Wait()
	var bytes int64
	for _, cache := range caches {
		bytes += cache.Stats().Bytes
	}
	if bytes != 1000 {
		t.Errorf("%d bytes were fetched, want 1000", bytes)
	}
}

func TestLeastRecentlyUsedGoesFirst(t *testing.T) {
	t.Parallel()
	objects := map[string][]byte{}
	for _, key := range []string{"a", "b", "c"} {
		objects[key] = []byte(strings.Repeat(key, 1000))
	}
	bucket, _ := memory(t, objects, "")
	of := func(key string) remote.Files { return find(t, spec.URL{Bucket: bucket.Bucket, Key: key}) }
	cache := remote.NewCache(t.TempDir(), 2500)
	_, release, err := cache.Get(t.Context(), of("a"))
	if err != nil {
		t.Fatal(err)
	}
	get(t, cache, of("b"))
	get(t, cache, of("c")) // a is in use, so b goes
	if stats := cache.Stats(); stats.Fetched != 3 {
		t.Errorf("%+v", stats)
	}
	get(t, cache, of("a"))
	get(t, cache, of("c"))
	if stats := cache.Stats(); stats.Hits != 2 {
		t.Errorf("%+v", stats)
	}
	_, keep, err := cache.Get(t.Context(), of("c"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := cache.Get(t.Context(), of("b")); err == nil || remote.Hint(err) != "" {
		t.Errorf("a full cache: %v, hint %q: want an error that passes", err, remote.Hint(err))
	}
	release()
	keep()
	get(t, cache, of("b"))
	small := remote.NewCache(t.TempDir(), 999)
	if _, _, err := small.Get(t.Context(), of("b")); !errors.Is(err, remote.ErrTooLarge) {
		t.Errorf("files above the limit: %v", err)
	}
}

// Another process finds a damaged file and fetches it again.
func TestDamagedFilesAreFetchedAgain(t *testing.T) {
	t.Parallel()
	u, _ := memory(t, shop(), "out")
	files, dir := find(t, u), t.TempDir()
	want := get(t, remote.NewCache(dir, 1<<20), files)
	for name, damage := range map[string]func(path string) error{
		"another byte": func(path string) error { return os.WriteFile(path, []byte("9"), 0o600) },
		"truncated":    func(path string) error { return os.Truncate(path, 0) },
		"removed":      os.Remove,
	} {
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, filepath.Join("out", "part-0.json")) {
				err = damage(path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		cache := remote.NewCache(dir, 1<<20)
		if got := get(t, cache, files); len(got) != len(want) || got["part-0.json"] != want["part-0.json"] {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
		if stats := cache.Stats(); stats.Fetched != 1 {
			t.Errorf("%s: %+v", name, stats)
		}
	}
}

// An object that is replaced while it is fetched is no content.
func TestReplacedObjects(t *testing.T) {
	t.Parallel()
	u, server := memory(t, shop(), "reviews.json")
	files := find(t, u)
	server.Put("reviews.json", []byte("REVIEWS"))
	cache := remote.NewCache(t.TempDir(), 1<<20)
	if _, _, err := cache.Get(t.Context(), files); !errors.Is(err, remote.ErrChanged) {
		t.Errorf("replaced: %v", err)
	}
	if got := get(t, cache, find(t, u))[""]; got != "REVIEWS" {
		t.Errorf("%q", got)
	}
}
