package main_test

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.temporal.io/api/workflowservice/v1"

	"rdrec/internal/dataset"
	"rdrec/registry"
	"rdrec/storage"
)

// addReviews puts the shipped reviews between two moments into the inbox, changed line by line.
func (s *faultEnv) addReviews(name string, from, to int64, change func(i int, line string) string) {
	s.t.Helper()
	writeFile(s.t, filepath.Join(s.bucket, "inbox/beauty", name), s.reviewsBetween(from, to, change))
}

// writeFile writes a file and the folders above it.
func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// reviewsBetween are the shipped reviews between two moments, changed line by line.
func (s *faultEnv) reviewsBetween(from, to int64, change func(i int, line string) string) string {
	s.t.Helper()
	f, err := os.Open(filepath.Join(root, "testdata/reviews/All_Beauty_5.json.gz"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		s.t.Fatal(err)
	}
	var out strings.Builder
	i := 0
	for lines := bufio.NewScanner(unpacked); lines.Scan(); {
		var review struct {
			Time int64 `json:"unixReviewTime"`
		}
		if err := json.Unmarshal(lines.Bytes(), &review); err != nil {
			s.t.Fatal(err)
		}
		if review.Time >= from && review.Time < to {
			out.WriteString(change(i, lines.Text()) + "\n")
			i++
		}
	}
	return out.String()
}

func unchanged(_ int, line string) string { return line }

// shortRunFlags has a night train for some steps, and its gate refuse nothing: so short a training
// says little of who is better (TestOnlyWhatIsNotWorseIsPromoted does the gate).
func shortRunFlags(more ...string) (flags []string) {
	for _, set := range append([]string{
		"train.epochs=1", "train.epoch_steps=10", "train.checkpoint_steps=5", "nightly.gate.margin=1", "nightly.gate.min_coverage=0",
	}, more...) {
		flags = append(flags, "--set", set)
	}
	return flags
}

// triggerRun has the schedule begin a night and waits for its verdict.
func (s *faultEnv) triggerRun(code int) (run registry.NightlyRun) {
	s.t.Helper()
	out, stderr, got := s.starter("schedule", "trigger", "beauty-nightly", "--wait", "--json")
	if got != code {
		s.t.Fatalf("the night's exit code is %d, want %d\n%s%s", got, code, out, stderr)
	}
	if err := json.Unmarshal([]byte(out), &run); err != nil {
		s.t.Fatalf("%v in %s", err, out)
	}
	s.t.Logf("night %d: %s, promotion %d; %v", run.Number, run.Verdict, run.Promotion, run.Counts)
	for _, reason := range run.Reasons {
		s.t.Logf("  %s", reason)
	}
	return run
}

// newWebhook is a webhook's listener.
func newWebhook(t *testing.T) (url string, heard func() []string) {
	t.Helper()
	var mutex sync.Mutex
	var verdicts []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var run registry.NightlyRun
		if err != nil || json.Unmarshal(body, &run) != nil {
			t.Errorf("the webhook hears %q, %v", body, err)
		}
		mutex.Lock()
		defer mutex.Unlock()
		verdicts = append(verdicts, run.Verdict)
	}))
	t.Cleanup(server.Close)
	return server.URL, func() []string {
		mutex.Lock()
		defer mutex.Unlock()
		return verdicts
	}
}

const (
	firstOfJune, firstOfOctober, forever = 1496275200, 1506816000, 1 << 40
)

// TestThreeNightlyRuns goes through docs/nightly.md on a real server with a real worker, begun by a
// schedule: a first model; a night that distils only what is new; poison that is refused; a
// rollback, after which the rolled-back reviews stay out.
func TestThreeNightlyRuns(t *testing.T) {
	t.Parallel()
	s := newFaultEnv(t)
	s.startWorker()
	hook, heard := newWebhook(t)
	s.addReviews("2017-05-31.json", 0, firstOfJune, unchanged)
	s.mustStarter(append([]string{"schedule", "create", "experiments/beauty-nightly.yaml", "--cron", "0 3 * * *"}, shortRunFlags("nightly.webhook="+hook)...)...)
	first := s.triggerRun(0)
	if first.Verdict != registry.VerdictFirst || first.Counts.Requests == 0 || first.WarmStart {
		t.Errorf("the first night: %+v", first)
	}
	s.addReviews("2017-09-30.json", firstOfJune, firstOfOctober, unchanged)
	second := s.triggerRun(0)
	before, after := s.dataset(first.Dataset), s.dataset(second.Dataset)
	checkIDsUnchanged(t, before, after)
	requested, newTextCount := second.Counts.Requests, newTexts(before, after)
	if second.Verdict != registry.VerdictPromoted || !second.WarmStart || newTextCount == 0 || requested != newTextCount {
		t.Errorf("the second night asked for %d rationales and has %d new texts: %+v", requested, newTextCount, second)
	}
	s.addReviews("2018-10-01.json", firstOfOctober, forever, func(i int, line string) string {
		if i%3 == 0 {
			return line[:len(line)/2]
		}
		return line
	})
	third := s.triggerRun(12)
	if third.Verdict != registry.VerdictRejected || third.Promotion != 2 || len(third.Reasons) != 1 || third.Counts.Requests != 0 {
		t.Errorf("the poisoned night: %+v", third)
	}
	s.mustStarter("rollback", "beauty-nightly")
	if after := s.triggerRun(0); after.Verdict != registry.VerdictIdle || after.SkippedFiles != 2 || after.Promotion != 3 {
		t.Errorf("after the rollback: %+v; want nothing new, two files held back, and the rollback in use", after)
	}
	if got, want := strings.Join(heard(), " "), "first promoted rejected idle"; got != want {
		t.Errorf("the webhook heard %q, want %q", got, want)
	}
	s.checkVerdictAttribute()
	var page struct{ Rows []any }
	if err := json.Unmarshal([]byte(s.mustStarter("nightly", "list", "beauty-nightly", "--json")), &page); err != nil || len(page.Rows) != 4 {
		t.Errorf("the page has %d nights, %v; want 4", len(page.Rows), err)
	}
	s.mustStarter("verify", "--all")
	s.recordAll("Nightly", "nightly-first", "nightly-promoted", "nightly-rejected", "nightly-idle")
	s.recordAll("Promotion", "promotion-rollback")
}

// TestNightlyRunsIngestFromATable has two nights on a file that others write to: the second takes
// in what was added, and nothing else.
func TestNightlyRunsIngestFromATable(t *testing.T) {
	t.Parallel()
	s := newFaultEnv(t)
	s.startWorker()
	table := filepath.Join(t.TempDir(), "reviews.jsonl")
	writeFile(t, table, s.reviewsBetween(0, firstOfJune, unchanged))
	s.mustStarter(append([]string{"schedule", "create", "experiments/beauty-nightly.yaml", "--cron", "0 3 * * *"}, shortRunFlags(
		"nightly.source={path: "+table+", watermark: unixReviewTime}", "data.reviews.format=parquet",
		"data.reviews.columns={user: reviewerID, item: asin, time: unixReviewTime, rating: overall, text: reviewText}",
	)...)...)
	first := s.triggerRun(0)
	if idle := s.triggerRun(0); first.Verdict != registry.VerdictFirst || idle.Verdict != registry.VerdictIdle {
		t.Errorf("the first night: %s, then %s", first.Verdict, idle.Verdict)
	}
	added := s.reviewsBetween(firstOfJune, firstOfOctober, unchanged)
	writeFile(t, table, s.reviewsBetween(0, firstOfOctober, unchanged))
	second := s.triggerRun(0)
	if got, want := second.Counts.NewRows, strings.Count(added, "\n"); second.Verdict != registry.VerdictPromoted || got != want {
		t.Errorf("the second night took in %d rows of %d: %+v", got, want, second)
	}
}

// dataset reads what a night trained on.
func (s *faultEnv) dataset(ref storage.Ref) *dataset.Dataset {
	s.t.Helper()
	b, err := storage.Open(s.t.Context(), s.url)
	if err != nil {
		s.t.Fatal(err)
	}
	defer b.Close()
	dir := s.t.TempDir()
	if err := b.GetFolder(s.t.Context(), ref, dir); err != nil {
		s.t.Fatal(err)
	}
	data, err := dataset.Read(os.DirFS(dir), "dataset")
	if err != nil {
		s.t.Fatal(err)
	}
	return data
}

// checkIDsUnchanged checks that whoever had a number in the first dataset has it in the second.
func checkIDsUnchanged(t *testing.T, first, second *dataset.Dataset) {
	t.Helper()
	for _, ids := range [][2][]string{{first.UserIDs, second.UserIDs}, {first.ItemIDs, second.ItemIDs}} {
		before, after := ids[0], ids[1]
		if len(before) == 0 || len(after) <= len(before) {
			t.Fatalf("%d ids, then %d: nothing is tested", len(before), len(after))
		}
		for i, id := range before {
			if after[i] != id {
				t.Fatalf("number %d was %s and is %s", i+1, id, after[i])
			}
		}
	}
}

// newTexts counts the training explanations of the second dataset that the first lacks. They are
// more than the growth in number: as features become more frequent, another sentence of an old
// review may be the one that explains.
func newTexts(first, second *dataset.Dataset) int {
	known := map[string]bool{}
	for _, e := range first.Explanations.Train {
		known[e.Explanation] = true
	}
	before := len(known)
	for _, e := range second.Explanations.Train {
		known[e.Explanation] = true
	}
	return len(known) - before
}

// checkVerdictAttribute looks the refused night up by its search attribute.
func (s *faultEnv) checkVerdictAttribute() {
	s.t.Helper()
	found, err := s.client.ListWorkflow(s.t.Context(), &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: s.namespace, Query: "RdrecVerdict = 'rejected'",
	})
	if err != nil || len(found.GetExecutions()) != 1 {
		s.t.Errorf("%d nights have the verdict kept, %v; want one", len(found.GetExecutions()), err)
	}
}
