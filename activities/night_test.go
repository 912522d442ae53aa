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

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/testsuite"

	"rdrec/activities"
	"rdrec/internal/spec"
	"rdrec/storage"
)

// shop is a bucket with an inbox, and the activities on it.
type shop struct {
	*activities.Activities
	t    *testing.T
	root string
}

func newShop(t *testing.T) *shop {
	t.Helper()
	root := filepath.Join(t.TempDir(), "bucket")
	bucket, err := storage.Open(t.Context(), "file://"+root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := bucket.Close(); err != nil {
			t.Error(err)
		}
	})
	return &shop{
		&activities.Activities{Bucket: bucket, Scratch: t.TempDir(), Now: time.Now, StallAfter: time.Minute}, t, root,
	}
}

// run does an activity.
func run[Out any](s *shop, activity, in any) (out Out, err error) {
	s.t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivity(s.Activities)
	value, err := env.ExecuteActivity(activity, in)
	if err != nil {
		return out, err
	}
	if value.HasValue() {
		err = value.Get(&out)
	}
	return out, err
}

// deliver puts a file into the inbox.
func (s *shop) deliver(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.root, "inbox", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) gather(change func(*activities.GatherInput)) activities.Gathered {
	s.t.Helper()
	in := activities.GatherInput{Name: "shop", Inbox: "inbox/"}
	if change != nil {
		change(&in)
	}
	out, err := run[activities.Gathered](s, s.Gather, in)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// names are the keys that were taken.
func names(files []storage.File) (all []string) {
	for _, f := range files {
		all = append(all, strings.TrimPrefix(f.Name, "inbox/"))
	}
	return all
}

// parts are the contents of a night's reviews, in their order.
func (s *shop) parts(ref storage.Ref) (all []string) {
	s.t.Helper()
	artefact, err := s.Bucket.Artefact(s.t.Context(), ref)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range artefact.Files {
		if !strings.HasPrefix(f.Name, "parts/") {
			continue
		}
		data, err := s.Bucket.Get(s.t.Context(), f.Ref)
		if err != nil {
			s.t.Fatal(err)
		}
		all = append(all, string(data))
	}
	return all
}

// put promotes a model that was made from what was gathered.
func (s *shop) put(g activities.Gathered, weights string) storage.Promotion {
	s.t.Helper()
	dir := s.t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "model.safetensors"), []byte(weights), 0o600); err != nil {
		s.t.Fatal(err)
	}
	ref, err := s.Bucket.PutFolder(s.t.Context(), "model", dir)
	if err != nil {
		s.t.Fatal(err)
	}
	p := storage.Promotion{Reviews: g.Reviews, Dataset: ref, Examples: ref, Model: storage.PromotedModel{Weights: ref, Spec: []byte("{}")}}
	now, err := run[storage.Promotion](s, s.Promote, activities.PromoteInput{Name: "shop", Before: g.Promoted.Number, Promotion: p})
	if err != nil {
		s.t.Fatal(err)
	}
	return now
}

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: %s", what, diff)
	}
}

func TestNoContentIsTakenTwice(t *testing.T) {
	s := newShop(t)
	s.deliver("a.jsonl", "one")
	s.deliver("b.jsonl", "two")
	s.deliver("copy-of-a.jsonl", "one")
	first := s.gather(nil)
	same(t, "taken on the first night", []string{"a.jsonl", "b.jsonl"}, names(first.Taken))
	s.put(first, "first")
	if idle := s.gather(nil); len(idle.Taken) != 0 || idle.Reviews != first.Reviews {
		t.Errorf("with nothing new it takes %v", idle.Taken)
	}
	s.deliver("renamed.jsonl", "two")
	s.deliver("c.jsonl.gz", "three")
	second := s.gather(nil)
	same(t, "taken on the second night", []string{"c.jsonl.gz"}, names(second.Taken))
	same(t, "all reviews", []string{"one", "two", "three"}, s.parts(second.Reviews))
	if second.Promoted.Number != 1 {
		t.Errorf("it goes on from promotion %d, want 1", second.Promoted.Number)
	}
}

// well is a source: what is in it now, by ascending watermarks.
type well struct {
	activities.Importer
	marks []string
}

func (w *well) Draw(_ context.Context, job activities.DrawJob) (out activities.Drawn, err error) {
	var rows []string
	for _, mark := range w.marks {
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

func TestASourceIsDrawnIntoTheInboxUpToItsWatermark(t *testing.T) {
	s := newShop(t)
	source := &well{marks: []string{"1", "2"}}
	s.Importer = source
	draw := func(name, column string, want int) {
		t.Helper()
		in := activities.DrawInput{Name: name, Inbox: "inbox", Source: spec.Source{Path: "reviews.parquet", Watermark: column}}
		if out, err := run[activities.Drawn](s, s.Draw, in); err != nil || out.Rows != want {
			t.Errorf("%+v, %v; want %d rows", out, err, want)
		}
	}
	draw("shop", "loaded", 2)
	first := s.gather(nil)
	s.put(first, "first")
	draw("shop", "loaded", 0)
	if idle := s.gather(nil); len(idle.Taken) != 0 {
		t.Errorf("with nothing new it takes %v", idle.Taken)
	}
	source.marks = append(source.marks, "3")
	draw("shop", "loaded", 1)
	same(t, "all reviews", []string{"1 2", "3"}, s.parts(s.gather(nil).Reviews))
	draw("shop", "other", 3)
	draw("another", "loaded", 3)
}

func TestARefusedNightsFilesAreSetAside(t *testing.T) {
	s := newShop(t)
	s.deliver("a", "good")
	s.put(s.gather(nil), "first")
	s.deliver("b", "poison")
	bad := s.gather(nil)
	night := activities.Night{Name: "shop", Number: bad.Night, Verdict: activities.NightKept, Taken: bad.Taken, SetAside: true}
	if number, err := run[int](s, s.RecordNight, night); err != nil || number != 1 {
		t.Fatalf("recorded as night %d: %v", number, err)
	}
	s.deliver("c", "fine")
	next := s.gather(nil)
	same(t, "all reviews", []string{"good", "fine"}, s.parts(next.Reviews))
	if next.Held != 1 || next.Night != 2 {
		t.Errorf("night %d holds %d files back, want night 2 and one file", next.Night, next.Held)
	}
	again := s.gather(func(in *activities.GatherInput) { in.Retake = true })
	same(t, "taken again", []string{"b", "c"}, names(again.Taken))
	kept := s.gather(func(in *activities.GatherInput) { in.KeepRefused = true })
	same(t, "taken where refused files are kept", []string{"b", "c"}, names(kept.Taken))
	page, err := os.ReadFile(filepath.Join(s.root, storage.NightsKey("shop")))
	if err != nil || !strings.Contains(string(page), "kept") {
		t.Errorf("the page of the nights: %v, %.80s", err, page)
	}
}

func TestARollbackSetsAsideWhatOnlyTheBadModelSaw(t *testing.T) {
	s := newShop(t)
	s.deliver("a", "good")
	s.put(s.gather(nil), "first")
	s.deliver("b", "worse than it looked")
	s.put(s.gather(nil), "second")
	chosen, err := run[activities.PromoteInput](s, s.Choose, activities.ChooseInput{Name: "shop"})
	if err != nil || chosen.Before != 2 || chosen.Promotion.Of != 1 {
		t.Fatalf("rolling back chooses %+v, %v; want promotion 1 over 2", chosen, err)
	}
	back, err := run[storage.Promotion](s, s.Promote, chosen)
	if err != nil || back.Number != 3 || back.Kind != storage.Rollback {
		t.Fatalf("rolled back to %+v, %v", back, err)
	}
	s.deliver("c", "fine")
	same(t, "all reviews after it", []string{"good", "fine"}, s.parts(s.gather(nil).Reviews))
	if _, err := run[activities.PromoteInput](s, s.Choose, activities.ChooseInput{Name: "shop"}); err == nil {
		t.Error("there is nothing before the first model, and yet it rolls back")
	}
}

func TestOurOwnObjectsAreNoInbox(t *testing.T) {
	s := newShop(t)
	for _, inbox := range []string{"runs/", "n", "cas/sha256/00"} {
		if _, err := run[activities.Gathered](s, s.Gather, activities.GatherInput{Name: "shop", Inbox: inbox}); err == nil {
			t.Errorf("inbox %q is not refused", inbox)
		}
	}
}

// imported is a dataset's artefact with only its counts.
func (s *shop) imported(rows, bad int) storage.Ref {
	s.t.Helper()
	return s.artefact("import.json", fmt.Sprintf(`{"rows":%d,"bad":%d,"users":10,"items":5,"interactions":%d}`, rows, bad, rows-bad))
}

func (s *shop) artefact(name, text string) storage.Ref {
	s.t.Helper()
	dir := s.t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	ref, err := s.Bucket.PutFolder(s.t.Context(), "test", dir)
	if err != nil {
		s.t.Fatal(err)
	}
	return ref
}

func TestInsaneDeliveriesAreRefused(t *testing.T) {
	s := newShop(t)
	gate := spec.DefaultNightly().Gate
	gate.MaxRows, gate.MinRows = 100, 5
	before := map[string]int{activities.CountRows: 1000, activities.CountBad: 10, activities.CountReplies: 50, activities.CountParsed: 50}
	for _, c := range []struct {
		name      string
		rows, bad int
		parsed    string
		want      string
	}{
		{"fine", 1050, 11, `{"quality":{"rationales":60,"parsed":59}}`, ""},
		{"too few", 1004, 10, "", "4 rows came in, fewer than nightly.gate.min_rows 5"},
		{"too many", 1101, 10, "", "101 rows came in, more than nightly.gate.max_rows 100"},
		{"unreadable", 1050, 13, "", "3 of the 50 rows that came in cannot be read, more than nightly.gate.max_bad 0.05 allows"},
		{"unparsed", 1050, 10, `{"quality":{"rationales":60,"parsed":54}}`, "4 of the teacher's 10 new replies parse, fewer than nightly.gate.min_parsed 0.5 wants"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := activities.InspectInput{Gate: gate, Before: before, Dataset: s.imported(c.rows, c.bad)}
			if c.parsed != "" {
				in.Rationales = s.artefact("distillation.json", c.parsed)
			}
			out, err := run[activities.Inspected](s, s.Inspect, in)
			if err != nil || strings.Join(out.Reasons, "; ") != c.want {
				t.Errorf("got %q, %v; want %q", out.Reasons, err, c.want)
			}
			if out.Counts[activities.CountNewRows] != c.rows-1000 {
				t.Errorf("%d new rows, want %d", out.Counts[activities.CountNewRows], c.rows-1000)
			}
			in.Before = nil
			if first, err := run[activities.Inspected](s, s.Inspect, in); err != nil || len(first.Reasons) > 0 {
				t.Errorf("where no model is in use: %q, %v; want no objection", first.Reasons, err)
			}
		})
	}
}

// answers is an evaluation of 100 users of whom the first hits have their item in the first place.
func (s *shop) answers(hits int) []storage.Ref {
	s.t.Helper()
	var lines strings.Builder
	for user := 1; user <= 100; user++ {
		items := "[2,3,4]"
		if user <= hits {
			items = "[1,2,3]"
		}
		fmt.Fprintf(&lines, `{"user":%d,"truth":1,"items":%s}`+"\n", user, items)
	}
	return []storage.Ref{s.artefact("sequential.jsonl", lines.String())}
}

func TestOnlyWhatIsNotWorseIsPromoted(t *testing.T) {
	s := newShop(t)
	gate := spec.DefaultNightly().Gate
	gate.Metric, gate.Margin = "HR@1", 0.05
	for _, c := range []struct {
		name     string
		old, now int
		coverage float64
		want     string
	}{
		{"better", 30, 60, 0, ""},
		{"the same", 30, 30, 0, ""},
		{"a little worse", 30, 29, 0, ""},
		{"not shown to be within the margin", 30, 26, 0, "it is not shown to be at most 0.05 worse"},
		{"much worse", 60, 30, 0, "HR@1 of the same 100 users is 0.3000 after 0.6000"},
		{"names too few items", 30, 60, 0.5, "the lists name 40.00% of all items, less than nightly.gate.min_coverage 0.5 wants"},
	} {
		t.Run(c.name, func(t *testing.T) {
			gate.MinCoverage = c.coverage
			in := activities.JudgeInput{Gate: gate, Items: 10, Strict: true, Seed: 1, New: s.answers(c.now), Old: s.answers(c.old), Against: 7}
			out, err := run[activities.Judged](s, s.Judge, in)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(out.Reasons, "; "); !strings.Contains(got, c.want) || (c.want == "") != (got == "") {
				t.Errorf("reasons %q, want %q", got, c.want)
			}
			if out.Compared == nil || out.Compared.Users != 100 || out.Compared.Against != 7 || len(out.Metrics) != 5 {
				t.Errorf("compared %+v with %d metrics", out.Compared, len(out.Metrics))
			}
		})
	}
	other := s.artefact("sequential.jsonl", `{"user":9,"truth":1,"items":[1]}`+"\n")
	in := activities.JudgeInput{Gate: gate, Items: 10, New: s.answers(1), Old: []storage.Ref{other}}
	if _, err := run[activities.Judged](s, s.Judge, in); err == nil {
		t.Error("other users are compared without an error")
	}
}

func TestTheWebhookIsToldAndSigned(t *testing.T) {
	t.Setenv(activities.WebhookSecret, "hush")
	var told activities.Night
	status := http.StatusServiceUnavailable
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mac := hmac.New(sha256.New, []byte("hush"))
		mac.Write(body)
		if got := r.Header.Get(activities.WebhookSignature); got != "sha256="+hex.EncodeToString(mac.Sum(nil)) {
			t.Errorf("signature %q", got)
		}
		if err := json.Unmarshal(body, &told); err != nil {
			t.Error(err)
		}
		w.WriteHeader(status)
	}))
	defer server.Close()
	s := newShop(t)
	in := activities.NotifyInput{URL: server.URL, Night: activities.Night{Name: "shop", Number: 3, Verdict: activities.NightKept}}
	if _, err := run[any](s, s.Notify, in); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("a webhook that answers 503: %v", err)
	}
	status = http.StatusNoContent
	if _, err := run[any](s, s.Notify, in); err != nil {
		t.Error(err)
	}
	same(t, "what it was told", in.Night, told)
}
