package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rdrec/internal/spec"
	"rdrec/storage/remote"
	"rdrec/storage/storagetest"
)

// A teacher in a bucket is identified without reading its weights, and fetched once.
func TestTeacherInBucket(t *testing.T) {
	objects := map[string]string{"models/hf/README.md": "x", "models/hf/original/params.json": "x"}
	const folder = "../internal/llama/testdata/hf-smollm2"
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		data, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		objects["models/hf/"+entry.Name()] = string(data)
	}
	server := storagetest.NewS3(t, objects)
	own := teachers{device: "cpu", threads: 1, sources: remote.NewCache(t.TempDir(), 1<<30)}
	settings := spec.Default().Teacher
	settings.Model, settings.MaxTokens = "hf:"+server.Of("models/hf"), 8
	digest := func() string {
		sum, err := own.Digest(t.Context(), settings)
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	before := digest()
	server.Put("models/hf/README.md", "another text")
	if digest() != before {
		t.Error("the digest depends on a file that is not read")
	}
	requests := server.Requests()
	for range 2 {
		_, free, err := own.Open(t.Context(), settings)
		if err != nil {
			t.Fatal(err)
		}
		free()
	}
	reads := 0
	for _, request := range server.Requests()[len(requests):] {
		if strings.HasPrefix(request, "GET") {
			reads++
		}
	}
	if stats := own.sources.Stats(); reads != int(stats.Fetched)*len(entries) || stats.Fetched != 1 || stats.Hits != 1 {
		t.Errorf("%d reads of %d files, %+v", reads, len(entries), stats)
	}
	server.Put("models/hf/config.json", "{}")
	if digest() == before {
		t.Error("the digest does not depend on config.json")
	}
}

func TestTeacherThatIsNotThere(t *testing.T) {
	server := storagetest.NewS3(t, map[string]string{})
	own := teachers{device: "cpu", threads: 1, sources: remote.NewCache(t.TempDir(), 1<<30)}
	for _, model := range []string{
		"gguf:" + server.Of("a.gguf"), "gguf:" + server.Of("a-00001-of-00002.gguf"), "hf:" + server.Of("hf"),
		"meta:" + server.Of("meta/"),
	} {
		settings := spec.Default().Teacher
		settings.Model = model
		_, err := own.Digest(t.Context(), settings)
		if err == nil || !strings.Contains(err.Error(), "no object is there") {
			t.Errorf("%s: %v", model, err)
		}
		if _, _, err := own.Open(t.Context(), settings); err == nil || strings.Contains(err.Error(), "endpoint=") {
			t.Errorf("%s: %v", model, err)
		}
	}
}
