package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"rdrec/activities"
	"rdrec/internal/staging"
	"rdrec/storage"
)

// Each test of this file is a row of the fault matrix (docs/reliability.md), on real processes. All
// of them check that the weights equal an undisturbed run's and that no finished work is repeated.
// The long ones run in make faults only.

func TestFault01KilledMidTraining(t *testing.T) {
	skipUnlessFaults(t)
	s, first, run := newTrainingEnv(t, 3)
	before := s.NewestStep()
	first.Kill()
	killed := time.Now()
	second := s.StartWorker()
	s.WaitFor("the takeover", 80*time.Second, func() bool { return len(second.LogLines(staging.MsgResumed)) > 0 })
	t.Logf("taken over after %s", time.Since(killed).Round(time.Second))
	s.checkWeights(run)
	if step := second.ResumedStep(); step < before {
		t.Errorf("resumed at step %d, though step %d was stored", step, before)
	}
	s.checkActivitiesRanOnce(nil)
}

func TestFault02KilledWhileStoringACheckpoint(t *testing.T) {
	skipUnlessFaults(t)
	s, first, run := newTrainingEnv(t, 2)
	partial, before := s.suspendMidUpload(first)
	first.Kill()
	second := s.StartWorker()
	s.checkWeights(run)
	if step := second.ResumedStep(); step != before {
		t.Errorf("resumed at step %d, want %d: the partial checkpoint at %s does not count", step, before, partial)
	}
	s.checkActivitiesRanOnce(nil)
	b, err := storage.Open(t.Context(), s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := b.Collect(t.Context(), storage.CollectOptions{Before: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(partial)
	if err == nil && len(left) > 0 || err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the partial checkpoint was not collected: %v, %v", left, err)
	}
}

// suspendMidUpload suspends the worker while a checkpoint has files but no manifest. It returns the
// checkpoint's folder and the newest complete step.
func (s *faultEnv) suspendMidUpload(w *staging.Process) (partial string, newest int) {
	s.T.Helper()
	s.WaitFor("a partial checkpoint", 2*time.Minute, func() bool {
		partial = s.PartialCheckpoint()
		if partial == "" {
			return false
		}
		w.Signal(syscall.SIGSTOP)
		if _, err := os.Stat(filepath.Join(partial, "manifest.json")); err != nil {
			return true
		}
		w.Signal(syscall.SIGCONT)
		return false
	})
	return partial, s.NewestStep()
}

func TestFault03Drained(t *testing.T) {
	t.Parallel()
	s, first, run := newTrainingEnv(t, 3)
	first.Drain()
	at := s.NewestStep()
	second := s.StartWorker()
	s.checkWeights(run)
	if step := second.ResumedStep(); step != at {
		t.Errorf("resumed at step %d, drained at %d", step, at)
	}
	t.Logf("drained and resumed at step %d", at)
	s.checkActivitiesRanOnce(nil)
}

func TestFault04ServerKilled(t *testing.T) {
	skipUnlessFaults(t)
	shortReferenceWeights(t)
	settings, address := staging.ServerSettings(t)
	server := staging.StartServer(t, settings)
	s := &faultEnv{staging.NewAt(t, address, "default")}
	s.KeepCheckpoints()
	s.StartWorker()
	run := s.StartExperiment(staging.ShortSpec(t))
	s.awaitTraining(2)
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = server.Wait()                        //nolint:errcheck // it was killed
	timer := time.NewTimer(55 * time.Second) // longer than the heartbeat timeout
	defer timer.Stop()
	<-timer.C
	staging.StartServer(t, settings)
	s.checkWeights(run)
	list, err := s.Client.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{
		Query: "WorkflowType = 'Experiment'",
	})
	if err != nil || len(list.GetExecutions()) != 1 {
		t.Errorf("%d experiments (%v), want one", len(list.GetExecutions()), err)
	}
	s.checkActivitiesRanOnce(nil)
}

// A worker that starts before its server waits for it, so after a power cut of both machines nobody
// must restart the worker.
func TestFault04WorkerBeforeServer(t *testing.T) {
	skipUnlessFaults(t)
	settings, address := staging.ServerSettings(t)
	s := &faultEnv{staging.NewAt(t, address, "default")}
	w := s.StartWorker()
	s.WaitFor("the worker's retries", time.Minute, func() bool { return len(w.LogLines(staging.MsgNoServer)) > 1 })
	staging.StartServer(t, settings)
	s.checkWeights(s.StartExperiment(staging.ShortSpec(t)))
	s.checkActivitiesRanOnce(nil)
}

func TestFault07TruncatedInput(t *testing.T) {
	skipUnlessFaults(t)
	s := newFaultEnv(t)
	s.StartWorker()
	folder := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(folder, os.DirFS(filepath.Join(staging.Root(), "testdata/rdrec/beauty_mini"))); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "explanation_rationale.json.gz")
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, info.Size()/2); err != nil {
		t.Fatal(err)
	}
	run := s.StartExperiment(staging.ShortSpec(t, "data.folder="+folder))
	s.checkRejected(run, activities.TypeDataCorrupt, "explanation_rationale.json.gz")

	// An object of the bucket is truncated between two stages.
	other := newFaultEnv(t)
	w := other.StartWorker("--queues", "rdrec-cpu")
	run = other.StartExperiment(staging.ShortSpec(t, "methods=[pod]"))
	other.WaitFor("preprocessing", 2*time.Minute, func() bool {
		return other.CountFiles("stages/preprocess/*.json") == 1 && other.CountFiles("stages/baseline/*.json") <= 1
	})
	w.Drain()
	key := other.largestFile()
	if err := os.Truncate(filepath.Join(other.Bucket, key), 100); err != nil {
		t.Fatal(err)
	}
	other.StartWorker()
	other.checkRejected(run, activities.TypeDataCorrupt, key, "100 bytes")
}

// largestFile returns the key of the largest file of the preprocessed dataset.
func (s *faultEnv) largestFile() string {
	s.T.Helper()
	artifact := s.StageArtifact("preprocess")
	largest := slices.MaxFunc(artifact.Files, func(x, y storage.File) int { return int(x.Size - y.Size) })
	return storage.ContentKey(largest.Ref)
}

// checkRejected checks that an experiment fails with an error of a type that contains the parts,
// before any GPU work.
func (s *faultEnv) checkRejected(run client.WorkflowRun, wantType string, parts ...string) {
	s.T.Helper()
	err := s.AwaitError(run)
	if errorType(err) != wantType {
		s.T.Errorf("ended with %v, want %s", err, wantType)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			s.T.Errorf("the error does not contain %q: %v", part, err)
		}
	}
	if n := s.CountFiles("checkpoints/*/*/*/manifest.json"); n != 0 {
		s.T.Errorf("%d checkpoints of training on bad data, want none", n)
	}
}

func TestFault08DiskFull(t *testing.T) {
	skipUnlessFaults(t)
	shortReferenceWeights(t)
	s := newFaultEnv(t)
	disk := filepath.Dir(s.Bucket)
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=70m"); err != nil {
		t.Skipf("cannot mount a small file system here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) }) //nolint:errcheck // a worker may use it
	w := s.StartWorker()
	run := s.StartExperiment(staging.ShortSpec(t))
	s.WaitFor("the full disk", 2*time.Minute, func() bool { return s.PendingFailure() == activities.TypeStorageFull })
	if n := s.NewestStep(); n == 0 {
		t.Error("the full disk has no checkpoint")
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT, "size=1g"); err != nil {
		t.Fatal(err)
	}
	s.checkWeights(run)
	w.ResumedStep()
	s.checkActivitiesRanOnce(nil)
	if left := s.TempFiles(); len(left) > 0 {
		t.Errorf("leftover temporary files: %v", left)
	}
}

// An invalid setting fails at once: retries would never end.
func TestFault10PoisonSetting(t *testing.T) {
	skipUnlessFaults(t)
	s := newFaultEnv(t)
	s.StartWorker()
	run := s.StartExperiment(staging.ShortSpec(t, "methods=[pod]", "data.folder=",
		"data={reviews: {path: testdata/reviews/All_Beauty_5.json.gz, user_core: 2}}"))
	s.checkRejected(run, activities.TypeInvalidConfig, "user_core is 2")
}

func TestFault10PoisonRow(t *testing.T) {
	skipUnlessFaults(t)
	s := newFaultEnv(t)
	s.StartWorker()
	good, bad := reviews(t, 1), reviews(t, 200)
	set := []string{
		"methods=[pod]", "train.epochs=1", "train.epoch_steps=5", "data.folder=",
		"data={reviews: {path: %s, format: amazon-2018, user_core: 3, item_core: 1}, negatives: 5}",
	}
	with := func(path string) []string { return append(slices.Clone(set[:4]), fmt.Sprintf(set[4], path)) }
	run := s.StartExperiment(staging.ShortSpec(t, append(with(good), "name=one-bad-row")...))
	if err := s.AwaitError(run); err != nil {
		t.Fatal(err)
	}
	reports, err := filepath.Glob(filepath.Join(s.Bucket, "runs/one-bad-row/*/report.json"))
	if err != nil || len(reports) != 1 {
		t.Fatal(reports, err)
	}
	text, err := os.ReadFile(reports[0])
	if err != nil {
		t.Fatal(err)
	}
	var report struct {
		Data struct{ Bad int } `json:"data"`
	}
	if err := json.Unmarshal(text, &report); err != nil || report.Data.Bad != 1 {
		t.Errorf("the report counts %d bad rows (%v), want 1", report.Data.Bad, err)
	}
	trained := s.CountFiles("checkpoints/*/*/*/manifest.json")
	run = s.StartExperiment(staging.ShortSpec(t, append(with(bad), "name=many-bad-rows")...))
	if err := s.AwaitError(run); errorType(err) != activities.TypeDataCorrupt {
		t.Errorf("200 bad rows: %v, want %s", err, activities.TypeDataCorrupt)
	}
	if s.CountFiles("checkpoints/*/*/*/manifest.json") != trained {
		t.Error("training ran on data with too many bad rows")
	}
}

// reviews writes a file of 600 reviews by 60 users, with n broken lines among them, and returns its
// path.
func reviews(t *testing.T, n int) string {
	t.Helper()
	var text strings.Builder
	for i := range 600 {
		if i < n {
			text.WriteString("{\"overall\": 5.0, \"reviewerID\": \"half a li\n")
		}
		fmt.Fprintf(&text, `{"overall": 5.0, "reviewerID": "U%02d", "asin": "B%02d", `+
			`"reviewText": "It is soft and smells good, number %d.", "unixReviewTime": %d}`+"\n",
			i%60, (i/60*7+i)%40, i, 1500000000+i*1000)
	}
	path := filepath.Join(t.TempDir(), "reviews.json")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
