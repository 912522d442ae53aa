package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
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

// startCPUWorker starts a worker for the CPU queue, and for bookkeeping, that runs the real
// workflows with activities that do nothing.
func startCPUWorker(t *testing.T, address, namespace string) (stop func()) {
	t.Helper()
	c, err := client.Dial(client.Options{HostPort: address, Namespace: namespace, Logger: discardLogger()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	work := worker.New(c, workflows.QueueCPU, worker.Options{})
	books := worker.New(c, workflows.QueueBookkeeping, worker.Options{})
	workflows.Register(work)
	output := func(context.Context, any) (storage.Ref, error) {
		return storage.Ref{Digest: strings.Repeat("a", 64), Size: 1}, nil
	}
	for name, f := range map[string]any{
		"Identify": func(context.Context, any) (registry.Identity, error) { return registry.Identity{Data: "d"}, nil },
		"LookUp":   func(context.Context, any) (activities.StageResult, error) { return activities.StageResult{}, nil },
		"Import":   output, "Preprocess": output, "RankBaselines": output,
		"CommitStage": func(context.Context, any) error { return nil },
	} {
		work.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name})
		books.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name})
	}
	if err := errors.Join(work.Start(), books.Start()); err != nil {
		t.Fatal(err)
	}
	return func() {
		work.Stop()
		books.Stop()
	}
}

// TestStatusWithoutAWorker shows the stages of a trial that waits for a GPU, beside a worker and
// after that has ended.
func TestStatusWithoutAWorker(t *testing.T) {
	t.Parallel()
	address, namespace := servers.Take(t)
	env, stderr := &testEnv{address: address, namespace: namespace}, &watchedBuffer{}
	start := env.with("run", "--no-watch", writeSpec(t, "shop"), "--set", "methods=pod")
	var out bytes.Buffer
	if code := run(t.Context(), start, &out, stderr); code != exitcode.OK {
		t.Fatalf("code %d, stderr:\n%s", code, stderr)
	}
	id := strings.TrimSpace(out.String())
	status := func(notes ...string) experimentStatus {
		t.Helper()
		var out bytes.Buffer
		stderr := &watchedBuffer{}
		code := run(t.Context(), env.with("status", id, "--json"), &out, stderr)
		var got experimentStatus
		if err := json.Unmarshal(out.Bytes(), &got); err != nil || code != exitcode.OK {
			t.Fatalf("code %d, %v, stdout:\n%s", code, err, &out)
		}
		contains(t, stderr.String()+strings.Join(got.Notes, "\n"), notes...)
		return got
	}
	if got := status("no worker polls rdrec-cpu; start one with bin/worker --bucket URL"); len(got.Stages) != 0 {
		t.Errorf("before a worker: %+v", got.Stages)
	}
	stop := startCPUWorker(t, address, namespace)
	const noGPU = "no worker polls rdrec-gpu; start one with bin/worker --queues rdrec-gpu --bucket URL"
	ctx, interrupt := context.WithCancel(t.Context())
	seen := stderr.await(noGPU)
	go func() {
		<-seen
		interrupt()
	}()
	if code := run(ctx, env.with("watch", id), &bytes.Buffer{}, stderr); code != exitcode.Interrupted {
		t.Fatalf("watch: code %d, stderr:\n%s", code, stderr)
	}
	stop()
	got := status("no worker answers on rdrec-cpu", noGPU)
	states := map[string]workflows.State{}
	for _, l := range got.Stages {
		states[l.Name] = l.State
	}
	if states["import"] != workflows.Finished || states["preprocess"] != workflows.Finished ||
		states["pretrain pod/1"] != workflows.Running {
		t.Errorf("without a worker: %v", states)
	}
}
