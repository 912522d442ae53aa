package activities_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rdrec/activities"
	"rdrec/internal/spec"
	"rdrec/storage"
	"rdrec/storage/remote"
	"rdrec/storage/storagetest"
)

// beauty are the files of a dataset folder, with a prefix as keys.
func beauty(t *testing.T, prefix string) map[string]string {
	t.Helper()
	const folder = "../testdata/rdrec/beauty_mini"
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	objects := map[string]string{}
	for _, entry := range entries {
		data, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		objects[prefix+entry.Name()] = string(data)
	}
	return objects
}

// A folder in a bucket becomes the same artifact as the same folder on the disk, and is identified
// without reading it.
func TestImportFromBucket(t *testing.T) {
	s := newInboxEnv(t)
	s.Sources = remote.NewCache(filepath.Join(s.Scratch, activities.SourceCache), 1<<30)
	server := storagetest.NewS3(t, beauty(t, "shop/beauty/"))
	data := spec.Data{Folder: server.Of("shop/beauty/"), Indexing: spec.AsIs}
	id, err := run[activities.IdentifyResult](s, s.Identify, activities.IdentifyInput{Data: data})
	if err != nil {
		t.Fatal(err)
	}
	for _, request := range server.Requests() {
		if strings.HasPrefix(request, "GET") {
			t.Errorf("identifying took %q", request)
		}
	}
	fetched, err := run[storage.Ref](s, s.Import, activities.ImportInput{Data: data, Source: id.Data})
	if err != nil {
		t.Fatal(err)
	}
	local := spec.Data{Folder: filepath.Join("..", "testdata", "rdrec", "beauty_mini"), Indexing: spec.AsIs}
	if local.Folder, err = filepath.Abs(local.Folder); err != nil {
		t.Fatal(err)
	}
	if want, err := run[storage.Ref](s, s.Import, activities.ImportInput{Data: local}); err != nil || want != fetched {
		t.Errorf("from a bucket %v, from the disk %v, %v", fetched, want, err)
	}
	local.Folder = "file://" + local.Folder
	if want, err := run[storage.Ref](s, s.Import, activities.ImportInput{Data: local}); err != nil || want != fetched {
		t.Errorf("from a file URL %v, want %v, %v", want, fetched, err)
	}
	before := len(server.Requests())
	if _, err := run[storage.Ref](s, s.Import, activities.ImportInput{Data: data, Source: id.Data}); err != nil {
		t.Error(err)
	}
	for _, request := range server.Requests()[before:] {
		if strings.HasPrefix(request, "GET") {
			t.Errorf("the second import took %q", request)
		}
	}
	server.Put("shop/beauty/sequential.txt.gz", "others")
	_, err = run[storage.Ref](s, s.Import, activities.ImportInput{Data: data, Source: id.Data})
	if err == nil || !strings.Contains(err.Error(), "changed after the run had begun") {
		t.Errorf("other objects than the run identified: %v", err)
	}
}

func TestWhatCannotBeFetched(t *testing.T) {
	s := newInboxEnv(t)
	s.Sources = remote.NewCache(filepath.Join(s.Scratch, activities.SourceCache), 100)
	server := storagetest.NewS3(t, beauty(t, "beauty/"))
	server.Put(storagetest.Forbidden, "x")
	for key, want := range map[string]string{
		"none": "no object is there; check the bucket", storagetest.Forbidden: "access is denied",
		"beauty": "--source-cache",
	} {
		data := spec.Data{Reviews: &spec.Reviews{Path: server.Of(key)}}
		_, err := run[storage.Ref](s, s.Import, activities.ImportInput{Data: data})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "endpoint=") {
			t.Errorf("%s: %v, want %q", key, err, want)
		}
	}
}
