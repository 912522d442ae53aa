package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rdrec/internal/exitcode"
)

// TestExitCodes runs command lines that fail before the worker polls.
func TestExitCodes(t *testing.T) {
	folder := t.TempDir()
	bucket := "file://" + filepath.ToSlash(folder)
	readOnly := t.TempDir()
	if err := os.WriteFile(filepath.Join(readOnly, "probes"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	for _, c := range []struct {
		name string
		args []string
		code int
		want []string
	}{
		{"help", []string{"--help"}, exitcode.OK, []string{"Exit codes: 0 done, 1 anything else, 2 the command line"}},
		{
			"an unknown flag",
			[]string{"--nope"},
			exitcode.Usage,
			[]string{"error: unknown flag --nope\n", `hint: see "worker --help"`},
		},
		{
			"an unknown flag, where the log is JSON",
			[]string{"--log-json", "--nope"},
			exitcode.Usage,
			[]string{`{"level":"error","error":"unknown flag --nope","hint":"see \"worker --help\"","code":2}`},
		},
		{
			"no such bucket",
			[]string{"--bucket", "nowhere://x"},
			exitcode.NoBucket,
			[]string{"error: no bucket: ", "hint: set --bucket or RDREC_BUCKET"},
		},
		{
			"no right to write",
			[]string{"--bucket", "file://" + filepath.ToSlash(readOnly)},
			exitcode.NoBucket,
			[]string{"error: the bucket is not accessible: write \"probes/", "hint: give the worker the right"},
		},
		{
			"no such GPU",
			[]string{"--bucket", bucket, "--device", "cuda:99"},
			exitcode.Usage,
			[]string{
				`error: device "cuda:99": no such GPU: `,
				`hint: "make setup CUDA=1" fetches what a GPU needs, "worker version" shows what this machine has`,
			},
		},
		{
			"an address in use",
			[]string{"serve", "--name", "shop", "--bucket", bucket, "--addr", busy.Addr().String()},
			exitcode.InUse,
			[]string{"hint: stop the process that listens there"},
		},
	} {
		var stdout, stderr bytes.Buffer
		code := run(append(c.args, "--scratch", t.TempDir()), &stdout, &stderr)
		if c.name == "help" {
			code = run(c.args, &stdout, &stderr)
		}
		text := stdout.String() + stderr.String()
		if code != c.code {
			t.Errorf("%s: code %d, want %d: %s", c.name, code, c.code, text)
		}
		for _, want := range c.want {
			if !strings.Contains(strings.Join(strings.Fields(text), " "), strings.Join(strings.Fields(want), " ")) {
				t.Errorf("%s: %q is missing from %s", c.name, want, text)
			}
		}
	}
}

// TestExitCodeOfErrors checks errors that need a server.
func TestExitCodeOfErrors(t *testing.T) {
	t.Parallel()
	for err, code := range map[error]int{
		errServer: exitcode.NoServer, errOtherBucket: exitcode.OtherBucket, errors.New("other"): exitcode.Failed,
	} {
		if got := fail(&bytes.Buffer{}, fmt.Errorf("starting: %w", err)); got != code {
			t.Errorf("%v: code %d, want %d", err, got, code)
		}
	}
}
