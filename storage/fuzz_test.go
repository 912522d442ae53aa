package storage_test

import (
	"os"
	"path/filepath"
	"testing"

	"rdrec/storage"
)

// FuzzManifest fetches the artifact of any manifest: an error, or files within their folder.
func FuzzManifest(f *testing.F) {
	b, err := storage.Open(f.Context(), "mem://")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = b.Close() })
	file, err := b.Put(f.Context(), []byte("content"))
	if err != nil {
		f.Fatal(err)
	}
	const digest = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"
	if file.Digest != digest {
		f.Fatalf("the content has the digest %s", file.Digest)
	}
	for _, name := range []string{
		"a", "a/b", "../a", "/a", "a/../../b", "..", "", "a/", `..\\a`, "a\u0000b", "a\nb", "a/../inner/../../x",
	} {
		f.Add([]byte(`{"kind":"x","files":[{"name":"` + name + `","digest":"` + digest + `","size":7}]}`))
	}
	f.Add([]byte(`{"files":[{"name":"a","digest":"` + digest + `"},{"name":"a/b","digest":"` + digest + `"}]}`))
	f.Add([]byte(`{"files":[{"name":"a","digest":"../../x"},{"name":"b","size":1e18}]}`))
	f.Fuzz(func(t *testing.T, manifest []byte) {
		ref, err := b.Put(t.Context(), manifest)
		if err != nil {
			t.Fatal(err)
		}
		outside := t.TempDir()
		inside := filepath.Join(outside, "inside")
		if err := b.GetFolder(t.Context(), ref, inside); err != nil {
			t.Log(err)
		}
		found, err := os.ReadDir(outside)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range found {
			if entry.Name() != "inside" {
				t.Errorf("%q leads to %q", manifest, entry.Name())
			}
		}
	})
}
