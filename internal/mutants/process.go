package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
}

// run runs some tests of a suite in a process group of its own, in the package's folder, with a temporary folder of its own.
func (s *suite) run(ctx context.Context, tests []*test, limit time.Duration, env string) (outcome, error) {
	temporary, err := os.MkdirTemp(s.scratch, "tmp-")
	if err != nil {
		return outcome{}, err
	}
	defer os.RemoveAll(temporary)
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	c := exec.CommandContext(limited, s.binary, "-test.failfast", "-test.timeout=0", "-test.run", pattern(tests))
	c.Dir, c.Env = s.dir, append(os.Environ(), "TMPDIR="+temporary, "OMP_WAIT_POLICY=passive", env)
	var out tail
	c.Stdout, c.Stderr = &out, &out
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = 5 * time.Second
	err = c.Run()
	switch failed := (*exec.ExitError)(nil); {
	case ctx.Err() != nil:
		return outcome{}, ctx.Err()
	case limited.Err() != nil:
		return outcome{timedOut: true, reason: fmt.Sprintf("ran past %s", limit.Round(time.Second))}, nil
	case err == nil:
		return outcome{passed: true}, nil
	case errors.As(err, &failed) || errors.Is(err, exec.ErrWaitDelay):
		return outcome{reason: out.reason()}, nil
	}
	return outcome{}, fmt.Errorf("run the tests of %s: %w", s.folder, err)
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
