package storagetest

import (
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"rdrec/storage"
)

// OpenFolder returns a bucket of files and its folder, and closes the bucket when the test ends.
func OpenFolder(t testing.TB) (bucket *storage.Bucket, root string) {
	t.Helper()
	root = filepath.Join(t.TempDir(), "bucket")
	bucket, err := storage.Open(t.Context(), "file://"+root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := bucket.Close(); err != nil {
			t.Error(err)
		}
	})
	return bucket, root
}

// PutArtifact stores files, by their names, as an artifact.
func PutArtifact(t testing.TB, bucket *storage.Bucket, files map[string]string) storage.Ref {
	t.Helper()
	artifact := storage.Artifact{Kind: "test"}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		ref, err := bucket.Put(t.Context(), []byte(files[name]))
		if err != nil {
			t.Fatal(err)
		}
		artifact.Files = append(artifact.Files, storage.File{Name: name, Ref: ref})
	}
	ref, err := bucket.PutArtifact(t.Context(), artifact)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}
