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
	"rdrec/internal/badnet"
	"rdrec/storage"
)

// Each test of this file is a row of the fault matrix (docs/reliability.md), on real processes. The invariant of all is that the
// weights are those of an undisturbed run and that nothing finished is done again. Those that take long run in make faults.

func TestFault01KilledMidTraining(t *testing.T) {
	slow(t)
	s, first, run := underway(t, 3)
	before := s.newest()
	first.kill()
	killed := time.Now()
	second := s.hire()
	s.until("the takeover", 80*time.Second, func() bool { return len(second.said(resumes)) > 0 })
	t.Logf("taken over after %s", time.Since(killed).Round(time.Second))
	s.unharmed(run)
	if step := second.resumed(); step < before {
		t.Errorf("resumed at step %d, though step %d was stored", step, before)
	}
	s.once(nil)
}

func TestFault02KilledWhileStoringACheckpoint(t *testing.T) {
	slow(t)
	s, first, run := underway(t, 2)
	half, before := s.freezeMidUpload(first)
	first.kill()
	second := s.hire()
	s.unharmed(run)
	if step := second.resumed(); step != before {
		t.Errorf("resumed at step %d, want %d: the half one at %s does not count", step, before, half)
	}
	s.once(nil)
	b, err := storage.Open(t.Context(), s.url)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := b.Collect(t.Context(), storage.Collection{Before: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(half); err == nil && len(left) > 0 || err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the half checkpoint was not collected: %v, %v", left, err)
	}
}

// freezeMidUpload stops the worker while a checkpoint has files and no manifest.
func (s *site) freezeMidUpload(w *process) (half string, newest int) {
	s.t.Helper()
	s.until("a checkpoint that is half stored", 2*time.Minute, func() bool {
		half = s.halfStored()
		if half == "" {
			return false
		}
		w.signal(syscall.SIGSTOP)
		if _, err := os.Stat(filepath.Join(half, "manifest.json")); err != nil {
			return true
		}
		w.signal(syscall.SIGCONT)
		return false
	})
	return half, s.newest()
}

func (s *site) halfStored() string {
	folders, err := filepath.Glob(filepath.Join(s.bucket, "checkpoints/*/*/0*"))
	if err != nil {
		s.t.Fatal(err)
	}
	if len(folders) == 0 {
		return ""
	}
	last := slices.Max(folders)
	files, err := os.ReadDir(last)
	if err != nil || len(files) == 0 || slices.ContainsFunc(files, func(f os.DirEntry) bool { return f.Name() == "manifest.json" }) {
		return ""
	}
	return last
}

func TestFault03Drained(t *testing.T) {
	t.Parallel()
	s, first, run := underway(t, 3)
	first.drain()
	at := s.newest()
	second := s.hire()
	s.unharmed(run)
	if step := second.resumed(); step != at {
		t.Errorf("resumed at step %d, drained at %d", step, at)
	}
	t.Logf("drained and resumed at step %d", at)
	s.once(nil)
}

func TestFault04ServerKilled(t *testing.T) {
	slow(t)
	calm(t)
	settings := filepath.Join(t.TempDir(), "temporal.db") + " " + badnet.FreePort(t)
	server := serverProcess(t, settings)
	s := siteAt(t, "127.0.0.1:"+strings.Fields(settings)[1], "default")
	s.hire()
	run := s.begin(short(t))
	s.training(2)
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = server.Wait()                        //nolint:errcheck // it was killed
	timer := time.NewTimer(55 * time.Second) // longer than a heartbeat may fail to come
	defer timer.Stop()
	<-timer.C
	serverProcess(t, settings)
	s.unharmed(run)
	list, err := s.client.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Query: "WorkflowType = 'Experiment'"})
	if err != nil || len(list.GetExecutions()) != 1 {
		t.Errorf("%d experiments (%v), want one", len(list.GetExecutions()), err)
	}
	s.once(nil)
}

// A worker that begins while the server is away waits for it: after a power cut of both nobody need be there to start it again.
func TestFault04WorkerBeforeServer(t *testing.T) {
	slow(t)
	settings := filepath.Join(t.TempDir(), "temporal.db") + " " + badnet.FreePort(t)
	s := siteAt(t, "127.0.0.1:"+strings.Fields(settings)[1], "default")
	w := s.hire()
	s.until("the worker waits", time.Minute, func() bool { return len(w.said("no Temporal server: waiting for it")) > 1 })
	serverProcess(t, settings)
	s.unharmed(s.begin(short(t)))
	s.once(nil)
}

func TestFault07TruncatedInput(t *testing.T) {
	slow(t)
	s := newSite(t)
	s.hire()
	folder := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(folder, os.DirFS(filepath.Join(root, "testdata/rdrec/beauty_mini"))); err != nil {
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
	run := s.begin(short(t, "data.folder="+folder))
	s.refused(run, activities.TypeDataCorrupt, "explanation_rationale.json.gz")

	// An object of the bucket that lost its end between two stages.
	other := newSite(t)
	w := other.hire("--queues", "rdrec-cpu")
	run = other.begin(short(t, "methods=[pod]"))
	other.until("preprocessing", 2*time.Minute, func() bool {
		return other.count("stages/preprocess/*.json") == 1 && other.count("stages/baseline/*.json") <= 1
	})
	w.drain()
	key := other.largest("examples")
	if err := os.Truncate(filepath.Join(other.bucket, key), 100); err != nil {
		t.Fatal(err)
	}
	other.hire()
	other.refused(run, activities.TypeDataCorrupt, key, "100 bytes")
}

// largest is the key of the largest file of the stage's artefact that no other stage's has.
func (s *site) largest(string) string {
	s.t.Helper()
	b, err := storage.Open(s.t.Context(), s.url)
	if err != nil {
		s.t.Fatal(err)
	}
	defer b.Close()
	records, err := filepath.Glob(filepath.Join(s.bucket, "stages/preprocess/*.json"))
	if err != nil || len(records) != 1 {
		s.t.Fatal(records, err)
	}
	done, found, err := b.LookUp(s.t.Context(), "preprocess", strings.TrimSuffix(filepath.Base(records[0]), ".json"))
	if err != nil || !found {
		s.t.Fatal(found, err)
	}
	artefact, err := b.Artefact(s.t.Context(), done.Output)
	if err != nil {
		s.t.Fatal(err)
	}
	return storage.ContentKey(slices.MaxFunc(artefact.Files, func(x, y storage.File) int { return int(x.Size - y.Size) }).Ref)
}

// refused checks that an experiment fails for good, for a reason that names what is wrong, and before any GPU work.
func (s *site) refused(run client.WorkflowRun, kind string, parts ...string) {
	s.t.Helper()
	err := s.ended(run)
	if kindOf(err) != kind {
		s.t.Errorf("ended with %v, want %s", err, kind)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			s.t.Errorf("the error does not name %q: %v", part, err)
		}
	}
	if n := s.count("checkpoints/*/*/*/manifest.json"); n != 0 {
		s.t.Errorf("trained to %d checkpoints on bad data", n)
	}
}

func TestFault08DiskFull(t *testing.T) {
	slow(t)
	calm(t)
	s := newSite(t)
	disk := filepath.Dir(s.bucket)
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=70m"); err != nil {
		t.Skipf("a small file system can't be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) }) //nolint:errcheck // a worker may still be in it
	w := s.hire()
	run := s.begin(short(t))
	s.until("the disk being full", 2*time.Minute, func() bool { return s.pendingFailure() == activities.TypeStorageFull })
	if n := s.newest(); n == 0 {
		t.Error("no checkpoint is left on the full disk")
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT, "size=1g"); err != nil {
		t.Fatal(err)
	}
	s.unharmed(run)
	w.resumed()
	s.once(nil)
	if left := s.leftovers(); len(left) > 0 {
		t.Errorf("temporary files are left: %v", left)
	}
}

func (s *site) leftovers() []string {
	var left []string
	err := filepath.WalkDir(s.bucket, func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".tmp") {
			left = append(left, path)
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return left
}

// pendingFailure is the type of the latest failure of the trial's activity under way.
func (s *site) pendingFailure() string {
	d, err := s.client.DescribeWorkflowExecution(s.t.Context(), "short/rdrec-1", "")
	if err != nil {
		return ""
	}
	for _, a := range d.GetPendingActivities() {
		if kind := a.GetLastFailure().GetApplicationFailureInfo().GetType(); kind != "" {
			return kind
		}
	}
	return ""
}

// A setting that can't be carried out fails at once: retrying it would go on for ever.
func TestFault10PoisonSetting(t *testing.T) {
	slow(t)
	s := newSite(t)
	s.hire()
	s.refused(s.begin(short(t, "methods=[pod]", "data.folder=",
		"data={reviews: {path: testdata/reviews/All_Beauty_5.json.gz, user_core: 2}}")), activities.TypeInvalidConfig, "user_core is 2")
}

func TestFault10PoisonRow(t *testing.T) {
	slow(t)
	s := newSite(t)
	s.hire()
	good, bad := reviews(t, 1), reviews(t, 200)
	set := []string{
		"methods=[pod]", "train.epochs=1", "train.epoch_steps=5", "data.folder=",
		"data={reviews: {path: %s, format: amazon-2018, user_core: 3, item_core: 1}, negatives: 5}",
	}
	with := func(path string) []string { return append(slices.Clone(set[:4]), fmt.Sprintf(set[4], path)) }
	run := s.begin(short(t, append(with(good), "name=one-bad-row")...))
	if err := s.ended(run); err != nil {
		t.Fatal(err)
	}
	reports, err := filepath.Glob(filepath.Join(s.bucket, "runs/one-bad-row/*/report.json"))
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
	trained := s.count("checkpoints/*/*/*/manifest.json")
	run = s.begin(short(t, append(with(bad), "name=many-bad-rows")...))
	if err := s.ended(run); kindOf(err) != activities.TypeDataCorrupt {
		t.Errorf("200 bad rows: %v, want %s", err, activities.TypeDataCorrupt)
	}
	if s.count("checkpoints/*/*/*/manifest.json") != trained {
		t.Error("trained on data with too many bad rows")
	}
}

// reviews writes 600 reviews by 60 users with n broken lines among them.
func reviews(t *testing.T, n int) string {
	t.Helper()
	var text strings.Builder
	for i := range 600 {
		if i < n {
			text.WriteString("{\"overall\": 5.0, \"reviewerID\": \"half a li\n")
		}
		fmt.Fprintf(&text, `{"overall": 5.0, "reviewerID": "U%02d", "asin": "B%02d", "reviewText": "It is soft and smells good, number %d.", "unixReviewTime": %d}`+"\n",
			i%60, (i/60*7+i)%40, i, 1500000000+i*1000)
	}
	path := filepath.Join(t.TempDir(), "reviews.json")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
