package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"rdrec/activities"
	"rdrec/internal/exitcode"
	"rdrec/internal/progress"
	"rdrec/registry"
	"rdrec/storage"
	"rdrec/workflows"
)

// watchedBuffer is a stderr that notifies waiters when a text has been written.
type watchedBuffer struct {
	mutex   sync.Mutex
	text    bytes.Buffer
	waiters map[string]chan struct{}
}

func (s *watchedBuffer) Write(p []byte) (int, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	n, err := s.text.Write(p)
	for text, seen := range s.waiters {
		if strings.Contains(s.text.String(), text) {
			close(seen)
			delete(s.waiters, text)
		}
	}
	return n, err
}

func (s *watchedBuffer) String() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.text.String()
}

// await returns a channel that is closed when the text appears.
func (s *watchedBuffer) await(text string) <-chan struct{} {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.waiters == nil {
		s.waiters = map[string]chan struct{}{}
	}
	s.waiters[text] = make(chan struct{})
	return s.waiters[text]
}

// testEnv is a real server with a worker that runs fake workflows, so the output is tested without
// the actual work.
type testEnv struct {
	address, namespace string
	// bucket is the bucket's URL.
	bucket  string
	report  storage.Ref
	unblock <-chan struct{} // ends the pretrain stage
	// rationales is the output of every distillation; inputs receives their inputs.
	rationales storage.Ref
	inputs     chan workflows.DistillationInput
}

func newTestEnv(t *testing.T, unblock <-chan struct{}) *testEnv {
	t.Helper()
	env := &testEnv{unblock: unblock, inputs: make(chan workflows.DistillationInput, 8)}
	env.address, env.namespace = servers.Take(t)
	c, err := client.Dial(client.Options{HostPort: env.address, Namespace: env.namespace, Logger: discardLogger()})
	if err != nil {
		t.Fatal(err)
	}
	env.fillBucket(t)
	w := worker.New(c, workflows.QueueCPU, worker.Options{})
	w.RegisterWorkflowWithOptions(env.experiment, workflow.RegisterOptions{Name: "Experiment"})
	w.RegisterWorkflowWithOptions(compareInputs, workflow.RegisterOptions{Name: "Inputs"})
	w.RegisterWorkflowWithOptions(env.trial, workflow.RegisterOptions{Name: "Trial"})
	w.RegisterWorkflowWithOptions(env.distillation, workflow.RegisterOptions{Name: "Distillation"})
	w.RegisterActivityWithOptions(env.pretrain, activity.RegisterOptions{Name: "Pretrain"})
	w.RegisterActivityWithOptions(identify, activity.RegisterOptions{Name: "Identify"})
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.Stop()
		c.Close()
	})
	return env
}

func (env *testEnv) fillBucket(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{"report.txt": "the table\n", "report.json": `{"users": 3}`, "report.html": "<html>"}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env.bucket = (&url.URL{Scheme: "file", Path: filepath.ToSlash(t.TempDir())}).String()
	bucket, err := storage.Open(t.Context(), env.bucket)
	if err != nil {
		t.Fatal(err)
	}
	defer bucket.Close()
	if env.report, err = bucket.PutFolder(t.Context(), "report", dir); err != nil {
		t.Fatal(err)
	}
	if env.rationales, err = bucket.PutFolder(t.Context(), "rationales", rationaleFolder(t)); err != nil {
		t.Fatal(err)
	}
}

// experiment is a fake of workflows.Experiment; the spec's name decides how it ends.
func (env *testEnv) experiment(ctx workflow.Context, in workflows.ExperimentInput) (workflows.ExperimentResult, error) {
	stages := []workflows.StageStatus{{Name: "import", Stage: "import", State: workflows.Cached}}
	err := workflow.SetQueryHandler(ctx, workflows.QueryStages, func() ([]workflows.StageStatus, error) {
		return stages, nil
	})
	if err != nil {
		return workflows.ExperimentResult{}, err
	}
	switch in.Spec.Name {
	case "fails":
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
		return workflows.ExperimentResult{}, workflow.ExecuteActivity(ctx, "Identify").Get(ctx, nil)
	case "waits":
		ctx.Done().Receive(ctx, nil)
		return workflows.ExperimentResult{}, ctx.Err()
	}
	id := workflow.GetInfo(ctx).WorkflowExecution.ID + "/rdrec-1"
	child := workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{WorkflowID: id})
	err = workflow.ExecuteChildWorkflow(child, "Trial").Get(ctx, nil)
	return workflows.ExperimentResult{Report: env.report, HTML: "runs/report.html"}, err
}

// trial is a fake of workflows.Trial with one stage.
func (env *testEnv) trial(ctx workflow.Context) error {
	stage := workflows.StageStatus{Name: "pretrain rdrec/1", Stage: "pretrain", State: workflows.Running}
	err := workflow.SetQueryHandler(ctx, workflows.QueryStages, func() ([]workflows.StageStatus, error) {
		return []workflows.StageStatus{stage}, nil
	})
	if err != nil {
		return err
	}
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: time.Minute, HeartbeatTimeout: time.Minute,
	})
	if err := workflow.ExecuteActivity(ctx, "Pretrain").Get(ctx, nil); err != nil {
		return err
	}
	stage.State, stage.Seconds = workflows.Finished, 75
	return nil
}

// pretrain is a fake of the activity Pretrain: it reports progress and ends when the test allows
// it.
func (env *testEnv) pretrain(ctx context.Context) error {
	activity.RecordHeartbeat(ctx, activities.Progress{
		Stage: "pretrain", Progress: progress.Progress{Done: 3, Total: 10, Unit: "steps", Rate: 0.5},
		Losses: []float64{9, 8, 7.1}, Note: "loss 7.1",
	})
	select {
	case <-env.unblock:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// command runs the starter against the environment's server and bucket.
func (env *testEnv) command(t *testing.T, stderr *watchedBuffer, args ...string) (stdout string, code int) {
	t.Helper()
	var out bytes.Buffer
	code = run(t.Context(), append(env.with(args...), "--bucket", env.bucket), &out, stderr)
	return out.String(), code
}

// with returns a command line with the flags of the environment's server.
func (env *testEnv) with(args ...string) []string {
	return append(slices.Clone(args), "--address", env.address, "--namespace", env.namespace)
}

func writeSpec(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name+".yaml")
	if err := os.WriteFile(path, []byte("name: "+name+"\ndata: {folder: x}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing from:\n%s", part, text)
		}
	}
}

func TestRunWatchesUntilTheReport(t *testing.T) {
	t.Parallel()
	path, first := writeSpec(t, "shop"), &watchedBuffer{}
	env := newTestEnv(t, first.await("3/10 steps"))
	stdout, code := env.command(t, first, "run", path)
	if code != exitcode.OK || stdout != "the table\n" {
		t.Fatalf("run: code %d, stdout %q, stderr:\n%s", code, stdout, first)
	}
	contains(t, first.String(), "experiment shop-", " runs\n", "Web UI     http://127.0.0.1:", "import", "cached",
		"pretrain rdrec/1", "██████░░░░░░░░░░░░░░", "3/10 steps  0.5/s, 14s left  █▄▁  loss 7.1", "done       1m15s",
		"report     /", "runs/report.html")

	second := &watchedBuffer{}
	stdout, code = env.command(t, second, "run", path)
	if code != exitcode.OK || stdout != "the table\n" {
		t.Errorf("run again: code %d, stdout %q, stderr:\n%s", code, stdout, second)
	}
	contains(t, second.String(), "reused: the run that ended at 20", "its inputs did not change (data 3f9a1c)",
		"is finished already")

	id := strings.Fields(first.String())[1]
	stdout, code = env.command(t, &watchedBuffer{}, "report", id, "--json")
	var got finishedReport
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != exitcode.OK {
		t.Fatalf("report: code %d, %v, stdout:\n%s", code, err, stdout)
	}
	if got.ID != id || !strings.HasSuffix(got.HTML, "runs/report.html") ||
		!strings.Contains(string(got.Report), `"users": 3`) {
		t.Errorf("report: got %+v", got)
	}
	stdout, code = env.command(t, &watchedBuffer{}, "status", id)
	if code != exitcode.OK {
		t.Errorf("status: code %d", code)
	}
	contains(t, stdout, id+" completed\n", "import                       cached\n")
}

func TestRunCanBeCancelledAndDetached(t *testing.T) {
	t.Parallel()
	env, path, stderr := newTestEnv(t, nil), writeSpec(t, "waits"), &watchedBuffer{}
	ctx, interrupt := context.WithCancel(t.Context())
	seen := stderr.await("import")
	go func() {
		<-seen
		interrupt()
	}()
	code := run(ctx, env.with("run", path), &bytes.Buffer{}, stderr)
	if code != exitcode.Interrupted {
		t.Errorf("interrupted: code %d, stderr:\n%s", code, stderr)
	}
	contains(t, stderr.String(), "the experiment continues")

	id := strings.Fields(stderr.String())[1]
	if _, code := env.command(t, &watchedBuffer{}, "report", id); code != exitcode.Experiment {
		t.Errorf("report of a running experiment: code %d", code)
	}
	env.storeDraft(t, id)
	if stdout, code := env.command(t, &watchedBuffer{}, "report", id); code != 0 || stdout != "0 of 2 trials\n" {
		t.Errorf("report so far: code %d, %q", code, stdout)
	}
	if _, code := env.command(t, &watchedBuffer{}, "cancel", id); code != exitcode.OK {
		t.Errorf("cancel: code %d", code)
	}
	after := &watchedBuffer{}
	if _, code := env.command(t, after, "watch", id); code != exitcode.Cancelled {
		t.Errorf("watch: code %d, stderr:\n%s", code, after)
	}
}

// storeRun stores the record of a run with one artifact: a dataset with the given text.
func (env *testEnv) storeRun(t *testing.T, id, run, text string) {
	t.Helper()
	bucket, err := storage.Open(t.Context(), env.bucket)
	if err != nil {
		t.Fatal(err)
	}
	defer bucket.Close()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "sequential.txt"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ref, err := bucket.PutFolder(t.Context(), "dataset", dir)
	if err != nil {
		t.Fatal(err)
	}
	record, err := json.Marshal(registry.RunRecord{Dataset: ref, Identity: registry.Identity{Data: "d1"}})
	if err != nil {
		t.Fatal(err)
	}
	build := `{"build": [{"name": "threads", "value": "` + text + `"}]}`
	for name, data := range map[string]string{"run.json": string(record), "report.json": build} {
		if err := bucket.PutRun(t.Context(), id, run, name, []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRerunComparesArtifacts(t *testing.T) {
	t.Parallel()
	released := make(chan struct{})
	close(released)
	env := newTestEnv(t, released)
	ids := make([]string, 3)
	for i, text := range []string{"1 1 2 3", "1 1 2 3", "1 9 9 9"} {
		seed := "seed=" + strings.Repeat("7", i+1)
		args := []string{"run", writeSpec(t, "shop"), "--no-watch", "--json", "--set", seed}
		stdout, code := env.command(t, &watchedBuffer{}, args...)
		var started struct{ ID, Run string }
		if err := json.Unmarshal([]byte(stdout), &started); err != nil || code != exitcode.OK {
			t.Fatalf("run: code %d, %v", code, err)
		}
		env.command(t, &watchedBuffer{}, "watch", started.ID)
		env.storeRun(t, started.ID, started.Run, text)
		ids[i] = started.Run // rerun accepts either id
		if i == 0 {
			ids[i] = started.ID
		}
	}
	stdout, code := env.command(t, &watchedBuffer{}, "rerun", ids[0], "--compare", ids[1])
	if code != exitcode.OK {
		t.Errorf("code %d, stdout:\n%s", code, stdout)
	}
	contains(t, stdout,
		"input: data                  same", "dataset                      same", "2 of 2 are identical\n")
	stderr := &watchedBuffer{}
	stdout, code = env.command(t, stderr, "rerun", ids[0], "--compare", ids[2])
	if code != exitcode.Differs {
		t.Errorf("code %d, stdout:\n%s", code, stdout)
	}
	contains(t, stdout, "dataset                      DIFFERS", "  sequential.txt\n", "1 of 2 are identical\n")
	contains(t, stderr.String(),
		"build differs: threads 1 1 2 3, then 1 9 9 9", "error: the runs differ: 1 of 2 differ")
	stdout, code = env.command(t, &watchedBuffer{}, "rerun", ids[0], "--compare", ids[1], "--json")
	if code != exitcode.OK || !strings.Contains(stdout, `"same": true`) {
		t.Errorf("code %d, stdout:\n%s", code, stdout)
	}
	if _, code := env.command(t, &watchedBuffer{}, "rerun", "none"); code != exitcode.Failed {
		t.Errorf("rerun of an unknown run: code %d", code)
	}
}

// TestFault09ConcurrentStartsShareOneRun is a row of the fault matrix (docs/reliability.md).
func TestFault09ConcurrentStartsShareOneRun(t *testing.T) {
	t.Parallel()
	env, path := newTestEnv(t, nil), writeSpec(t, "waits")
	var all sync.WaitGroup
	runs := make([]string, 20)
	for i := range runs {
		all.Go(func() {
			stdout, code := env.command(t, &watchedBuffer{}, "run", "--no-watch", "--json", path)
			var started struct{ Run string }
			if err := json.Unmarshal([]byte(stdout), &started); err != nil || code != exitcode.OK {
				t.Errorf("start %d: code %d, %v", i, code, err)
			}
			runs[i] = started.Run
		})
	}
	all.Wait()
	for _, run := range runs {
		if run == "" || run != runs[0] {
			t.Fatalf("20 starts made more than one run: %q", runs)
		}
	}
}
