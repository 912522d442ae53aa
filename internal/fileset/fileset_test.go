package fileset_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/fileset"
)

// folder makes a folder of what Spark writes, and other files.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{
		"out/part-0.json", "out/part-1.json", "out/_SUCCESS", "out/.part-0.json.crc", "out/.hidden.json",
		"out/day=2/part-0.json", "out/_temporary/part-9.json", "out/.git/x", "a*.json", "ab.json", "_named.json",
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "out", "part-2.json"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestFind(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	spark := []string{
		".hidden.json (hidden)", ".part-0.json.crc (a checksum)", "_SUCCESS (a marker)", "part-2.json (empty)",
	}
	for path, want := range map[string][2][]string{
		"out":         {{"out/day=2/part-0.json", "out/part-0.json", "out/part-1.json"}, spark},
		"out/":        {{"out/day=2/part-0.json", "out/part-0.json", "out/part-1.json"}, spark},
		"out/*":       {{"out/part-0.json", "out/part-1.json"}, spark},
		"out/part-*":  {{"out/part-0.json", "out/part-1.json"}, {"part-2.json (empty)"}},
		"a*.json":     {{"a*.json"}, nil},
		"a?.json":     {{"a*.json", "ab.json"}, nil},
		"_named.json": {{"_named.json"}, nil},
	} {
		files, passedOver, err := fileset.Find(filepath.Join(dir, filepath.FromSlash(path)))
		if err != nil {
			t.Fatal(err)
		}
		for i, file := range files {
			if files[i], err = filepath.Rel(dir, file); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(want, [2][]string{files, passedOver}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

func TestFindNothing(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	for path, want := range map[string]string{
		"no.json":      "no.json\"",
		"out/_S*":      "besides _SUCCESS (a marker)",
		"[":            "syntax error in pattern",
		"out/part-2.*": "besides part-2.json (empty)",
	} {
		_, _, err := fileset.Find(filepath.Join(dir, filepath.FromSlash(path)))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
		if path != "[" && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v is not %v", path, err, fs.ErrNotExist)
		}
	}
}
