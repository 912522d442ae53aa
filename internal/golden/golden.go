// Package golden gives tests the results of the Python reference. Its input is a file's name; its
// output is the file's path or its decoded JSON. The files are in the folder of the environment
// variable RDREC_GOLDEN, or in the project's testdata/golden if it is not set. A test whose file is
// missing is skipped, and the skip names the file. Only tests import this package.
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

// Load decodes the golden file name (JSON, gzipped if the name ends in .gz) into out, a pointer. A
// missing file skips the test.
func Load(t testing.TB, name string, out any) {
	t.Helper()
	if err := json.Unmarshal(Bytes(t, name), out); err != nil {
		t.Fatalf("golden file %q: %v", name, err)
	}
}

// Bytes returns the content of the golden file name, unzipped if the name ends in .gz. A missing
// file skips the test.
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

// Path returns the path of the golden file name. A missing file skips the test.
func Path(t testing.TB, name string) string {
	t.Helper()
	folder := os.Getenv("RDREC_GOLDEN")
	if folder == "" {
		folder = filepath.Join(Root(), "testdata", "golden")
	}
	path := filepath.Join(folder, filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		t.Skipf("golden file %q is missing from %q", name, folder)
	}
	t.Cleanup(func() {
		if !t.Failed() && !t.Skipped() {
			t.Logf("golden file %q: agrees", name)
		}
	})
	return path
}

// Data returns the path of a file or folder of the project's testdata, such as "rdrec/beauty_mini".
// It must exist.
func Data(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(Root(), "testdata", filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("test data %q: %v", name, err)
	}
	return path
}

// Llama2Tokenizer returns Llama 2's tokenizer.model, which is not part of the project but may be in
// a folder beside it. A missing file skips the test.
func Llama2Tokenizer(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(filepath.Dir(Root()), "shared", "data", "llama2", "tokenizer.model"))
	if err != nil {
		t.Skip("Llama 2's tokenizer.model is absent")
	}
	return data
}

// Root returns the project's folder: that of the environment variable RDREC_ROOT, for tests that
// run on another machine than the one that compiled them, or else the one two levels above this
// file's.
func Root() string {
	if root := os.Getenv("RDREC_ROOT"); root != "" {
		return root
	}
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}
