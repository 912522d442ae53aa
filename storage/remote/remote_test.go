package remote_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/spec"
	"rdrec/storage/remote"
	"rdrec/storage/storagetest"
)

// shop is a bucket of what Spark and people write.
func shop() map[string][]byte {
	objects := map[string][]byte{}
	for key, content := range map[string]string{
		"reviews.json": "reviews", "out/part-0.json": "0", "out/part-1.json": "11", "out/day=2/part-0.json": "2",
		"out/_SUCCESS": "", "out/_temporary/part-9.json": "9", "out/": "", "output.json": "x", "a*.json": "star",
	} {
		objects[key] = []byte(content)
	}
	return objects
}

// memory returns the URL of a key on a server in memory.
func memory(t *testing.T, objects map[string][]byte, key string) (spec.URL, *storagetest.Server) {
	t.Helper()
	bucket, server := storagetest.Serve(t, objects, 0)
	return spec.URL{Bucket: bucket, Key: key}, server
}

func find(t *testing.T, u spec.URL) remote.Files {
	t.Helper()
	files, err := remote.Find(t.Context(), u, nil)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestFind(t *testing.T) {
	t.Parallel()
	all := []string{"_SUCCESS", "day=2/part-0.json", "part-0.json", "part-1.json"}
	for key, want := range map[string][]string{
		"reviews.json": {"reviews.json"}, "out": all, "out/": all, "out/part-*": {"part-0.json", "part-1.json"},
		"out/part-[1-9].json": {"part-1.json"}, "a*.json": {"a*.json"},
		"*.json": {"a*.json", "output.json", "reviews.json"},
	} {
		u, _ := memory(t, shop(), key)
		var names []string
		for _, file := range find(t, u).List {
			names = append(names, file.Name)
		}
		if diff := cmp.Diff(want, names); diff != "" {
			t.Errorf("%s (-want +got):\n%s", key, diff)
		}
	}
	for _, key := range []string{"none", "none/", "none*", "reviews.json/", "[", "out/_temp*"} {
		u, _ := memory(t, shop(), key)
		if _, err := remote.Find(t.Context(), u, nil); !errors.Is(err, remote.ErrNotFound) || remote.Hint(err) == "" {
			t.Errorf("%s: %v, hint %q", key, err, remote.Hint(err))
		}
	}
}

// The digest depends on names and contents alone.
func TestDigest(t *testing.T) {
	t.Parallel()
	u, server := memory(t, shop(), "out")
	before := find(t, u).Digest()
	server.Put("reviews.json", []byte("others"))
	again, _ := memory(t, shop(), "out/")
	if find(t, u).Digest() != before || find(t, again).Digest() != before {
		t.Error("the digest depends on the bucket or on other objects")
	}
	server.Put("out/part-0.json", []byte("1"))
	if find(t, u).Digest() == before {
		t.Error("the digest does not depend on a content")
	}
}

// contents returns the files below a path by their names; a file's own is "".
func contents(t *testing.T, root string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.Walk(root, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		name := strings.TrimPrefix(strings.TrimPrefix(path, root), string(filepath.Separator))
		found[filepath.ToSlash(name)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// get returns the contents of a URL's files from a cache.
func get(t *testing.T, cache *remote.Cache, files remote.Files) map[string]string {
	t.Helper()
	path, release, err := cache.Get(t.Context(), files)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	return contents(t, path)
}

func TestGet(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cache := remote.NewCache(dir, 1<<20)
	cache.SetParts(3)
	u, _ := memory(t, shop(), "reviews.json")
	folder, _ := memory(t, shop(), "out")
	parts := map[string]string{"_SUCCESS": "", "part-0.json": "0", "part-1.json": "11", "day=2/part-0.json": "2"}
	for range 2 {
		if diff := cmp.Diff(map[string]string{"": "reviews"}, get(t, cache, find(t, u))); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(parts, get(t, cache, find(t, folder))); diff != "" {
			t.Error(diff)
		}
	}
	if diff := cmp.Diff(remote.Stats{Hits: 2, Fetched: 2, Bytes: 11}, cache.Stats()); diff != "" {
		t.Error(diff)
	}
	path, release, err := cache.Get(t.Context(), find(t, folder))
	if err != nil || filepath.Base(path) != "out" {
		t.Errorf("%q, %v: a folder has the name of its own", path, err)
	}
	release()
}

// Each call to the server fails in turn.
func TestTransfersGoOn(t *testing.T) {
	t.Parallel()
	objects := map[string][]byte{"big": []byte(strings.Repeat("0123456789", 10))}
	u, server := memory(t, objects, "big")
	files := find(t, u)
	for n := 1; ; n++ {
		cache := remote.NewCache(t.TempDir(), 1<<20)
		cache.SetParts(10)
		server.FailAt(n)
		path, release, err := cache.Get(t.Context(), files)
		if err != nil { // a part is tried again at once
			path, release, err = cache.Get(t.Context(), files)
		}
		if err != nil {
			t.Fatalf("call %d: %v", n, err)
		}
		if got := contents(t, path)[""]; got != string(objects["big"]) {
			t.Errorf("call %d: %q", n, got)
		}
		release()
		if server.Calls() < n {
			return
		}
	}
}

func TestCancelledTransfersGoOn(t *testing.T) {
	t.Parallel()
	objects := map[string][]byte{"big": []byte(strings.Repeat("0123456789", 10))}
	u, _ := memory(t, objects, "big")
	files, dir := find(t, u), t.TempDir()
	first := remote.NewCache(dir, 1<<20)
	first.SetParts(10)
	ctx, cancel := context.WithCancel(t.Context())
	var done int
	_, _, err := first.Get(stepping(ctx, func(note string) {
		if done += strings.Count(note, "fetch"); done > 3 {
			cancel()
		}
	}), files)
	if err == nil {
		t.Fatal("a cancelled transfer succeeded")
	}
	second := remote.NewCache(dir, 1<<20)
	second.SetParts(10)
	if got := get(t, second, files)[""]; got != string(objects["big"]) {
		t.Errorf("%q", got)
	}
	if before, after := first.Stats().Bytes, second.Stats().Bytes; before == 0 || before+after != 100 {
		t.Errorf("%d bytes before, %d after: want 100 in all", before, after)
	}
}
