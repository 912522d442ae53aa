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
	"regexp"
	"strings"
	"sync"
	"testing"

	"go.temporal.io/api/workflowservice/v1"

	"rdrec/internal/dataset"
	"rdrec/internal/pseudonym"
	"rdrec/internal/staging"
	"rdrec/registry"
	"rdrec/storage"
)

// addReviews writes the shipped reviews of a time range to the inbox, each line changed by change.
func (s *faultEnv) addReviews(name string, from, to int64, change func(i int, line string) string) {
	s.T.Helper()
	writeFile(s.T, filepath.Join(s.Bucket, "inbox/beauty", name), s.reviewsBetween(from, to, change))
}

// writeFile writes a file and creates its folder.
func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// reviewsBetween returns the shipped reviews of a time range (Unix seconds, to exclusive), each
// line changed by change.
func (s *faultEnv) reviewsBetween(from, to int64, change func(i int, line string) string) string {
	s.T.Helper()
	f, err := os.Open(filepath.Join(staging.Root(), "testdata/reviews/All_Beauty_5.json.gz"))
	if err != nil {
		s.T.Fatal(err)
	}
	defer f.Close()
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		s.T.Fatal(err)
	}
	var out strings.Builder
	i := 0
	for lines := bufio.NewScanner(unpacked); lines.Scan(); {
		var review struct {
			Time int64 `json:"unixReviewTime"`
		}
		if err := json.Unmarshal(lines.Bytes(), &review); err != nil {
			s.T.Fatal(err)
		}
		if review.Time >= from && review.Time < to {
			out.WriteString(change(i, lines.Text()) + "\n")
			i++
		}
	}
	return out.String()
}

func unchanged(_ int, line string) string { return line }

// shortRunFlags returns flags for a nightly run that trains for a few steps with a gate that
// rejects nothing: after so little training, the metrics mean little. Other tests cover the gate.
func shortRunFlags(more ...string) (flags []string) {
	short := append(openGate(), "train.epochs=1", "train.epoch_steps=10", "train.checkpoint_steps=5")
	for _, set := range append(short, more...) {
		flags = append(flags, "--set", set)
	}
	return flags
}

// openGate returns overrides for a gate that rejects next to nothing.
func openGate() []string {
	return []string{
		"nightly.gate.margin=0.99", "nightly.gate.alpha=0.5", "nightly.gate.floor=none", "nightly.gate.min_coverage=0",
		"nightly.gate.max_first_share=1",
	}
}

// createSchedule creates the schedule of the short nightly run, with more overrides.
func (s *faultEnv) createSchedule(overrides ...string) {
	s.T.Helper()
	create := []string{"schedule", "create", "experiments/beauty-nightly.yaml", "--cron", "0 3 * * *"}
	s.MustStarter(append(create, shortRunFlags(overrides...)...)...)
}

// triggerRun triggers the schedule and waits for the verdict of the nightly run.
func (s *faultEnv) triggerRun(code int) (run registry.NightlyRun) {
	s.T.Helper()
	out, stderr, got := s.Starter("schedule", "trigger", "beauty-nightly", "--wait", "--json")
	if got != code {
		s.T.Fatalf("exit code of the nightly run %d, want %d\n%s%s", got, code, out, stderr)
	}
	if err := json.Unmarshal([]byte(out), &run); err != nil {
		s.T.Fatalf("%v in %s", err, out)
	}
	s.T.Logf("nightly run %d: %s, promotion %d; %v", run.Number, run.Verdict, run.Promotion, run.Counts)
	for _, reason := range run.Reasons {
		s.T.Logf("  %s", reason)
	}
	return run
}

// newWebhook starts a webhook's server; received returns the verdicts it has received.
func newWebhook(t *testing.T) (url string, received func() []string) {
	t.Helper()
	var mutex sync.Mutex
	var verdicts []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var run registry.NightlyRun
		if err != nil || json.Unmarshal(body, &run) != nil {
			t.Errorf("the webhook received %q, %v", body, err)
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

// TestThreeNightlyRuns follows docs/nightly.md on a real server with a real worker and a schedule:
// a first model; a run that distills only new texts and sets a torn file aside; poisoned reviews,
// whose model is rejected; and a rollback, after which the rolled-back reviews are skipped.
func TestThreeNightlyRuns(t *testing.T) {
	t.Parallel()
	s := newFaultEnv(t)
	s.StartWorker()
	hook, received := newWebhook(t)
	s.addReviews("2017-05-31.json", 0, firstOfJune, unchanged)
	s.createSchedule("nightly.webhook=" + hook)
	first := s.triggerRun(0)
	if first.Verdict != registry.VerdictFirst || first.Counts.Requests == 0 || first.WarmStart {
		t.Errorf("the first run: %+v", first)
	}
	s.addReviews("2017-09-30.json", firstOfJune, firstOfOctober, unchanged)
	writeFile(t, filepath.Join(s.Bucket, "inbox/beauty/torn.json.gz"), "\x1f\x8b\x08\x00torn")
	second := s.triggerRun(0)
	before, after := s.dataset(first.Dataset), s.dataset(second.Dataset)
	checkIDsUnchanged(t, before, after)
	requests, added := second.Counts.Requests, newTexts(before, after)
	if second.Verdict != registry.VerdictPromoted || !second.WarmStart || added == 0 || requests != added {
		t.Errorf("the second run requested %d rationales and has %d new texts: %+v", requests, added, second)
	}
	if len(second.SetAside) != 1 || second.SetAside[0].File.Name != "inbox/beauty/torn.json.gz" ||
		!strings.HasPrefix(second.SetAside[0].Reason, "torn.json.gz:0: ") {
		t.Errorf("set aside: %v", second.SetAside)
	}
	s.addReviews("2018-10-01.json", firstOfOctober, forever, func(i int, line string) string {
		if i%3 == 0 {
			return line[:len(line)/2]
		}
		return line
	})
	third := s.triggerRun(12)
	if third.Verdict != registry.VerdictRejected || third.Promotion != 2 || len(third.Reasons) != 1 ||
		third.Counts.Requests != 0 {
		t.Errorf("the poisoned run: %+v", third)
	}
	s.MustStarter("rollback", "beauty-nightly")
	idle := s.triggerRun(0)
	if idle.Verdict != registry.VerdictIdle || idle.SkippedFiles != 3 || idle.Promotion != 3 {
		t.Errorf("after the rollback: %+v; want nothing new, three files skipped, and the rollback in use", idle)
	}
	if got, want := strings.Join(received(), " "), "first promoted rejected idle"; got != want {
		t.Errorf("the webhook received %q, want %q", got, want)
	}
	s.checkVerdictAttribute()
	var page struct {
		Rows []struct{ Verdict string }
	}
	list := s.MustStarter("nightly", "list", "beauty-nightly", "--json")
	if err := json.Unmarshal([]byte(list), &page); err != nil || len(page.Rows) != 5 ||
		page.Rows[3].Verdict != "rollback" {
		t.Errorf("the list is %+v, %v; want four nightly runs, and the rollback before the last", page.Rows, err)
	}
	s.MustStarter("verify", "--all")
	s.recordAll("Nightly", "nightly-first", "nightly-promoted", "nightly-rejected", "nightly-idle")
	s.recordAll("Promotion", "promotion-rollback")
}

// TestNightlyRunsIngestFromATable runs on a file that grows between runs: the second run ingests
// the added rows and nothing else. No user's id of the file is in anything that the runs write.
func TestNightlyRunsIngestFromATable(t *testing.T) {
	t.Parallel()
	s := newFaultEnv(t)
	marks := s.mark()
	s.encrypt(marks)
	s.StartWorker()
	table := filepath.Join(t.TempDir(), "reviews.jsonl")
	writeFile(t, table, s.reviewsBetween(0, firstOfJune, unchanged))
	s.createSchedule("data.pseudonyms=true",
		"nightly.source={path: "+table+", watermark: unixReviewTime}", "data.reviews.format=parquet",
		"data.reviews.columns={user: reviewerID, item: asin, time: unixReviewTime, rating: overall, text: reviewText}",
	)
	first := s.triggerRun(0)
	if idle := s.triggerRun(0); first.Verdict != registry.VerdictFirst || idle.Verdict != registry.VerdictIdle {
		t.Errorf("the first run: %s, then %s", first.Verdict, idle.Verdict)
	}
	added := s.reviewsBetween(firstOfJune, firstOfOctober, unchanged)
	writeFile(t, table, s.reviewsBetween(0, firstOfOctober, unchanged))
	second := s.triggerRun(0)
	want := strings.Count(added, "\n")
	if got := second.Counts.NewRows; second.Verdict != registry.VerdictPromoted || got != want {
		t.Errorf("the second run ingested %d rows, want %d: %+v", got, want, second)
	}
	marks.data = &dataset.Dataset{}
	for _, found := range regexp.MustCompile(`"reviewerID": "(\w+)"`).FindAllStringSubmatch(added, 300) {
		marks.data.UserIDs = append(marks.data.UserIDs, found[1])
	}
	s.searchEverything(marks)
	if data := s.dataset(second.Dataset); !pseudonym.Is(data.UserIDs[0]) || len(marks.data.UserIDs) < 100 {
		t.Errorf("users are %s and others, searched for %d", data.UserIDs[0], len(marks.data.UserIDs))
	}
}

// dataset reads the dataset of a nightly run.
func (s *faultEnv) dataset(ref storage.Ref) *dataset.Dataset {
	s.T.Helper()
	b, err := storage.Open(s.T.Context(), s.URL)
	if err != nil {
		s.T.Fatal(err)
	}
	defer b.Close()
	dir := s.T.TempDir()
	if err := b.GetFolder(s.T.Context(), ref, dir); err != nil {
		s.T.Fatal(err)
	}
	data, err := dataset.Read(os.DirFS(dir), "dataset")
	if err != nil {
		s.T.Fatal(err)
	}
	return data
}

// checkIDsUnchanged checks that users and items of the first dataset have the same ids in the
// second.
func checkIDsUnchanged(t *testing.T, first, second *dataset.Dataset) {
	t.Helper()
	for _, ids := range [][2][]string{{first.UserIDs, second.UserIDs}, {first.ItemIDs, second.ItemIDs}} {
		before, after := ids[0], ids[1]
		if len(before) == 0 || len(after) <= len(before) {
			t.Fatalf("%d ids, then %d: want more", len(before), len(after))
		}
		for i, id := range before {
			if after[i] != id {
				t.Fatalf("id %d was %s and is %s", i+1, id, after[i])
			}
		}
	}
}

// newTexts counts the training explanations of the second dataset that the first lacks. There are
// more of them than of new reviews: as features become more frequent, another sentence of an old
// review may become its explanation.
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

// checkVerdictAttribute finds the rejected run by its search attribute.
func (s *faultEnv) checkVerdictAttribute() {
	s.T.Helper()
	found, err := s.Client.ListWorkflow(s.T.Context(), &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: s.Namespace, Query: "RdrecVerdict = 'rejected'",
	})
	if err != nil || len(found.GetExecutions()) != 1 {
		s.T.Errorf("%d nightly runs have the verdict rejected, %v; want one", len(found.GetExecutions()), err)
	}
}
