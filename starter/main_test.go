package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"rdrec/internal/devserver/servertest"
)

// TestMain makes the test binary the command "starter" of the scripts.
func TestMain(m *testing.M) {
	testscript.Main(testMain{m}, map[string]func(){"starter": main})
}

// servers are the real servers that the tests share.
var servers servertest.Pool

// testMain stops the shared servers after the tests.
type testMain struct{ *testing.M }

// Run runs the tests and returns the exit code.
func (s testMain) Run() int {
	code := s.M.Run()
	if err := servers.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// TestScripts runs the scripts in testdata.
func TestScripts(t *testing.T) {
	t.Parallel()
	experiments, err := filepath.Abs("../experiments")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Setenv("EXPERIMENTS", experiments)
			env.Setenv("RDREC", filepath.Join(experiments, "..", "testdata", "rdrec"))
			port, err := freePort()
			if err != nil {
				return err
			}
			env.Setenv("PORT", port)
			env.Setenv("TEMPORAL_CONFIG_FILE", filepath.Join(env.WorkDir, "temporal.toml"))
			return os.WriteFile(filepath.Join(env.WorkDir, "temporal.toml"), nil, 0o600)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exitsWith, "listens": awaitListener,
		},
	})
}

// exitsWith implements "exits CODE COMMAND...", which runs a command and checks its exit code.
func exitsWith(script *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	script.Check(err)
	err = script.Exec(args[1], args[2:]...)
	got := 0
	if failed := new(exec.ExitError); errors.As(err, &failed) {
		got = failed.ExitCode()
	} else {
		script.Check(err)
	}
	if got != want {
		script.Fatalf("exit code is %d, not %d", got, want)
	}
}

// awaitListener implements "listens ADDRESS", which waits until the address accepts connections.
func awaitListener(script *testscript.TestScript, _ bool, args []string) {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for range 400 {
		if c, err := (&net.Dialer{}).Dial("tcp", args[0]); err == nil {
			script.Check(c.Close())
			return
		}
		<-ticker.C
	}
	script.Fatalf("nothing listens at %s", args[0])
}

// freePort returns a port that is free now.
func freePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("finding a port: %w", err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, errors.Join(err, listener.Close())
}
