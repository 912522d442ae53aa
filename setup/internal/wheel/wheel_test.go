package wheel_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/setup/internal/wheel"
)

const library = "torch/lib/libtorch_cpu.so"

// write creates a wheel; lie is the file whose RECORD entry is wrong.
func write(t *testing.T, files map[string]string, lie string) string {
	t.Helper()
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	var record strings.Builder
	for name, content := range files {
		add(t, w, name, content)
		sum := sha256.Sum256([]byte(content))
		if name == lie {
			sum[0] ^= 1
		}
		fmt.Fprintf(&record, "%s,sha256=%s,%d\n", name, base64.RawURLEncoding.EncodeToString(sum[:]), len(content))
	}
	add(t, w, "torch-2.11.0.dist-info/RECORD", record.String()+"torch-2.11.0.dist-info/RECORD,,\n")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "torch-2.11.0-py3-none-any.whl")
	if err := os.WriteFile(file, archive.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func add(t *testing.T, w *zip.Writer, name, content string) {
	t.Helper()
	member, err := w.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := member.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
}

func libraries(name string) string {
	if strings.HasPrefix(name, "torch/lib/") {
		return strings.TrimPrefix(name, "torch/")
	}
	return ""
}

func TestUnpack(t *testing.T) {
	content := map[string]string{library: "code", "torch/nn/linear.py": "python", "torch/lib/libc10.so": "core"}
	file := write(t, content, "")
	dir := t.TempDir()
	files, err := wheel.Unpack(t.Context(), file, dir, libraries)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range files {
		content, err := os.ReadFile(filepath.Join(dir, f.Path))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(content)
		if f.Size != int64(len(content)) || f.SHA256 != hex.EncodeToString(sum[:]) {
			t.Errorf("%+v does not describe %q", f, content)
		}
		got[f.Path] = string(content)
	}
	want := map[string]string{"lib/libtorch_cpu.so": "code", "lib/libc10.so": "core"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("folder contains %v, %v; want lib alone", entries, err)
	}
}

func TestUnpackRefuses(t *testing.T) {
	good := map[string]string{library: strings.Repeat("code", 1000)}
	whole := write(t, good, "")
	content, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	short := filepath.Join(t.TempDir(), "short.whl")
	if err := os.WriteFile(short, content[:len(content)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	cases := map[string]struct {
		ctx   context.Context //nolint:containedctx // a case of a table
		file  string
		place wheel.Selector
		want  error
	}{
		"another content than RECORD's": {t.Context(), write(t, good, library), libraries, wheel.ErrCorrupt},
		"truncated":                     {t.Context(), short, libraries, wheel.ErrCorrupt},
		"a way out of the folder":       {t.Context(), whole, func(string) string { return "../x" }, wheel.ErrCorrupt},
		"interrupted":                   {stopped, whole, libraries, context.Canceled},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if _, err := wheel.Unpack(c.ctx, c.file, t.TempDir(), c.place); !errors.Is(err, c.want) {
				t.Errorf("Unpack: %v, want %v", err, c.want)
			}
		})
	}
}

func TestRead(t *testing.T) {
	file := write(t, map[string]string{"torch-2.11.0.dist-info/METADATA": "Name: torch"}, "")
	got, err := wheel.Read(file, "*.dist-info/METADATA")
	if err != nil || string(got) != "Name: torch" {
		t.Errorf("Read = %q, %v", got, err)
	}
	if _, err := wheel.Read(file, "*.dist-info/WHEEL"); !errors.Is(err, wheel.ErrCorrupt) {
		t.Errorf("Read of a missing file: %v, want %v", err, wheel.ErrCorrupt)
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add([]byte("PK\x05\x06" + strings.Repeat("\x00", 18)))
	f.Fuzz(func(t *testing.T, content []byte) {
		file := filepath.Join(t.TempDir(), "x.whl")
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		files, err := wheel.Unpack(t.Context(), file, dir, func(name string) string { return name })
		if err == nil {
			for _, done := range files {
				info, err := os.Stat(filepath.Join(dir, done.Path))
				if err != nil || info.Size() > int64(len(content))*2000 {
					t.Errorf("%q: %v", done.Path, err)
				}
			}
		}
	})
}
