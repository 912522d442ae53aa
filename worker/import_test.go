package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
	"rdrec/internal/exitcode"
	"rdrec/internal/staging"
)

// importCase runs "worker import" on a file of testdata/cases.
func importCase(t *testing.T, file, more string) (code int, preview dataset.ImportPreview, stderr, out string) {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("../testdata/cases", file))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	name := filepath.Join(dir, "spec.yaml")
	text := "name: shop\ndata: {reviews: {path: " + path + ", user_core: 3, item_core: 1" + more + "}}\n"
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out = filepath.Join(dir, "out")
	var stdout, messages bytes.Buffer
	code = run([]string{"import", name, "--out", out}, &stdout, &messages)
	if stdout.Len() > 0 {
		if err := json.Unmarshal(stdout.Bytes(), &preview); err != nil {
			t.Fatal(err)
		}
	}
	return code, preview, messages.String(), out
}

func TestImportWithoutServer(t *testing.T) {
	code, preview, stderr, out := importCase(t, "05-dates/rfc.csv", "")
	if code != exitcode.OK || preview.Summary.Rows != 60 || len(preview.Rows) != 10 {
		t.Fatalf("exit code %d, %+v, %s", code, preview.Summary, stderr)
	}
	rating := 2.0
	want := dataset.ImportedRow{
		File: "rfc.csv", Line: 3, User: "u000", Item: "i003", Time: "2014-02-13T12:00:00Z", Rating: &rating,
		Text: "I love the handle but my lid is weak.",
	}
	if diff := cmp.Diff(want, preview.Rows[1]); diff != "" {
		t.Errorf("second row (-want +got):\n%s", diff)
	}
	if _, err := dataset.Read(os.DirFS(out), "out"); err != nil {
		t.Error(err)
	}
}

// TestFilesArePrivate imports reviews with the real program, whatever the shell's umask: nobody
// else can read what it writes.
func TestFilesArePrivate(t *testing.T) {
	dir := t.TempDir()
	path, err := filepath.Abs("../testdata/cases/05-dates/rfc.csv")
	if err != nil {
		t.Fatal(err)
	}
	text := "name: shop\ndata: {reviews: {path: " + path + ", user_core: 3, item_core: 1}}\n"
	if err := os.WriteFile(filepath.Join(dir, "spec.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	program, err := staging.BuildWorker()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "import", "spec.yaml", "--out", "out")
	cmd.Dir = dir
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	err = filepath.WalkDir(filepath.Join(dir, "out"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %s", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestImportThatFails(t *testing.T) {
	// Rows are read and shown, although no user has enough of them.
	code, preview, stderr, _ := importCase(t, "05-dates/rfc.csv", ", min_rating: 4.5, to: 2014-02-01")
	if code != exitcode.Data || preview.Summary.Rows != 60 || len(preview.Rows) != 10 ||
		!strings.Contains(stderr, "none of 60 rows is left") || !strings.Contains(stderr, "hint: docs/formats.md") {
		t.Errorf("exit code %d, %+v, %s", code, preview.Summary, stderr)
	}
	code, preview, stderr, _ = importCase(t, "02-no-header/u.data", "")
	if code != exitcode.Data || preview.Summary.Rows != 0 || !strings.Contains(
		stderr, "the first line is not a header",
	) {
		t.Errorf("exit code %d, %+v, %s", code, preview.Summary, stderr)
	}
	if code, _, stderr, _ = importCase(t, "nosuch", ""); code != exitcode.Spec {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}
