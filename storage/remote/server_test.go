package remote_test

import (
	"errors"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/fileblob" // a bucket of files

	"rdrec/internal/faultproxy"
	"rdrec/internal/spec"
	"rdrec/storage"
	"rdrec/storage/remote"
	"rdrec/storage/storagetest"
)

func parse(t *testing.T, text string) spec.URL {
	t.Helper()
	u, err := spec.ParseURL(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestS3(t *testing.T) {
	server := storagetest.NewS3(t, map[string]string{"raw/a.json": "a", "raw/b.json": "bb", storagetest.Forbidden: "x"})
	cache := remote.NewCache(t.TempDir(), 1<<20)
	cache.SetParts(1)
	files := find(t, parse(t, server.Of("raw")))
	if got := get(t, cache, files); got["a.json"] != "a" || got["b.json"] != "bb" {
		t.Errorf("%v", got)
	}
	before := len(server.Requests())
	get(t, cache, find(t, parse(t, server.Of("raw"))))
	if again := server.Requests()[before:]; len(again) != 2 { // is it an object? its folder
		t.Errorf("files that are on the disk: %v", again)
	}
	for key, want := range map[string]error{storagetest.Forbidden: remote.ErrDenied, "none": remote.ErrNotFound} {
		_, err := remote.Find(t.Context(), parse(t, server.Of(key)), nil)
		if !errors.Is(err, want) || remote.Hint(err) == "" || strings.Contains(err.Error(), "endpoint") {
			t.Errorf("%s: %v, hint %q", key, err, remote.Hint(err))
		}
		t.Log(err, remote.Hint(err))
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	t.Setenv("HOME", t.TempDir())
	if _, err := remote.Find(t.Context(), parse(t, server.Of("raw")), nil); !errors.Is(err, remote.ErrDenied) {
		t.Errorf("without credentials: %v", err)
	}
}

func TestFileBucket(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	address := url.URL{Scheme: "file", Path: filepath.ToSlash(dir), RawQuery: "metadata=skip"}
	bucket, err := blob.OpenBucket(t.Context(), address.String())
	if err != nil {
		t.Fatal(err)
	}
	defer bucket.Close()
	if err := bucket.WriteAll(t.Context(), "shop/reviews.json", []byte("reviews"), nil); err != nil {
		t.Fatal(err)
	}
	files := find(t, spec.URL{Bucket: address.String(), Key: "shop"})
	if got := get(t, remote.NewCache(t.TempDir(), 1<<20), files)["reviews.json"]; got != "reviews" {
		t.Errorf("%q", got)
	}
}

// TestConformanceOnGofakes3 reads URLs of a server of its own, through faults.
func TestConformanceOnGofakes3(t *testing.T) {
	proxy := faultproxy.NewProxy(t, faultproxy.StartServer(t, faultproxy.S3, func(port string) []string {
		return []string{"-backend", "memory", "-host", "127.0.0.1:" + port, "-initialbucket", "rdrec"}
	}), true)
	bucket, env := faultproxy.S3Bucket(proxy.Address)
	for name, value := range env {
		t.Setenv(name, value)
	}
	b, err := storage.Open(t.Context(), bucket)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	content := strings.Repeat("reviews ", 1<<20)
	ref, err := b.Put(t.Context(), []byte(content))
	if err != nil {
		t.Fatal(err)
	}
	place, parameters, _ := strings.Cut(bucket, "?")
	u := parse(t, place+"/"+storage.ContentKey(ref)+"?"+parameters)
	files := find(t, u)
	t.Run("some requests fail", func(t *testing.T) {
		var n atomic.Int32
		proxy.Inject(func(w http.ResponseWriter, r *http.Request) bool {
			return n.Add(1)%3 == 1 && faultproxy.Unavailable(w, r)
		})
		defer proxy.Clear()
		cache := remote.NewCache(t.TempDir(), 1<<30)
		cache.SetParts(1 << 20)
		if get(t, cache, files)[""] != content {
			t.Error("another content")
		}
	})
	t.Run("half bodies", func(t *testing.T) {
		cache := remote.NewCache(t.TempDir(), 1<<30)
		cache.SetParts(1 << 20)
		proxy.Inject(func(w http.ResponseWriter, r *http.Request) bool {
			return r.Method == http.MethodGet && faultproxy.Truncate(w, r)
		})
		_, _, err := cache.Get(t.Context(), files)
		proxy.Clear()
		if err == nil {
			t.Fatal("half a body was taken")
		}
		if get(t, cache, files)[""] != content {
			t.Error("another content")
		}
	})
	t.Run("refused", func(t *testing.T) {
		proxy.Inject(func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusForbidden)
			return true
		})
		defer proxy.Clear()
		if _, err := remote.Find(t.Context(), u, nil); !errors.Is(err, remote.ErrDenied) {
			t.Error(err)
		}
	})
}
