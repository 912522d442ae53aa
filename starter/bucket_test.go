package main

import (
	"context"
	"net/url"
	"path/filepath"
	"testing"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"rdrec/activities"
	"rdrec/internal/exitcode"
	"rdrec/registry"
	"rdrec/storage"
	"rdrec/workflows"
)

// bucketIn makes a bucket in a new folder.
func bucketIn(t *testing.T) (address string, identity storage.Identity) {
	t.Helper()
	address = (&url.URL{Scheme: "file", Path: filepath.ToSlash(t.TempDir())}).String()
	bucket, err := storage.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer bucket.Close()
	if identity, err = bucket.Identity(t.Context()); err != nil {
		t.Fatal(err)
	}
	return address, identity
}

// startRefusing starts a worker of a bucket, which identifies no inputs of another one's runs.
func startRefusing(t *testing.T, w worker.Worker, own storage.Identity) {
	t.Helper()
	workflows.Register(w)
	identify := func(ctx context.Context, _ activities.IdentifyInput) (id registry.Identity, err error) {
		return id, workflows.CheckBucket(ctx, own, "7@shop")
	}
	w.RegisterActivityWithOptions(identify, activity.RegisterOptions{Name: "Identify"})
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
}

// TestRunForAnotherBucketIsRefused runs the real workflow on a worker that has another bucket.
func TestRunForAnotherBucketIsRefused(t *testing.T) {
	t.Parallel()
	ours, own := bucketIn(t)
	_, theirs := bucketIn(t)
	address, namespace := servers.Take(t)
	c, err := client.Dial(client.Options{
		HostPort: address, Namespace: namespace, Logger: discardLogger(),
		ContextPropagators: workflows.Payloads{}.Propagators(),
		FailureConverter:   workflows.Payloads{}.FailureConverter(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	for _, queue := range []string{workflows.QueueCPU, workflows.QueueBookkeeping} {
		startRefusing(t, worker.New(c, queue, worker.Options{}), theirs)
	}
	env, stderr := &testEnv{address: address, namespace: namespace, bucket: ours}, &watchedBuffer{}
	stdout, code := env.command(t, stderr, "run", writeSpec(t, "shop"))
	if code != exitcode.OtherBucket || stdout != "" {
		t.Errorf("code %d, stdout %q", code, stdout)
	}
	contains(t, stderr.String(),
		": the run was started for the bucket "+own.String()+
			", but worker 7@shop uses the bucket "+theirs.String()+"\n",
		"hint: set --bucket or RDREC_BUCKET of the starter and of all workers to the same bucket")
}

// TestBucketOfARun checks what a worker compares.
func TestBucketOfARun(t *testing.T) {
	t.Parallel()
	own := storage.Identity{ID: "abc", URL: "file:///a"}
	moved := storage.Identity{ID: "abc", URL: "s3://a"}
	other := storage.Identity{ID: "xyz", URL: "file:///a"}
	for _, c := range []struct {
		name    string
		run     storage.Identity
		refused bool
	}{
		{"the same", own, false},
		{"the same through another URL", moved, false},
		{"another with the same URL", other, true},
	} {
		ctx := workflows.WithBucket(t.Context(), c.run)
		if err := workflows.CheckBucket(ctx, own, "1@host"); (err != nil) != c.refused {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if err := workflows.CheckBucket(t.Context(), own, "1@host"); err != nil {
		t.Errorf("a run without a bucket: %v", err)
	}
}
