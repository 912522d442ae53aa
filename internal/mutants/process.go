package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// outcome is how one run of a test binary ended.
type outcome struct {
	passed   bool
	timedOut bool
	reason   string // the first test that failed, or the panic
	cpu      time.Duration
}

// limit is the longest that a process may take. A limit of processor time ends an endless loop even
// on a busy machine; a limit of wall time ends a deadlock.
type limit struct{ cpu, wall time.Duration }

// memory is the limit of a test process's address space in KiB: an endless loop may append to a
// slice.
const memory = 8 << 20

// run runs some tests of a suite in the package's folder, with their own process group and
// temporary folder.
func (s *suite) run(ctx context.Context, tests []*test, most limit, env string) (outcome, error) {
	temporary, err := os.MkdirTemp(s.scratch, "tmp-")
	if err != nil {
		return outcome{}, err
	}
	defer os.RemoveAll(temporary)
	limited, cancel := context.WithTimeout(ctx, most.wall)
	defer cancel()
	script := fmt.Sprintf(`ulimit -t %d -v %d; exec "$0" "$@"`, int(math.Ceil(most.cpu.Seconds())), memory)
	args := []string{"-c", script, s.binary, "-test.failfast", "-test.timeout=0", "-test.run", pattern(tests)}
	c := exec.CommandContext(limited, "bash", args...)
	// With the overlay in GOFLAGS, programs that a test builds have the mutants too.
	flags := "GOFLAGS=-buildvcs=false -overlay=" + s.overlay
	c.Dir, c.Env = s.dir, append(os.Environ(), "TMPDIR="+temporary, "OMP_WAIT_POLICY=passive", flags, env)
	var out head
	c.Stdout, c.Stderr = &out, &out
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = 5 * time.Second
	err = c.Run()
	if c.Process != nil {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) //nolint:errcheck // usually none is left
	}
	if ctx.Err() != nil {
		return outcome{}, ctx.Err()
	}
	if c.ProcessState == nil {
		return outcome{}, fmt.Errorf("run the tests of %s: %w", s.folder, err)
	}
	used := c.ProcessState.UserTime() + c.ProcessState.SystemTime()
	done := outcome{passed: err == nil, reason: out.reason(), cpu: used}
	status, ok := c.ProcessState.Sys().(syscall.WaitStatus)
	if limited.Err() != nil || ok && status.Signaled() && status.Signal() == syscall.SIGKILL {
		done.timedOut = true
		done.reason = fmt.Sprintf("no end after %.0f s of processor time", used.Seconds())
	}
	return done, nil
}

func pattern(tests []*test) string {
	names := make([]string, len(tests))
	for i, t := range tests {
		names[i] = t.Name
	}
	return "^(" + strings.Join(names, "|") + ")$"
}

// head keeps the beginning of a test process's output, which has the first failure.
type head struct{ bytes.Buffer }

func (h *head) Write(p []byte) (int, error) {
	const most = 1 << 16
	if h.Len() < most {
		h.Buffer.Write(p[:min(len(p), most-h.Len())])
	}
	return len(p), nil
}

var failureLine = regexp.MustCompile(`(?m)^\s*--- FAIL: \S+|^panic: .*|^fatal error: .*`)

func (h *head) reason() string {
	if found := failureLine.Find(h.Bytes()); found != nil {
		return oneLine(string(found))
	}
	return "the process ended"
}
