package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"rdrec/internal/exitcode"
	"rdrec/storage"
	"rdrec/workflows"
)

// workerScript writes a program that answers "worker version --json", built from the commit of this
// test.
func workerScript(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "worker")
	text := fmt.Sprintf("#!/bin/sh\ntest \"$*\" = 'version --json' || exit 2\n"+
		"echo '{\"commit\": %q, \"libtorch\": \"2.4.0\", \"device\": \"cuda:0\", \"free_bytes\": 2147483648}'\n",
		readBuild().Commit)
	if err := os.WriteFile(program, []byte(text), 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	return program
}

// pollQueues starts a worker of both queues with a bucket.
func pollQueues(t *testing.T, address, namespace string, bucket storage.Identity) {
	t.Helper()
	c, err := client.Dial(client.Options{
		HostPort: address, Namespace: namespace, Logger: discardLogger(),
		Identity: workflows.WorkerIdentity("1@host", bucket),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	for _, queue := range workflows.Queues() {
		w := worker.New(c, queue, worker.Options{})
		nothing := func(context.Context) error { return nil }
		w.RegisterActivityWithOptions(nothing, activity.RegisterOptions{Name: "Import"})
		if err := w.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.Stop)
	}
}

// runDoctor runs doctor and returns the states of the checks that do not depend on the machine.
func runDoctor(t *testing.T, wantCode int, args ...string) (states map[string]checkState, fixes map[string]string) {
	t.Helper()
	var out bytes.Buffer
	stderr := &watchedBuffer{}
	if code := run(t.Context(), append([]string{"doctor", "--json"}, args...), &out, stderr); code != wantCode {
		t.Fatalf("code %d, want %d, stderr:\n%s\nstdout:\n%s", code, wantCode, stderr, &out)
	}
	var found []finding
	if err := json.Unmarshal(out.Bytes(), &found); err != nil {
		t.Fatalf("%v:\n%s", err, &out)
	}
	states, fixes = map[string]checkState{}, map[string]string{}
	for _, f := range found {
		switch f.Check {
		case "Go", "C++ compiler", "disk":
			if f.State != checkOK && f.Fix == "" {
				t.Errorf("no fix: %+v", f)
			}
		default:
			states[f.Check], fixes[f.Check] = f.State, f.Fix
		}
	}
	return states, fixes
}

// TestDoctor checks a real server without a worker, with one on the same bucket, and with one on
// another bucket.
func TestDoctor(t *testing.T) {
	t.Parallel()
	address, namespace := servers.Take(t)
	bucketURL := "file://" + filepath.ToSlash(t.TempDir())
	bucket, err := storage.Open(t.Context(), bucketURL)
	if err != nil {
		t.Fatal(err)
	}
	defer bucket.Close()
	own, err := bucket.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	flags := []string{
		"--address", address, "--namespace", namespace, "--bucket", bucketURL, "--worker", workerScript(t),
	}
	want := map[string]checkState{
		"worker program": checkOK, "libtorch": checkOK, "GPU": checkOK, "bucket": checkOK, "Temporal server": checkOK,
		"namespace": checkOK, "search attributes": checkOK, "clock": checkOK,
		workflows.QueueCPU: checkFailed, workflows.QueueGPU: checkFailed,
	}
	got, fixes := runDoctor(t, exitcode.Unready, flags...)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("without a worker (-want +got):\n%s", diff)
	}
	if fix := fixes[workflows.QueueGPU]; fix != "bin/worker --queues rdrec-gpu --bucket URL" {
		t.Errorf("the fix of the GPU queue: %q", fix)
	}
	pollQueues(t, address, namespace, own)
	want[workflows.QueueCPU], want[workflows.QueueGPU] = checkOK, checkOK
	if got, _ := runDoctor(t, exitcode.OK, flags...); !cmp.Equal(want, got) {
		t.Errorf("with a worker (-want +got):\n%s", cmp.Diff(want, got))
	}
	pollQueues(t, address, namespace, storage.Identity{ID: "other", URL: "s3://other"})
	want[workflows.QueueCPU], want[workflows.QueueGPU] = checkFailed, checkFailed
	if got, _ := runDoctor(t, exitcode.Unready, flags...); !cmp.Equal(want, got) {
		t.Errorf("with a worker on another bucket (-want +got):\n%s", cmp.Diff(want, got))
	}
}

// TestDoctorWithoutServer checks that the fix of each missing thing is the next command.
func TestDoctorWithoutServer(t *testing.T) {
	t.Parallel()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	none := filepath.Join(t.TempDir(), "none")
	address, _ := servers.Take(t)
	for _, test := range []struct {
		name  string
		args  []string
		check string
		fix   string
	}{
		{"no server", []string{"--address", "127.0.0.1:" + port}, "Temporal server", `run "starter dev"`},
		{
			"no namespace",
			[]string{"--address", address, "--namespace", "nowhere"},
			"namespace",
			"temporal operator namespace create --address " + address + " --namespace nowhere",
		},
		{
			"no worker program",
			[]string{"--address", "127.0.0.1:" + port, "--worker", none},
			"worker program",
			"make build",
		},
		{"no bucket", []string{"--address", "127.0.0.1:" + port, "--bucket", "nowhere://x"}, "bucket", "--bucket"},
		{"no spec", []string{"--address", "127.0.0.1:" + port, none}, "spec", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"--worker", workerScript(t)}, test.args...)
			states, fixes := runDoctor(t, exitcode.Unready, args...)
			if fix := fixes[test.check]; states[test.check] != checkFailed || !strings.Contains(fix, test.fix) {
				t.Errorf("%s is %q, fix %q; want the fix %q", test.check, states[test.check], fix, test.fix)
			}
		})
	}
}
