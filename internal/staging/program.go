package staging

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// BuildWorker builds the worker once and returns its path.
func BuildWorker() (string, error) { return buildWorker() }

// BuildStarter builds the starter once and returns its path.
func BuildStarter() (string, error) { return buildStarter() }

var (
	buildWorker  = builder("worker")  //nolint:gochecknoglobals // built once
	buildStarter = builder("starter") //nolint:gochecknoglobals // built once
)

// builder returns a function that builds a program in bin/tests. All packages share the file, so
// that it is linked only after a change; the lock keeps two packages from linking it at once.
func builder(name string) func() (string, error) {
	return sync.OnceValues(func() (program string, err error) {
		dir := filepath.Join(Root(), "bin", "tests")
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return "", err
		}
		lock, err := os.Create(filepath.Join(dir, name+".lock"))
		if err != nil {
			return "", err
		}
		defer func() { err = errors.Join(err, lock.Close()) }()
		if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
			return "", err
		}
		program = filepath.Join(dir, name)
		// Without symbols for debuggers linking takes half the time.
		build := exec.Command("go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", program, "./"+name)
		build.Dir = Root()
		if out, err := build.CombinedOutput(); err != nil {
			return "", errors.New(string(out))
		}
		return program, nil
	})
}

// Starter runs a starter command against the environment and returns its output and exit code.
func (e *Env) Starter(args ...string) (stdout, stderr string, code int) {
	e.T.Helper()
	program, err := BuildStarter()
	if err != nil {
		e.T.Fatal(err)
	}
	var out, errOut bytes.Buffer
	cmd := exec.CommandContext(e.T.Context(), program,
		append([]string{"--bucket", e.URL, "--address", e.Address, "--namespace", e.Namespace}, args...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = Root(), &out, &errOut
	cmd.Env = append(os.Environ(), e.Variables...)
	err = cmd.Run()
	if cmd.ProcessState == nil {
		e.T.Fatal(err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

// MustStarter runs a starter command that must succeed and returns its standard output.
func (e *Env) MustStarter(args ...string) string {
	e.T.Helper()
	out, stderr, code := e.Starter(args...)
	if code != 0 {
		e.T.Fatalf("starter %s: exit code %d\n%s%s", strings.Join(args, " "), code, out, stderr)
	}
	return out
}
