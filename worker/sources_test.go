package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rdrec/internal/exitcode"
	"rdrec/storage/storagetest"
)

// "worker import" reads URLs, and leaves nothing of them beside the dataset.
func TestImportOfURL(t *testing.T) {
	reviews, err := os.ReadFile("../testdata/cases/05-dates/rfc.csv")
	if err != nil {
		t.Fatal(err)
	}
	server := storagetest.NewS3(t, map[string]string{"raw/rfc.csv": string(reviews)})
	dir := t.TempDir()
	name := filepath.Join(dir, "spec.yaml")
	for key, want := range map[string]int{"raw/rfc.csv": exitcode.OK, "raw/*.csv": exitcode.OK, "none": exitcode.Spec} {
		text := "name: shop\ndata: {reviews: {path: \"" + server.Of(key) + "\", user_core: 3, item_core: 1}}\n"
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var stdout, stderr strings.Builder
		out := filepath.Join(dir, "out")
		if code := run([]string{"import", name, "--out", out}, &stdout, &stderr); code != want {
			t.Errorf("%s: exit code %d, want %d: %s", key, code, want, &stderr)
		}
		if want == exitcode.OK && !strings.Contains(stdout.String(), `"rows":60`) {
			t.Errorf("%s: %s", key, &stdout)
		}
		if _, err := os.Stat(out + ".sources"); !os.IsNotExist(err) {
			t.Errorf("%s: %v", key, err)
		}
		if err := os.RemoveAll(out); err != nil {
			t.Fatal(err)
		}
	}
}
