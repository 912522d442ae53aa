package untrusted_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rdrec/internal/untrusted"
)

func TestJoin(t *testing.T) {
	for name, want := range map[string]string{
		"a": "f/a", "a/b.json": "f/a/b.json", "a/../b": "f/b", "..a": "f/..a",
		"": "", ".": "", "..": "", "../a": "", "a/../../b": "", "/etc/passwd": "", "a/../..": "",
	} {
		got, err := untrusted.Join("f", name)
		if filepath.ToSlash(got) != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, error %v, want %q", name, got, err, want)
		}
		if want == "" && !errors.Is(err, untrusted.ErrOutside) {
			t.Errorf("%q: error %v", name, err)
		}
	}
}

// endless is a reader without end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestSizesAreBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	if data, err := untrusted.ReadFile(path, 5); err != nil || string(data) != "12345" {
		t.Errorf("got %q, error %v", data, err)
	}
	if _, err := untrusted.ReadFile(path, 4); !errors.Is(err, untrusted.ErrTooLarge) {
		t.Errorf("error %v", err)
	}
	if data, err := untrusted.ReadAll(endless{}, 4); !errors.Is(err, untrusted.ErrTooLarge) || len(data) != 4 {
		t.Errorf("%d bytes, error %v", len(data), err)
	}
	failing := io.MultiReader(strings.NewReader("12"), iotest{})
	if data, err := untrusted.ReadAll(failing, 4); string(data) != "12" || !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %q, error %v", data, err)
	}
}

// iotest is a reader that fails.
type iotest struct{}

func (iotest) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"a\tb\n":            "a\tb\n",
		"\x1b[2Jgone":       "\uFFFD[2Jgone",
		"\x1b]0;title\x07x": "\uFFFD]0;title\uFFFDx",
		"a\u009bmb\rc\x7f":  "a\uFFFDmb\uFFFDc\uFFFD",
		"fdp\u202e.exe":     "fdp\uFFFD.exe",
		"größe 日本":          "größe 日本",
	} {
		if got := untrusted.Printable(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// FuzzJoin joins any name: an error, or a path within the folder.
func FuzzJoin(f *testing.F) {
	for _, name := range []string{"a/b", "../a", "a/../../b", "/a", "a//../..", "./..", "a\x00b", "..\\a"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		path, err := untrusted.Join("/folder", name)
		if err == nil && (!strings.HasPrefix(path, "/folder/") || strings.Contains(path+"/", "/../")) {
			t.Errorf("%q leads to %q", name, path)
		}
	})
}
