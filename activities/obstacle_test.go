package activities

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rdrec/internal/baseline"
	"rdrec/internal/dataset"
	"rdrec/internal/metric"
	"rdrec/internal/prediction"
	"rdrec/internal/progress"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/internal/teacher"
	"rdrec/storage"
)

// obstructed returns a folder in which a folder has the place of each of the named files, so that
// none of them can be written.
func obstructed(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, file := range files {
		if err := os.MkdirAll(filepath.Join(dir, file), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func twoUsers() *dataset.Dataset {
	return &dataset.Dataset{
		Items: 6, UserIDs: []string{"ann", "ben"}, ItemIDs: []string{"A", "B", "C", "D", "E", "F"},
		Users:     []dataset.User{{ID: 1, Items: []int{1, 2, 3}}, {ID: 2, Items: []int{2, 1, 4}}},
		Negatives: map[int][]int{1: {5}, 2: {5}},
	}
}

// TestAFileThatCannotBeWrittenIsAnError obstructs each file that an activity writes into its own
// folder.
func TestAFileThatCannotBeWrittenIsAnError(t *testing.T) {
	w := newTried(t)
	ctx := t.Context()
	popularity, settings := baseline.Table()[0], spec.Default().Evaluate
	file := rankingFile(popularity.Name, task.Sequential)
	shard := w.artifact("sequential.jsonl", "{}\n")
	shards := MergePredictionsInput{Shards: []storage.Ref{shard}, Task: task.Sequential}
	table := []storage.Ref{w.artifact("recommendations.jsonl", "{}\n")}
	write := func(name string) func(dir string) error {
		return func(dir string) error { return writeJSON(filepath.Join(dir, name), 1) }
	}
	ranking := func(dir string) *baselineRanking {
		return &baselineRanking{
			work: attempt{&heartbeat{now: time.Now}, dir, nil}, data: twoUsers(), settings: settings, dir: dir,
		}
	}
	rationales := func(dir string) error { return writeRationales(dir, nil, teacher.Distillation{}) }
	for name, c := range map[string]struct {
		file string
		do   func(dir string) error
	}{
		"JSON":  {"f", write("f")},
		"lines": {"f", func(dir string) error { return writeJSONL(filepath.Join(dir, "f"), []int{1}) }},
		"sequential ranking": {file, func(dir string) error {
			return ranking(dir).rank(ctx, popularity)
		}},
		"top-N ranking": {rankingFile(popularity.Name, task.TopN), func(dir string) error {
			return ranking(dir).rank(ctx, popularity)
		}},
		"merged predictions": {predictionsFile(shards.Task), func(dir string) error {
			return merge[prediction.Prediction](ctx, w.Bucket, shards, dir, predictionsFile(shards.Task))
		}},
		"merged table": {"f", func(dir string) error {
			work := attempt{&heartbeat{now: time.Now}, t.TempDir(), nil}
			return w.concatenate(ctx, table, work, filepath.Join(dir, "f"), newRowMeter(0))
		}},
		"rationales":   {rationalesFile, rationales},
		"distillation": {"distillation.json", rationales},
		"samples": {"f", func(dir string) error {
			return writeSamples(filepath.Join(dir, "f"), twoUsers(), PreprocessInput{Negatives: 1})
		}},
		"dataset": {"sequential.txt", func(dir string) error {
			return writeIndexed(ctx, dir, twoUsers(), ImportInput{Data: spec.Data{Indexing: spec.AsIs}})
		}},
		"indexing": {indexingRecord, func(dir string) error {
			return writeIndexed(ctx, dir, twoUsers(), ImportInput{Data: spec.Data{Indexing: spec.AsIs}})
		}},
		"export": {"export/f", func(dir string) error {
			_, err := w.store(ctx, filepath.Join(dir, "export"), write("f"))
			return err
		}},
	} {
		if err := c.do(obstructed(t, c.file)); err == nil || !strings.Contains(err.Error(), "is a directory") {
			t.Errorf("%s: %v", name, err)
		}
		if err := c.do(t.TempDir()); err != nil {
			t.Errorf("%s without an obstacle: %v", name, err)
		}
	}
	if err := writeJSON(filepath.Join(t.TempDir(), "f"), math.NaN()); err == nil {
		t.Error("a figure that is not a number is written")
	}
	if err := writeJSONL(filepath.Join(t.TempDir(), "f"), []float64{math.NaN()}); err == nil {
		t.Error("a line that is not a number is written")
	}
}

// TestAShardThatIsAFolderCannotBeMerged names the shard by its number from 1.
func TestAShardThatIsAFolderCannotBeMerged(t *testing.T) {
	w := newTried(t)
	dir := obstructed(t, ExportFile(FormatJSONL))
	if err := os.WriteFile(filepath.Join(dir, ExportFile(FormatJSONL), "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	folder, err := w.Bucket.PutFolder(t.Context(), "test", dir)
	if err != nil {
		t.Fatal(err)
	}
	for want, shard := range map[string]storage.Ref{
		"is a directory": folder, "no such file or directory": w.artifact("other", "x"),
	} {
		work := attempt{&heartbeat{now: time.Now}, t.TempDir(), nil}
		path := filepath.Join(t.TempDir(), "f")
		err := w.concatenate(t.Context(), []storage.Ref{shard}, work, path, newRowMeter(0))
		if err == nil || !strings.HasPrefix(err.Error(), "merge the table: shard 1: ") ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestMergingReportsTheShards has two of two lines each.
func TestMergingReportsTheShards(t *testing.T) {
	w := newTried(t)
	shard, path := w.artifact("recommendations.jsonl", "{}\n{}\n"), filepath.Join(t.TempDir(), "f")
	work := attempt{&heartbeat{now: time.Now}, t.TempDir(), nil}
	if err := w.concatenate(t.Context(), []storage.Ref{shard, shard}, work, path, newRowMeter(0)); err != nil {
		t.Fatal(err)
	}
	latest, _ := work.read()
	want := Progress{Progress: progress.Progress{Done: 1, Total: 2, Unit: "parts"}}
	if diff := cmp.Diff(want, latest, cmpopts.IgnoreFields(Progress{}, "History")); diff != "" {
		t.Error(diff)
	}
	got, err := os.ReadFile(path) //nolint:gosec // the test's own file
	if err != nil || string(got) != "{}\n{}\n{}\n{}\n" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestARankingNamesUsersAndTruths keeps the order of the users.
func TestARankingNamesUsersAndTruths(t *testing.T) {
	dir := t.TempDir()
	lists := []metric.List{{Items: []int{5, 6}}, {Items: []int{3}}}
	if err := writeRanking(dir, "markov", task.TopN, twoUsers().Users, lists); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "markov.topn.jsonl")) //nolint:gosec // the test's own file
	if err != nil {
		t.Fatal(err)
	}
	want := `{"user":1,"truth":3,"items":[5,6]}` + "\n" + `{"user":2,"truth":4,"items":[3]}` + "\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

// TestAShardReportsItsRates has one row from before, and two of this attempt in four seconds.
func TestAShardReportsItsRates(t *testing.T) {
	started := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	now := started
	clock := func() time.Time { return now }
	s := &shardRun{
		requests: make([]teacher.Request, 5), done: rationaleSet{}, heartbeat: &heartbeat{now: clock}, now: clock,
		started: started, attempt: 4, progressAttempt: 2, priorSeconds: 10,
	}
	s.resume(rationaleSet{"a": {ID: "a", Tokens: 100}})
	check := func(want Progress) {
		t.Helper()
		want.Total, want.Unit = 5, UnitRationales
		latest, _ := s.heartbeat.read()
		if diff := cmp.Diff(want, latest, cmpopts.IgnoreFields(Progress{}, "History")); diff != "" {
			t.Error(diff)
		}
	}
	check(Progress{Progress: progress.Progress{Done: 1}, Parsed: 1, ProgressAttempt: 2, TeacherSeconds: 10})
	now = started.Add(4 * time.Second)
	s.add(teacher.Rationale{ID: "b", Tokens: 6, Failed: "too long"})
	s.add(teacher.Rationale{ID: "c", Tokens: 2, FellBack: true})
	check(Progress{
		Progress: progress.Progress{Done: 3, Rate: 0.5}, Parsed: 1, ProgressAttempt: 4, TeacherSeconds: 14,
		TokenRate: 2,
	})
	want := DistillShardResult{Rows: 3, Parsed: 1, Quarantined: 1, Tokens: 108, Seconds: 14}
	if diff := cmp.Diff(want, s.result()); diff != "" {
		t.Error(diff)
	}
}

// TestAStoredRowEndsARowOfFailures stores after two failures.
func TestAStoredRowEndsARowOfFailures(t *testing.T) {
	w := newTried(t)
	k := &rowWriter{rows: storage.OpenRationales[teacher.Rationale](w.Bucket, "t"), failures: 2, lastErr: os.ErrClosed}
	k.pending = []teacher.Rationale{{ID: "a"}}
	k.store(t.Context())
	if k.failures != 0 || k.lastErr != nil || len(k.pending) > 0 {
		t.Errorf("%d failures, %v, %d rows pending", k.failures, k.lastErr, len(k.pending))
	}
}

// TestTheEndNamesTheAttempts counts those between the last one that finished a rationale and this.
func TestTheEndNamesTheAttempts(t *testing.T) {
	w := newTried(t)
	w.last = Progress{Stage: "distill", ProgressAttempt: -39, History: attemptHistory{Attempt: 1, Ended: true}}
	err := w.do(w.DistillShard, DistillShardInput{Plan: w.artifact("000001.jsonl", ""), Shard: 1})
	if err == nil || !strings.Contains(err.Error(), ": 39 attempts without a finished rationale") {
		t.Errorf("attempt 1 after -39: %v", err)
	}
}
