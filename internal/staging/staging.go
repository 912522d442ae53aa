// Package staging runs the project's real programs for tests: workers, a Temporal server and the
// command line, each in a process that a test can kill, suspend, drain or give a wrong clock, and a
// teacher's server that counts its prompts. In: a test. Out: an [Env], a namespace of a server with
// a bucket of its own, whose processes end with the test. README.md shows a test. Only tests import
// this package.
package staging

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"rdrec/internal/devserver/servertest"
	"rdrec/internal/golden"
	"rdrec/workflows"
)

// servers are shared by all tests that do not disturb them.
var servers servertest.Pool //nolint:gochecknoglobals // one pool a test program

// Main is a TestMain for tests of this package's environments. It returns the exit code.
func Main(m *testing.M) int {
	if settings := os.Getenv(serverSettings); settings != "" {
		return serve(settings)
	}
	code := m.Run()
	if err := servers.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	return code
}

// Env is a namespace of a server, a bucket, and any number of worker processes.
type Env struct {
	T      *testing.T
	Client client.Client
	// Address and Namespace are the server's.
	Address, Namespace string
	// Bucket is the folder with the bucket's objects, URL the bucket's URL for the programs.
	Bucket, URL string
	// Variables are added to the environment of workers and starters.
	Variables []string
	// ClockOffset is how far the clocks of new workers are ahead.
	ClockOffset time.Duration
	// Workers are the workers started so far.
	Workers []*Process
}

// New returns an environment on a shared server.
func New(t *testing.T) *Env {
	t.Helper()
	address, namespace := servers.Take(t)
	return NewAt(t, address, namespace)
}

// NewAt returns an environment on a server.
func NewAt(t *testing.T, address, namespace string) *Env {
	t.Helper()
	return newEnv(t, client.Options{HostPort: address, Namespace: namespace, Logger: nopLogger{}})
}

// newEnv returns the environment of a client.
func newEnv(t *testing.T, options client.Options) *Env {
	t.Helper()
	c, err := client.NewLazyClient(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	dir := filepath.Join(t.TempDir(), "bucket")
	return &Env{
		T: t, Client: c, Address: options.HostPort, Namespace: options.Namespace, Bucket: dir, URL: "file://" + dir,
	}
}

// addVariables adds to the environment of workers and starters.
func (e *Env) addVariables(variables map[string]string) {
	for name, value := range variables {
		e.Variables = append(e.Variables, name+"="+value)
	}
}

type nopLogger struct{}

func (nopLogger) Debug(string, ...any) {}
func (nopLogger) Info(string, ...any)  {}
func (nopLogger) Warn(string, ...any)  {}
func (nopLogger) Error(string, ...any) {}

// Launch starts a workflow and returns its handle.
func (e *Env) Launch(id string, workflow, in any) client.WorkflowRun {
	e.T.Helper()
	run, err := e.Client.ExecuteWorkflow(e.T.Context(), client.StartWorkflowOptions{
		ID: id, TaskQueue: workflows.QueueCPU, WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
	}, workflow, in)
	if err != nil {
		e.T.Fatal(err)
	}
	return run
}

// WaitFor waits for a condition.
func (e *Env) WaitFor(condition string, within time.Duration, met func() bool) {
	e.T.Helper()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(within)
	for !met() {
		select {
		case <-deadline:
			e.T.Fatalf("not within %s: %s", within, condition)
		case <-ticker.C:
		}
	}
}

// AwaitFiles waits until at least n files of the bucket match the pattern.
func (e *Env) AwaitFiles(pattern string, n int) {
	e.T.Helper()
	e.WaitFor(fmt.Sprintf("%d files %s", n, pattern), 4*time.Minute, func() bool { return e.CountFiles(pattern) >= n })
}

// CountFiles returns the number of files of the bucket that match the pattern.
func (e *Env) CountFiles(pattern string) int {
	return len(e.files(pattern))
}

// files returns the paths of the files of the bucket that match the pattern, in order.
func (e *Env) files(pattern string) []string {
	found, err := filepath.Glob(filepath.Join(e.Bucket, pattern))
	if err != nil {
		e.T.Error(err)
	}
	return found
}

// Root returns the project's folder, in which the programs run.
func Root() string { return golden.Root() }
