// Package golden finds what the Python reference computed, for tests. In: a file's name; out: its
// path or its decoded JSON. The files lie in the folder that the environment variable RDREC_GOLDEN
// names, else in the project's own testdata/golden; a file that is absent there skips the test and
// is named in the skip. Only tests import this package.
package golden

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Load decodes the golden file name (plain JSON, or gzipped where it ends in .gz) into out, a
// pointer. An absent file skips the test.
func Load(t testing.TB, name string, out any) {
	t.Helper()
	if err := json.Unmarshal(Bytes(t, name), out); err != nil {
		t.Fatalf("golden file %q: %v", name, err)
	}
}

// Bytes reads the golden file name, unzipped where it ends in .gz. An absent file skips the test.
func Bytes(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(Path(t, name))
	if err == nil && strings.HasSuffix(name, ".gz") {
		var reader io.Reader
		if reader, err = gzip.NewReader(bytes.NewReader(data)); err == nil {
			data, err = io.ReadAll(reader)
		}
	}
	if err != nil {
		t.Fatalf("golden file %q: %v", name, err)
	}
	return data
}

// Path is where the golden file name lies. An absent file skips the test.
func Path(t testing.TB, name string) string {
	t.Helper()
	folder := os.Getenv("RDREC_GOLDEN")
	if folder == "" {
		folder = filepath.Join(root(), "testdata", "golden")
	}
	path := filepath.Join(folder, filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		t.Skipf("golden file %q is absent from %q", name, folder)
	}
	t.Cleanup(func() {
		if !t.Failed() && !t.Skipped() {
			t.Logf("golden file %q: agrees", name)
		}
	})
	return path
}

// Data is the path of a file or folder of the project's testdata, such as "rdrec/beauty_mini". It
// must exist.
func Data(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(root(), "testdata", filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("test data %q: %v", name, err)
	}
	return path
}

// root is the project's folder: two above this file's, wherever the test runs.
func root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}
