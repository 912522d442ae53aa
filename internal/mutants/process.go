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

// limit is how long a process may take. Processor time tells an endless loop from a busy machine; the clock
// ends what waits for ever.
type limit struct{ cpu, wall time.Duration }

// memory is how much address space a test process may have, in KiB: an endless loop may well be one that appends.
const memory = 8 << 20

// run runs some tests of a suite in a process group of its own, in the package's folder, with a temporary folder of its own.
func (s *suite) run(ctx context.Context, tests []*test, most limit, env string) (outcome, error) {
	temporary, err := os.MkdirTemp(s.scratch, "tmp-")
	if err != nil {
		return outcome{}, err
	}
	defer os.RemoveAll(temporary)
	limited, cancel := context.WithTimeout(ctx, most.wall)
	defer cancel()
	script := fmt.Sprintf(`ulimit -t %d -v %d; exec "$0" "$@"`, int(math.Ceil(most.cpu.Seconds())), memory)
	c := exec.CommandContext(limited, "bash", "-c", script, s.binary, "-test.failfast", "-test.timeout=0", "-test.run", pattern(tests))
	// A program that a test builds has the mutants as well, and is told which by the same variable.
	c.Dir, c.Env = s.dir, append(os.Environ(), "TMPDIR="+temporary, "OMP_WAIT_POLICY=passive", "GOFLAGS=-buildvcs=false -overlay="+s.overlay, env)
	var out tail
	c.Stdout, c.Stderr = &out, &out
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = 5 * time.Second
	err = c.Run()
	if c.Process != nil {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) //nolint:errcheck // what it started and left behind, if anything
	}
	if ctx.Err() != nil {
		return outcome{}, ctx.Err()
	}
	if c.ProcessState == nil {
		return outcome{}, fmt.Errorf("run the tests of %s: %w", s.folder, err)
	}
	done := outcome{passed: err == nil, reason: out.reason(), cpu: c.ProcessState.UserTime() + c.ProcessState.SystemTime()}
	status, ok := c.ProcessState.Sys().(syscall.WaitStatus)
	if limited.Err() != nil || ok && status.Signaled() && status.Signal() == syscall.SIGKILL {
		done.timedOut, done.reason = true, fmt.Sprintf("stopped after %s of processor time", done.cpu.Round(time.Second))
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

// tail keeps the beginning of what a test process writes: enough to see what failed first.
type tail struct{ bytes.Buffer }

func (t *tail) Write(p []byte) (int, error) {
	const most = 1 << 16
	if t.Len() < most {
		t.Buffer.Write(p[:min(len(p), most-t.Len())])
	}
	return len(p), nil
}

var telling = regexp.MustCompile(`(?m)^\s*--- FAIL: \S+|^panic: .*|^fatal error: .*`)

func (t *tail) reason() string {
	if found := telling.Find(t.Bytes()); found != nil {
		return oneLine(string(found))
	}
	return "the process ended"
}
