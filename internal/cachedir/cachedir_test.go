package cachedir_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"rdrec/internal/cachedir"
)

func TestDir(t *testing.T) {
	home := t.TempDir()
	cases := map[string]struct{ rdrec, xdg, want string }{
		"chosen":        {rdrec: "/somewhere/else", xdg: home, want: "/somewhere/else"},
		"user's cache":  {xdg: home, want: filepath.Join(home, "rdrec")},
		"made absolute": {rdrec: "here", want: filepath.Join(workingDir(t), "here")},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Setenv(cachedir.DirEnv, c.rdrec)
			t.Setenv("XDG_CACHE_HOME", c.xdg)
			got, err := cachedir.Dir()
			if err != nil || got != c.want {
				t.Errorf("Dir() = %q, %v; want %q", got, err, c.want)
			}
		})
	}
}

func TestDirWithoutHome(t *testing.T) {
	for _, name := range []string{cachedir.DirEnv, "XDG_CACHE_HOME", "HOME"} {
		t.Setenv(name, "")
	}
	if dir, err := cachedir.Dir(); err == nil {
		t.Errorf("Dir() = %q, want an error", dir)
	}
}

func TestDemoTeacherFile(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(cachedir.DirEnv, dir)
	t.Setenv(cachedir.TeacherDirEnv, "")
	want := filepath.Join(dir, "teacher", cachedir.DemoTeacher)
	path, err := cachedir.DemoTeacherFile()
	if path != want || !errors.Is(err, cachedir.ErrNoTeacher) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("DemoTeacherFile() = %q, %v; want %q and ErrNoTeacher", path, err, want)
	}

	other := t.TempDir()
	t.Setenv(cachedir.TeacherDirEnv, other)
	want = filepath.Join(other, cachedir.DemoTeacher)
	if err := os.WriteFile(want, []byte("GGUF"), 0o600); err != nil {
		t.Fatal(err)
	}
	if path, err := cachedir.DemoTeacherFile(); path != want || err != nil {
		t.Errorf("DemoTeacherFile() = %q, %v; want %q", path, err, want)
	}
}

func workingDir(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
