package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"rdrec/activities"
	"rdrec/internal/exitcode"
	"rdrec/internal/spec"
	"rdrec/storage"
	"rdrec/workflows"
)

// brokenImporter fails until it is repaired; then it finds that the data are damaged.
type brokenImporter struct {
	activities.Importer
	attempts atomic.Int64
	repaired atomic.Bool
}

func (b *brokenImporter) Import(context.Context, activities.ImportJob) error {
	if b.repaired.Load() {
		return fmt.Errorf("%w: torn in half", activities.ErrData)
	}
	return fmt.Errorf("attempt %d: the disk is on fire", b.attempts.Add(1))
}

// newRealEnv returns an environment whose workers run the real workflows and activities, with a
// limit of two failures.
func newRealEnv(t *testing.T, importer activities.Importer) (*testEnv, client.Client) {
	t.Helper()
	env := &testEnv{}
	env.address, env.namespace = servers.Take(t)
	env.bucket = "file://" + filepath.ToSlash(t.TempDir())
	bucket, err := storage.Open(t.Context(), env.bucket)
	if err != nil {
		t.Fatal(err)
	}
	options := client.Options{HostPort: env.address, Namespace: env.namespace, Logger: discardLogger()}
	payloads, err := environmentPayloads()
	if err != nil {
		t.Fatal(err)
	}
	payloads.Configure(&options)
	c, err := client.Dial(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		if err := bucket.Close(); err != nil {
			t.Error(err)
		}
	})
	const heartbeat = 100 * time.Millisecond // with it, a worker learns that its activity is stopped
	for _, queue := range append(workflows.Queues(), workflows.QueueBookkeeping) {
		w := worker.New(c, queue, worker.Options{
			MaxHeartbeatThrottleInterval: heartbeat, DefaultHeartbeatThrottleInterval: heartbeat,
		})
		workflows.Register(w)
		w.RegisterActivity(&activities.Activities{
			Bucket: bucket, Importer: importer, Scratch: t.TempDir(), Log: zerolog.Nop(), Now: time.Now, MaxFailures: 2,
		})
		if err := w.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.Stop)
	}
	return env, c
}

// shopReviews are the reviews of the tests' shop.
const shopReviews = "../testdata/reviews/All_Beauty_5.json.gz"

// startShop starts an experiment that imports the reviews of a file.
func startShop(t *testing.T, c client.Client, file string) client.WorkflowRun {
	t.Helper()
	s := spec.Default()
	reviews := spec.DefaultReviews()
	reviews.Path = file
	s.Name, s.Methods, s.Data.Reviews = "shop", []string{"pod"}, &reviews
	started, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: "shop", TaskQueue: workflows.QueueCPU,
	}, workflows.Experiment, workflows.ExperimentInput{Spec: s})
	if err != nil {
		t.Fatal(err)
	}
	return started
}

// TestRepeatedFailuresPauseUntilResumed lets an import fail on a real server: after two attempts,
// the limit, the run pauses, and it continues when it is resumed. The count of failures travels in
// the heartbeats, which only a real server keeps between attempts.
func TestRepeatedFailuresPauseUntilResumed(t *testing.T) {
	t.Parallel()
	importer := &brokenImporter{}
	env, c := newRealEnv(t, importer)
	started := startShop(t, c, shopReviews)
	if _, code := env.command(t, &watchedBuffer{}, "resume", "nosuch"); code != exitcode.Failed {
		t.Errorf("resume of a run that does not exist: code %d", code)
	}
	watched := &watchedBuffer{}
	paused := watched.await("import                       paused: 2 attempts in a row failed without progress: " +
		"attempt 2: the disk is on fire")
	hint := watched.await(`paused: fix the cause, then "starter resume shop"`)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		env.command(t, watched, "watch", "shop")
	}()
	for _, seen := range []<-chan struct{}{paused, hint} {
		select {
		case <-seen:
		case <-time.After(time.Minute):
			t.Fatalf("watch shows:\n%s", watched)
		}
	}
	importer.repaired.Store(true)
	stdout, code := env.command(t, &watchedBuffer{}, "resume", "shop", "--json")
	var resumed resumedRun
	if err := json.Unmarshal([]byte(stdout), &resumed); err != nil || code != exitcode.OK ||
		strings.Join(resumed.Resumed, " ") != "shop" {
		t.Errorf("resumed %q, code %d, %v", stdout, code, err)
	}
	if err := started.Get(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "torn in half") {
		t.Errorf("after the repair: %v", err)
	}
	<-ended
	stderr := &watchedBuffer{}
	if _, code := env.command(t, stderr, "resume", "shop"); code != exitcode.Failed {
		t.Errorf("resume of a failed run: code %d", code)
	}
	contains(t, stderr.String(), "nothing to resume: shop is failed")
	explained, _ := env.command(t, stderr, "explain", "shop", "import")
	contains(t, explained, "import failed: ", "torn in half\n  next: repair the input")
	if n := importer.attempts.Load(); n != 2 {
		t.Errorf("%d attempts before the pause, want 2", n)
	}
}
