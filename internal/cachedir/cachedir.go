// Package cachedir locates the cache of files that set-up fetches. In: the environment
// (RDREC_CACHE, RDREC_TEACHER_DIR and the user's cache folder). Out: paths; it reads and writes no
// file. Set-up writes to the cache, the worker reads from it, and all clones of the project on one
// machine share it.
package cachedir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

const (
	// DirEnv is the environment variable that overrides the folder of the cache.
	DirEnv = "RDREC_CACHE"
	// TeacherDirEnv is the environment variable that overrides the folder of the teachers alone,
	// for machines that get them another way.
	TeacherDirEnv = "RDREC_TEACHER_DIR"
	// DemoTeacher is the file name of the demo's teacher, SmolLM2-135M-Instruct.
	DemoTeacher = "smollm2.gguf"
)

// Dir returns the folder of the cache: $RDREC_CACHE, or else "rdrec" in the user's cache folder
// ($XDG_CACHE_HOME or ~/.cache). The folder may not exist yet.
func Dir() (string, error) {
	if dir := os.Getenv(DirEnv); dir != "" {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return "", fmt.Errorf("find cache folder: %s=%q: %w", DirEnv, dir, err)
		}
		return abs, nil
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find cache folder (set %s to choose one): %w", DirEnv, err)
	}
	return filepath.Join(base, "rdrec"), nil
}

// TeacherDir returns the folder of the teachers' weights: $RDREC_TEACHER_DIR, or else "teacher" in
// [Dir].
func TeacherDir() (string, error) {
	if dir := os.Getenv(TeacherDirEnv); dir != "" {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return "", fmt.Errorf("find teacher folder: %s=%q: %w", TeacherDirEnv, dir, err)
		}
		return abs, nil
	}
	dir, err := Dir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "teacher"), nil
}

// ErrNoTeacher means that the demo's teacher was not fetched.
var ErrNoTeacher = errors.New("the demo's teacher is missing")

// DemoTeacherFile returns the path of the demo's teacher. If the file is missing, the error is
// [ErrNoTeacher] with the path and the command that fetches it.
func DemoTeacherFile() (string, error) {
	dir, err := TeacherDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, DemoTeacher)
	if _, err := os.Stat(path); err != nil {
		return path, fmt.Errorf("%w: %q (make setup fetches it; %s may name another folder): %w",
			ErrNoTeacher, path, TeacherDirEnv, err)
	}
	return path, nil
}
