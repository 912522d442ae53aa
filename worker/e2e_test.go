package main_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"rdrec/internal/cache"
	"rdrec/internal/spec"
	"rdrec/storage"
	"rdrec/workflows"
)

// The end-to-end tests run the real worker program against the real embedded server and a file bucket, on real reviews, with the
// demo's teacher and a small student. They kill the worker with SIGKILL and compare with a run that nobody disturbed.

// root is the repository's folder.
const root = ".."

// stripped leaves out what debuggers read: linking takes half as long.
const stripped = "-ldflags=-s -w"

// programDir is the folder of the built programs, if any test needed one.
var programDir string

// built builds the worker once for all tests.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "rdrec-worker-")
	if err != nil {
		return "", err
	}
	programDir = dir
	program := filepath.Join(dir, "worker")
	out, err := exec.Command("go", "build", "-buildvcs=false", stripped, "-o", program, ".").CombinedOutput()
	if err != nil {
		return "", errors.New(string(out))
	}
	return program, nil
})

func TestMain(m *testing.M) {
	if settings := os.Getenv(serverSettings); settings != "" {
		os.Exit(serve(settings))
	}
	code := m.Run()
	if err := servers.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if err := os.RemoveAll(programDir); err != nil {
		code = 1
	}
	os.Exit(code)
}

// plant is a namespace of a real server, a bucket and the worker that polls it.
type plant struct {
	t         *testing.T
	client    client.Client
	address   string
	namespace string
	bucket    string
	worker    *exec.Cmd
}

func newPlant(t *testing.T) *plant {
	t.Helper()
	p := newSite(t).plant
	t.Cleanup(p.kill)
	return p
}

// start starts the worker program.
func (p *plant) start() {
	p.t.Helper()
	program, err := built()
	if err != nil {
		p.t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(p.t.TempDir(), "worker.log"))
	if err != nil {
		p.t.Fatal(err)
	}
	p.worker = exec.Command(program, "--bucket", "file://"+p.bucket, "--address", p.address, "--namespace", p.namespace, "--threads", "2",
		"--scratch", filepath.Join(p.t.TempDir(), "scratch"))
	p.worker.Dir, p.worker.Stdout, p.worker.Stderr = root, log, log
	if err := p.worker.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		if data, err := os.ReadFile(log.Name()); err == nil && p.t.Failed() {
			p.t.Logf("worker's log:\n%s", data)
		}
	})
}

// kill ends the worker as a power cut would.
func (p *plant) kill() {
	if p.worker == nil {
		return
	}
	if err := p.worker.Process.Kill(); err != nil {
		p.t.Logf("the worker had ended before it was killed: %v", err)
	}
	var killed *exec.ExitError
	if err := p.worker.Wait(); err != nil && !errors.As(err, &killed) {
		p.t.Error(err)
	}
	p.worker = nil
}

// launch starts a workflow and returns its handle.
func (p *plant) launch(id string, workflow, in any) client.WorkflowRun {
	p.t.Helper()
	run, err := p.client.ExecuteWorkflow(p.t.Context(), client.StartWorkflowOptions{
		ID: id, TaskQueue: workflows.QueueCPU, WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
	}, workflow, in)
	if err != nil {
		p.t.Fatal(err)
	}
	return run
}

// begin starts the experiment and returns its handle.
func (p *plant) begin(s spec.Spec) client.WorkflowRun {
	p.t.Helper()
	return p.launch(s.Name, workflows.Experiment, workflows.ExperimentInput{Spec: s})
}

// finish waits for the experiment and returns the digest of its student's weights.
func (p *plant) finish(run client.WorkflowRun) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 8*time.Minute)
	defer cancel()
	var result workflows.ExperimentResult
	if err := run.Get(ctx, &result); err != nil {
		p.t.Fatal(err)
	}
	return p.weights()
}

// weights is the digest of model.safetensors in the one model artefact of the bucket.
func (p *plant) weights() string {
	p.t.Helper()
	b, err := storage.Open(p.t.Context(), "file://"+p.bucket)
	if err != nil {
		p.t.Fatal(err)
	}
	defer b.Close()
	records, err := filepath.Glob(filepath.Join(p.bucket, "stages/pretrain/*.json"))
	if err != nil || len(records) != 1 {
		p.t.Fatalf("pretrain's records: %v, %v; want one", records, err)
	}
	fingerprint := strings.TrimSuffix(filepath.Base(records[0]), ".json")
	done, found, err := b.LookUp(p.t.Context(), "pretrain", fingerprint)
	if err != nil || !found {
		p.t.Fatalf("pretrain's record: %v, %v", found, err)
	}
	artefact, err := b.Artefact(p.t.Context(), done.Output)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, f := range artefact.Files {
		if f.Name == "model.safetensors" {
			return f.Digest
		}
	}
	p.t.Fatalf("no weights among %v", artefact.Files)
	return ""
}

// await waits until a file of the bucket matches pattern at least n times.
func (p *plant) await(pattern string, n int) {
	p.t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(4 * time.Minute)
	for {
		found, err := filepath.Glob(filepath.Join(p.bucket, pattern))
		if err != nil {
			p.t.Fatal(err)
		}
		if len(found) >= n {
			return
		}
		select {
		case <-deadline:
			p.t.Fatalf("%q never matched %d files", pattern, n)
		case <-ticker.C:
		}
	}
}

// count is how many files of the bucket match.
func (p *plant) count(pattern string) int {
	found, err := filepath.Glob(filepath.Join(p.bucket, pattern))
	if err != nil {
		p.t.Fatal(err)
	}
	return len(found)
}

// small is the demo, made small: a few rationales, a tiny student, few users.
func small(t *testing.T) spec.Spec {
	t.Helper()
	if _, err := cache.Teacher(); err != nil {
		t.Skipf("the demo's teacher is not there: %v", err)
	}
	s, err := spec.Load(filepath.Join(root, "experiments/demo.yaml"), []string{
		"name=end-to-end", "student.size=t5-tiny", "teacher.reviews=12", "teacher.batch=3", "teacher.shard=3",
		"train.epochs=3", "train.epoch_steps=30", "train.checkpoint_steps=5", "train.batch=8", "train.valid_rows=16",
		"evaluate.sequential_users=40", "evaluate.topn_users=8", "evaluate.explanations=8", "evaluate.beams=10", "evaluate.return=10",
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestKilledWorkerLosesNothing(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("kills processes as Linux does")
	}
	t.Parallel()
	s := small(t)
	undisturbed := newPlant(t)
	undisturbed.start()
	other := undisturbed.begin(s) // runs while the killed workers' heartbeats are missed

	p := newPlant(t)
	p.start()
	run := p.begin(s)
	p.await("rationales/*/*.jsonl", 1)
	p.kill()
	if n := p.count("stages/distill/*.json"); n != 0 {
		t.Fatal("distilling was over before the worker was killed: nothing was tested")
	}
	p.start()
	p.await("checkpoints/*/*/*/manifest.json", 1)
	p.kill()
	if n := p.count("stages/pretrain/*.json"); n != 0 {
		t.Fatal("training was over before the worker was killed: nothing was tested")
	}
	p.start()
	want := undisturbed.finish(other)
	if got := p.finish(run); got != want {
		t.Errorf("weights %s after two kills, want %s as in the undisturbed run", got, want)
	}
	if tokens := p.count("checkpoints/*/*/attempt.json"); tokens < 2 {
		t.Errorf("%d attempts at training: it did not resume", tokens)
	}
	if parts := p.count("rationales/*/*.jsonl"); parts != 4 {
		t.Errorf("%d parts of rationales, want one for each of 4 shards", parts)
	}
	p.secondRunFindsEverything(s, want)
}

// secondRunFindsEverything runs the same spec again: every stage is found, none is done.
func (p *plant) secondRunFindsEverything(s spec.Spec, want string) {
	p.t.Helper()
	run := p.begin(s)
	if got := p.finish(run); got != want {
		p.t.Errorf("second run: weights %s, want %s", got, want)
	}
	value, err := p.client.QueryWorkflow(p.t.Context(), run.GetID(), run.GetRunID(), workflows.QueryStages)
	if err != nil {
		p.t.Fatal(err)
	}
	var stages []workflows.StageStatus
	if err := value.Get(&stages); err != nil {
		p.t.Fatal(err)
	}
	if len(stages) < 4 {
		p.t.Errorf("only %d stages: %+v", len(stages), stages)
	}
	for _, s := range stages {
		if s.State != workflows.Cached {
			p.t.Errorf("stage %s is %q in the second run, want it cached", s.Name, s.State)
		}
	}
}
