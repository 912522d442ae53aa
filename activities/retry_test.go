package activities_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"rdrec/activities"
	"rdrec/internal/build"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/registry"
	"rdrec/storage"
)

// The run that the test environment's activities belong to.
const (
	testWorkflow = "default-test-workflow-id"
	testRun      = "default-test-run-id"
)

// objects are the bucket's objects by their keys.
func (s *inboxEnv) objects() map[string]string {
	s.t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(s.root, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		key, err := filepath.Rel(s.root, path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path) //nolint:gosec // the test's own bucket
		found[filepath.ToSlash(key)] = string(data)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return found
}

// numbered are the runs' numbers with their runs.
func (s *inboxEnv) numbered() (all []string) {
	s.t.Helper()
	runs, err := registry.ReadNightlyRuns(s.t.Context(), s.Bucket, "shop", 100)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, nightly := range runs {
		all = append(all, fmt.Sprint(nightly.Number, " ", nightly.Run))
	}
	return all
}

// TestRetriedNightlyRunIsRecordedOnce records a nightly run twice, beside those of other runs that
// were recorded before, and in between.
func TestRetriedNightlyRunIsRecordedOnce(t *testing.T) {
	for _, c := range []struct {
		name            string
		before, between []int
		number          int
		want            []string
	}{
		{"alone", nil, nil, 1, []string{"1 " + testRun}},
		{"after others", []int{1, 2}, nil, 3, []string{"1 other", "2 other", "3 " + testRun}},
		{"its number was taken", []int{1, 2, 3}, nil, 2, []string{"1 other", "2 other", "3 other", "4 " + testRun}},
		{"its number alone was taken", []int{1}, nil, 1, []string{"1 other", "2 " + testRun}},
		{"another came before the retry", []int{1}, []int{3}, 2, []string{"1 other", "2 " + testRun, "3 other"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newInboxEnv(t)
			others := func(numbers []int) {
				for _, number := range numbers {
					record := fmt.Appendf(nil, `{"name":"shop","number":%d,"run":"other","verdict":"rejected"}`, number)
					if err := s.Bucket.PutNightlyRun(t.Context(), "shop", number, record); err != nil {
						t.Fatal(err)
					}
				}
			}
			others(c.before)
			nightly := registry.NightlyRun{Name: "shop", Number: c.number, Verdict: registry.VerdictRejected}
			first, err := run[int](s, s.RecordNightlyRun, nightly)
			if err != nil {
				t.Fatal(err)
			}
			others(c.between)
			again, err := run[int](s, s.RecordNightlyRun, nightly)
			if err != nil || again != first {
				t.Errorf("recorded as nightly run %d and again as %d, %v", first, again, err)
			}
			equal(t, "runs", c.want, s.numbered())
		})
	}
}

func TestNightlyRunIsRecordedUnchanged(t *testing.T) {
	s := newInboxEnv(t)
	s.Now = func() time.Time { return time.Date(2026, 1, 2, 4, 4, 5, 0, time.FixedZone("", 3600)) }
	nightly := registry.NightlyRun{
		Name:              "shop",
		Number:            1,
		Verdict:           registry.VerdictRejected,
		Reasons:           []string{"why"},
		SkippedFiles:      2,
		Seconds:           3,
		PreviousPromotion: 4,
	}
	if _, err := run[int](s, s.RecordNightlyRun, nightly); err != nil {
		t.Fatal(err)
	}
	nightly.Version = build.Version
	nightly.Workflow, nightly.Run, nightly.Time = testWorkflow, testRun, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	runs, err := registry.ReadNightlyRuns(t.Context(), s.Bucket, "shop", 1)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "runs", []registry.NightlyRun{nightly}, runs)
}

func TestARetriedPromotionIsOne(t *testing.T) {
	s := newInboxEnv(t)
	s.Now = func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }
	weights := s.putArtifact("model.safetensors", "w")
	in := activities.PromoteInput{Name: "shop", Promotion: registry.Promotion{
		Dataset: weights, Preprocessed: weights, Model: registry.PromotedModel{Weights: weights, Spec: []byte(`{}`)},
	}}
	first, err := run[registry.Promotion](s, s.Promote, in)
	if err != nil || first.Number != 1 || first.Workflow != testWorkflow || first.Run != testRun ||
		!first.Time.Equal(s.Now()) {
		t.Fatalf("promoted %+v, %v", first, err)
	}
	before := s.objects()
	later := s.Now().Add(time.Minute)
	s.Now = func() time.Time { return later }
	again, err := run[registry.Promotion](s, s.Promote, in)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "promotion", first, again)
	equal(t, "bucket", before, s.objects())

	in.Promotion.Model.Weights = s.putArtifact("model.safetensors", "other")
	_, err = run[registry.Promotion](s, s.Promote, in)
	s.isInvalid("compared against no model where one is in use", err)
	in.Previous, in.Promotion.Dataset.Digest = 1, strings.Repeat("0", 64)
	_, err = run[registry.Promotion](s, s.Promote, in)
	s.isInvalid("a dataset that is gone", err)
}

// isInvalid wants a final error of the settings.
func (s *inboxEnv) isInvalid(what string, err error) {
	s.t.Helper()
	var failed *temporal.ApplicationError
	if !errors.As(err, &failed) || failed.Type() != activities.TypeInvalidConfig || !failed.NonRetryable() {
		s.t.Errorf("%s: %v, want it refused for good", what, err)
	}
}

// TestAStageIsNotedBeforeItIsRecorded breaks each of the two writes: garbage collection must never
// see a record without a run.
func TestAStageIsNotedBeforeItIsRecorded(t *testing.T) {
	const (
		note   = "runs/" + testWorkflow + "/" + testRun + "/stages/import-aaaaaaaaaaaa.json"
		record = "stages/import/"
	)
	fingerprint := strings.Repeat("a", 64)
	for _, c := range []struct {
		broken        string
		noted, stored bool
	}{{"", true, true}, {"runs", false, false}, {"stages", true, false}} {
		s := newInboxEnv(t)
		if c.broken != "" {
			if err := os.WriteFile(filepath.Join(s.root, c.broken), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		done := storage.StageRecord{
			Stage: "import", Fingerprint: fingerprint, Output: s.putArtifact("f", "x"), Seconds: 2,
			Stats: storage.Stats{Requests: 3},
		}
		for range 2 {
			if _, err := run[any](s, s.CommitStage, done); (err != nil) != (c.broken != "") {
				t.Errorf("%q is broken: %v", c.broken, err)
			}
		}
		objects := s.objects()
		_, noted := objects[note]
		_, stored := objects[record+fingerprint+".json"]
		if noted != c.noted || stored != c.stored {
			t.Errorf("%q is broken: noted %t, recorded %t", c.broken, noted, stored)
		}
		in := activities.LookUpInput{Stage: "import", Fingerprint: fingerprint}
		if c.broken != "" {
			s.findsAStageWithoutANote(done)
			continue
		}
		equal(t, "the note", objects[record+fingerprint+".json"], objects[note])
		if err := os.Remove(filepath.Join(s.root, note)); err != nil {
			t.Fatal(err)
		}
		found, err := run[activities.StageResult](s, s.LookUp, in)
		if err != nil {
			t.Fatal(err)
		}
		if age := time.Since(found.From.Time); age < 0 || age > time.Hour {
			t.Errorf("the stage was recorded at %v", found.From.Time)
		}
		equal(t, "found", activities.StageResult{
			Output: done.Output, Seconds: 2, Stats: done.Stats, From: activities.StageOrigin{Time: found.From.Time},
		}, found)
		equal(t, "the note of who found it", objects[note], s.objects()[note])
		in.Fingerprint = strings.Repeat("b", 64)
		if found, err := run[activities.StageResult](s, s.LookUp, in); err != nil || !found.Output.IsZero() {
			t.Errorf("found %+v, %v", found, err)
		}
	}
}

// findsAStageWithoutANote records a stage in a bucket that takes no notes: whoever finds it must
// not use it unnoted.
func (s *inboxEnv) findsAStageWithoutANote(done storage.StageRecord) {
	s.t.Helper()
	s = newInboxEnv(s.t)
	done.Output = s.putArtifact("f", "x")
	if err := s.Bucket.Commit(s.t.Context(), done); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.root, "runs"), nil, 0o600); err != nil {
		s.t.Fatal(err)
	}
	if found, err := run[activities.StageResult](s, s.LookUp,
		activities.LookUpInput{Stage: done.Stage, Fingerprint: done.Fingerprint}); err == nil {
		s.t.Errorf("found %+v without a note", found)
	}
}

// TestIngestThatDiedBeforeItsWatermarkLeavesOneFile takes the watermark away, as a worker leaves it
// that died before writing it.
func TestIngestThatDiedBeforeItsWatermarkLeavesOneFile(t *testing.T) {
	s := newInboxEnv(t)
	s.Importer = &fakeSource{watermarks: []string{"1", "2"}}
	in := activities.IngestSourceInput{
		Name:   "shop",
		Inbox:  "inbox/",
		Source: spec.Source{Path: "reviews.parquet", Watermark: "loaded"},
	}
	var before map[string]string
	for range 2 {
		if _, err := run[spec.Ingested](s, s.IngestSource, in); err != nil {
			t.Fatal(err)
		}
		if before != nil {
			equal(t, "bucket", before, s.objects())
		}
		before = s.objects()
		if err := os.Remove(filepath.Join(s.root, "nightly/shop/watermark.json")); err != nil {
			t.Fatal(err)
		}
	}
	if len(before) != 2 {
		t.Errorf("the bucket has %d objects, want the file and the watermark", len(before))
	}
}

// TestRetriedStagesMakeTheSameArtifact runs each twice.
func TestRetriedStagesMakeTheSameArtifact(t *testing.T) {
	s := newInboxEnv(t)
	again := func(what string, activity, in any) storage.Ref {
		t.Helper()
		first, err := run[storage.Ref](s, activity, in)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		before := s.objects()
		second, err := run[storage.Ref](s, activity, in)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		equal(t, what, first, second)
		equal(t, what+": bucket", before, s.objects())
		return first
	}
	data := spec.Data{Folder: "../testdata/rdrec/beauty_mini", Indexing: spec.Random}
	dataset := again("import", s.Import, activities.ImportInput{Data: data, Seed: 1})
	examples := again("preprocess", s.Preprocess, activities.PreprocessInput{Dataset: dataset, Negatives: 9, Seed: 1})
	again(
		"baseline", s.RankBaselines,
		activities.RankBaselinesInput{Preprocessed: examples, Evaluate: spec.Default().Evaluate},
	)
	parts := []storage.Ref{
		s.putArtifact("sequential.jsonl", `{"user":1}`+"\n"),
		s.putArtifact("sequential.jsonl", `{"user":2,"index":1}`+"\n"),
	}
	again("merge", s.MergePredictions, activities.MergePredictionsInput{Task: task.Sequential, Shards: parts})
	s.putFile("a", "one")
	before := s.ingest(nil)
	objects := s.objects()
	equal(t, "gather", before, s.ingest(nil))
	equal(t, "gather: bucket", objects, s.objects())
}

func TestAWebhookThatIsNoURLIsInvalid(t *testing.T) {
	s := newInboxEnv(t)
	_, err := run[any](s, s.Notify, activities.NotifyInput{URL: "::"})
	s.isInvalid("a webhook's URL", err)
}
