package libtorch_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/setup/internal/faketorch"
	"rdrec/setup/internal/hint"
	"rdrec/setup/internal/libtorch"
)

var compiler = []string{"c++"}

func TestOpen(t *testing.T) {
	cases := map[string]faketorch.Options{
		"as 2.1.0's wheel":  {Version: "2.1.0", ABI: 0},
		"as 2.11.0's wheel": {Version: "2.11.0", ABI: 1, Split: true},
	}
	for name, o := range cases {
		t.Run(name, func(t *testing.T) {
			root := faketorch.Make(t, o)
			want := libtorch.Libtorch{
				Root: root, Lib: filepath.Join(root, "lib"), Include: filepath.Join(root, "include"),
				Version: o.Version, ABI: o.ABI,
			}
			for _, dir := range []string{root, filepath.Dir(root)} {
				got, err := libtorch.Open(dir)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("Open(%q): %s", dir, diff)
				}
			}
			if err := want.Try(t.Context(), compiler, t.TempDir()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	broken := map[string]func(root string) error{
		"no libraries": func(root string) error { return os.RemoveAll(filepath.Join(root, "lib")) },
		"no headers":   func(root string) error { return os.RemoveAll(filepath.Join(root, "include")) },
		"no core": func(root string) error {
			return os.WriteFile(filepath.Join(root, "lib", "libc10.so"), []byte("not a library"), 0o600)
		},
		"truncated": func(root string) error { return os.Truncate(filepath.Join(root, "lib", libtorch.CPU), 20) },
		"another machine": func(root string) error {
			f, err := os.OpenFile(filepath.Join(root, "lib", libtorch.CPU), os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteAt([]byte{0xf3, 0}, 18) // e_machine: RISC-V
			return errors.Join(err, f.Close())
		},
	}
	for name, damage := range broken {
		t.Run(name, func(t *testing.T) {
			root := faketorch.Make(t, faketorch.Options{Version: "2.11.0", ABI: 1})
			if err := damage(root); err != nil {
				t.Fatal(err)
			}
			if got, err := libtorch.Open(root); !errors.Is(err, libtorch.ErrUnusable) {
				t.Errorf("Open = %+v, %v; want %v", got, err, libtorch.ErrUnusable)
			}
		})
	}
}

func TestMissing(t *testing.T) {
	const needed = "libcupti.so.13"
	root := faketorch.Make(t, faketorch.Options{Version: "2.11.0", ABI: 1, Needs: needed})
	l, err := libtorch.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	needs, err := l.Missing()
	want := []libtorch.Need{{Name: needed, By: filepath.Join(root, "lib", libtorch.CPU)}}
	if diff := cmp.Diff(want, needs); err != nil || diff != "" {
		t.Errorf("Missing: %v %s", err, diff)
	}
	err = l.Try(t.Context(), compiler, t.TempDir())
	if !errors.Is(err, libtorch.ErrUnusable) || !strings.Contains(err.Error(), needed) ||
		!strings.Contains(hint.Of(err), "LIBTORCH") {
		t.Errorf("Try without %s: %v, hint %q", needed, err, hint.Of(err))
	}

	l.Beside = []string{filepath.Join(root, "elsewhere")}
	if needs, err := l.Missing(); err != nil || len(needs) != 0 {
		t.Errorf("with the further folder, Missing = %v, %v", needs, err)
	}
	if err := l.Try(t.Context(), compiler, t.TempDir()); err != nil {
		t.Errorf("with the further folder: %v", err)
	}
}

func TestPython(t *testing.T) {
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	if got := libtorch.Python(t.Context()); got != "" {
		t.Errorf("without a Python, Python() = %q", got)
	}
	script := "#!/bin/sh\necho /site/torch\n"
	if err := os.WriteFile(filepath.Join(bin, "python3"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	if got := libtorch.Python(t.Context()); got != "/site/torch" {
		t.Errorf("Python() = %q", got)
	}
}
