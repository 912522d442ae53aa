package activities_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rdrec/activities"
	"rdrec/internal/report"
	"rdrec/internal/spec"
	"rdrec/registry"
	"rdrec/storage"
)

func TestIngestSkipsKnownContent(t *testing.T) {
	s := newInboxEnv(t)
	s.putFile("a.jsonl", "one")
	s.putFile("b.jsonl", "two")
	s.putFile("copy-of-a.jsonl", "one")
	first := s.ingest(nil)
	equal(t, "taken on the first run", []string{"a.jsonl", "b.jsonl"}, names(first.Ingested))
	s.promote(first, "first")
	if idle := s.ingest(nil); len(idle.Ingested) != 0 || idle.Reviews != first.Reviews {
		t.Errorf("with nothing new it takes %v", idle.Ingested)
	}
	s.putFile("renamed.jsonl", "two")
	s.putFile("c.jsonl.gz", "three")
	second := s.ingest(nil)
	equal(t, "taken on the second run", []string{"c.jsonl.gz"}, names(second.Ingested))
	equal(t, "all reviews", []string{"one", "two", "three"}, s.parts(second.Reviews))
	if second.Promoted.Number != 1 {
		t.Errorf("it goes on from promotion %d, want 1", second.Promoted.Number)
	}
}

// TestIngestPassesOverFilesWithoutRows: what Spark writes beside its parts.
func TestIngestPassesOverFilesWithoutRows(t *testing.T) {
	s := newInboxEnv(t)
	for name, text := range map[string]string{
		"night/_SUCCESS": "", "night/._SUCCESS.crc": "crc", "night/.part-0.json.crc": "crc",
		"night/_temporary/0/part-9.json": "half", "night/part-1.json": "", "night/part-0.json": "one",
	} {
		s.putFile(name, text)
	}
	equal(t, "ingested", []string{"night/part-0.json"}, names(s.ingest(nil).Ingested))
}

// fakeSource is a source: what is in it now, by ascending watermarks.
type fakeSource struct {
	activities.Importer
	watermarks []string
}

func (w *fakeSource) IngestSource(
	_ context.Context, job activities.IngestSourceJob,
) (out spec.Ingested, err error) {
	var rows []string
	for _, mark := range w.watermarks {
		if mark > job.After {
			rows, out.Watermark = append(rows, mark), mark
		}
	}
	out.Rows = len(rows)
	if len(rows) > 0 {
		err = os.WriteFile(job.File, []byte(strings.Join(rows, " ")), 0o600)
	}
	return out, err
}

func TestIngestSourceResumesAtWatermark(t *testing.T) {
	s := newInboxEnv(t)
	source := &fakeSource{watermarks: []string{"1", "2"}}
	s.Importer = source
	ingest := func(name, column string, want int) {
		t.Helper()
		in := activities.IngestSourceInput{
			Name: name, Inbox: "inbox", Source: spec.Source{Path: "reviews.parquet", Watermark: column},
		}
		if out, err := run[spec.Ingested](s, s.IngestSource, in); err != nil || out.Rows != want {
			t.Errorf("%+v, %v; want %d rows", out, err, want)
		}
	}
	ingest("shop", "loaded", 2)
	first := s.ingest(nil)
	s.promote(first, "first")
	ingest("shop", "loaded", 0)
	if idle := s.ingest(nil); len(idle.Ingested) != 0 {
		t.Errorf("with nothing new it takes %v", idle.Ingested)
	}
	source.watermarks = append(source.watermarks, "3")
	ingest("shop", "loaded", 1)
	equal(t, "all reviews", []string{"1 2", "3"}, s.parts(s.ingest(nil).Reviews))
	ingest("shop", "other", 3)
	ingest("another", "loaded", 3)
}

func TestIngestSkipsFilesOfRejectedRuns(t *testing.T) {
	s := newInboxEnv(t)
	s.putFile("a", "good")
	s.promote(s.ingest(nil), "first")
	s.putFile("b", "poison")
	bad := s.ingest(nil)
	nightly := registry.NightlyRun{
		Name: "shop", Number: bad.RunNumber, Verdict: registry.VerdictRejected, Ingested: bad.Ingested, SkipFiles: true,
	}
	if number, err := run[int](s, s.RecordNightlyRun, nightly); err != nil || number != 1 {
		t.Fatalf("recorded as nightly run %d: %v", number, err)
	}
	s.putFile("c", "fine")
	next := s.ingest(nil)
	equal(t, "all reviews", []string{"good", "fine"}, s.parts(next.Reviews))
	if next.SkippedFiles != 1 || next.RunNumber != 2 {
		t.Errorf(
			"nightly run %d holds %d files back, want nightly run 2 and one file", next.RunNumber, next.SkippedFiles,
		)
	}
	again := s.ingest(func(in *activities.IngestInput) { in.RetryAll = true })
	equal(t, "taken again", []string{"b", "c"}, names(again.Ingested))
	retried := s.ingest(func(in *activities.IngestInput) { in.RetryRejected = true })
	equal(t, "taken where refused files are kept", []string{"b", "c"}, names(retried.Ingested))
	page, err := os.ReadFile(filepath.Join(s.root, storage.NightlyPageKey("shop")))
	if err != nil || !strings.Contains(string(page), "✗ Rejected") {
		t.Errorf("the page of the runs: %v, %.80s", err, page)
	}
}

func TestIngestSkipsFilesOfRolledBackModel(t *testing.T) {
	s := newInboxEnv(t)
	s.putFile("a", "good")
	s.promote(s.ingest(nil), "first")
	s.putFile("b", "worse than it looked")
	s.promote(s.ingest(nil), "second")
	chosen, err := run[activities.PromoteInput](s, s.ChooseModel, activities.ChooseModelInput{Name: "shop"})
	if err != nil || chosen.Previous != 2 || chosen.Promotion.RollbackTo != 1 {
		t.Fatalf("rolling back chooses %+v, %v; want promotion 1 over 2", chosen, err)
	}
	back, err := run[registry.Promotion](s, s.Promote, chosen)
	if err != nil || back.Number != 3 || back.Kind != registry.Rollback {
		t.Fatalf("rolled back to %+v, %v", back, err)
	}
	s.putFile("c", "fine")
	equal(t, "all reviews after it", []string{"good", "fine"}, s.parts(s.ingest(nil).Reviews))
	if _, err := run[activities.PromoteInput](s, s.ChooseModel, activities.ChooseModelInput{Name: "shop"}); err == nil {
		t.Error("there is nothing before the first model, and yet it rolls back")
	}
}

func TestInboxRejectsReservedPrefixes(t *testing.T) {
	s := newInboxEnv(t)
	for _, inbox := range []string{"runs/", "n", "cas/sha256/00"} {
		if _, err := run[activities.IngestResult](
			s, s.Ingest, activities.IngestInput{Name: "shop", Inbox: inbox},
		); err == nil {
			t.Errorf("inbox %q is not refused", inbox)
		}
	}
}

// importedDataset is a dataset's artifact with only its counts.
func (s *inboxEnv) importedDataset(rows, bad int) storage.Ref {
	s.t.Helper()
	return s.putArtifact(
		"import.json", fmt.Sprintf(`{"rows":%d,"bad":%d,"users":10,"items":5,"interactions":%d}`, rows, bad, rows-bad),
	)
}

func TestSanityCheck(t *testing.T) {
	s := newInboxEnv(t)
	gate := spec.DefaultNightly().Gate
	gate.MaxRows, gate.MinRows = 100, 5
	before := &report.NightlyCounts{Rows: 1000, Bad: 10, Rationales: 50, Parsed: 50}
	for _, c := range []struct {
		name      string
		rows, bad int
		parsed    string
		want      string
	}{
		{"fine", 1050, 11, `{"quality":{"rationales":60,"parsed":59}}`, ""},
		{"too few", 1004, 10, "", "4 rows ingested, fewer than nightly.gate.min_rows 5"},
		{"too many", 1101, 10, "", "101 rows ingested, more than nightly.gate.max_rows 100"},
		{
			"unreadable", 1050, 13, "",
			"3 of the 50 ingested rows are unreadable, more than nightly.gate.max_bad 0.05 allows",
		},
		{
			"unparsed", 1050, 10, `{"quality":{"rationales":60,"parsed":54}}`,
			"4 of the teacher's 10 new replies parse, fewer than nightly.gate.min_parsed 0.5 requires",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := activities.SanityCheckInput{Gate: gate, Previous: before, Dataset: s.importedDataset(c.rows, c.bad)}
			if c.parsed != "" {
				in.Rationales = s.putArtifact("distillation.json", c.parsed)
			}
			out, err := run[activities.SanityCheckResult](s, s.SanityCheck, in)
			if err != nil || strings.Join(out.Reasons, "; ") != c.want {
				t.Errorf("got %q, %v; want %q", out.Reasons, err, c.want)
			}
			if out.Counts.NewRows != c.rows-1000 {
				t.Errorf("%d new rows, want %d", out.Counts.NewRows, c.rows-1000)
			}
			in.Previous = nil
			if first, err := run[activities.SanityCheckResult](s, s.SanityCheck, in); err != nil ||
				len(first.Reasons) > 0 {
				t.Errorf("where no model is in use: %q, %v; want no objection", first.Reasons, err)
			}
		})
	}
}

// evaluation is an evaluation of 100 users of whom the first hits have their item in the first
// place.
func (s *inboxEnv) evaluation(hits int) []storage.Ref {
	s.t.Helper()
	return []storage.Ref{s.hundred("sequential.jsonl", hits)}
}

// ranked is the same for a baseline.
func (s *inboxEnv) ranked(baseline string, hits int) storage.Ref {
	s.t.Helper()
	return s.hundred(baseline+".sequential.jsonl", hits)
}

func (s *inboxEnv) hundred(file string, hits int) storage.Ref {
	s.t.Helper()
	var lines strings.Builder
	for user := 1; user <= 100; user++ {
		items := "[2,3,4]"
		if user <= hits {
			items = "[1,2,3]"
		}
		fmt.Fprintf(&lines, `{"user":%d,"truth":1,"items":%s}`+"\n", user, items)
	}
	return s.putArtifact(file, lines.String())
}

func TestCompareModels(t *testing.T) {
	s := newInboxEnv(t)
	gate := spec.DefaultNightly().Gate
	gate.Metric, gate.MaxFirstShare = "HR@1", 1
	for _, c := range []struct {
		name     string
		old, now int
		margin   float64
		want     string
	}{
		{"better", 30, 60, 0.1, ""},
		{"the same", 30, 30, 0.1, ""},
		{"a little worse", 30, 29, 0.15, ""},
		{
			"not shown to be within the margin", 30, 26, 0.15,
			"HR@1 is 0.2600 after 0.3000 on the same 100 users: a fall by nightly.gate.margin, 15%, or more is not " +
				"ruled out (p 0.400, more than nightly.gate.alpha 0.05)",
		},
		{"much worse", 60, 30, 0.1, "HR@1 is 0.3000 after 0.6000 on the same 100 users"},
	} {
		t.Run(c.name, func(t *testing.T) {
			gate.Margin = c.margin
			in := activities.CompareModelsInput{
				Gate: gate, Items: 10, Strict: true, Seed: 1, New: s.evaluation(c.now), Old: s.evaluation(c.old),
				CurrentPromotion: 7, Baselines: s.ranked("popularity", 10),
			}
			out, err := run[activities.CompareModelsResult](s, s.CompareModels, in)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(out.Reasons, "; "); !strings.Contains(got, c.want) || (c.want == "") != (got == "") {
				t.Errorf("reasons %q, want %q", got, c.want)
			}
			if out.Comparison == nil || out.Comparison.Users != 100 || out.Comparison.CurrentPromotion != 7 ||
				len(out.Metrics) != 5 {
				t.Errorf("compared %+v with %d metrics", out.Comparison, len(out.Metrics))
			}
		})
	}
	other := s.putArtifact("sequential.jsonl", `{"user":9,"truth":1,"items":[1]}`+"\n")
	in := activities.CompareModelsInput{
		Gate: gate, Items: 10, New: s.evaluation(1), Old: []storage.Ref{other}, Baselines: s.ranked("popularity", 1),
	}
	if _, err := run[activities.CompareModelsResult](s, s.CompareModels, in); err == nil {
		t.Error("other users are compared without an error")
	}
}

func TestNotifyPostsSignedBody(t *testing.T) {
	t.Setenv(activities.WebhookSecret, "hush")
	var received registry.NightlyRun
	status := http.StatusServiceUnavailable
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mac := hmac.New(sha256.New, []byte("hush"))
		if got := r.Header.Get(activities.WebhookTimestamp); got != "1800000000" {
			t.Errorf("timestamp %q", got)
		}
		mac.Write([]byte("1800000000." + string(body)))
		if got := r.Header.Get(activities.WebhookSignature); got != "sha256="+hex.EncodeToString(mac.Sum(nil)) {
			t.Errorf("signature %q", got)
		}
		if err := json.Unmarshal(body, &received); err != nil {
			t.Error(err)
		}
		w.WriteHeader(status)
	}))
	defer server.Close()
	s := newInboxEnv(t)
	s.Now = func() time.Time { return time.Unix(1_800_000_000, 0) }
	in := activities.NotifyInput{
		URL: server.URL, Run: registry.NightlyRun{Name: "shop", Number: 3, Verdict: registry.VerdictRejected},
	}
	if _, err := run[any](s, s.Notify, in); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("a webhook that answers 503: %v", err)
	}
	status = http.StatusNoContent
	if _, err := run[any](s, s.Notify, in); err != nil {
		t.Error(err)
	}
	equal(t, "what it was notified", in.Run, received)
}
