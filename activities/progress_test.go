package activities

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rdrec/internal/progress"
	"rdrec/internal/spec"
	"rdrec/registry"
	"rdrec/storage"
)

// TestProgressOfPartsIsAdded keeps what is of the total.
func TestProgressOfPartsIsAdded(t *testing.T) {
	total := Progress{
		Stage:           "distill",
		Progress:        progress.Progress{Done: 1, Total: 10, Unit: "rationales", Rate: 0.5},
		TokenRate:       2,
		Parsed:          3,
		ProgressAttempt: 4,
		TeacherSeconds:  5,
		Note:            "n",
	}
	part := Progress{
		Stage:           "x",
		Progress:        progress.Progress{Done: 2, Total: 7, Unit: "y", Rate: 0.25},
		TokenRate:       8,
		Parsed:          16,
		ProgressAttempt: 32,
		TeacherSeconds:  64,
		Note:            "m",
	}
	want := Progress{
		Stage:           "distill",
		Progress:        progress.Progress{Done: 3, Total: 10, Unit: "rationales", Rate: 0.75},
		TokenRate:       10,
		Parsed:          19,
		ProgressAttempt: 4,
		TeacherSeconds:  5,
		Note:            "n",
	}
	if diff := cmp.Diff(want, total.Add(part)); diff != "" {
		t.Error(diff)
	}
}

func TestAShardIsTheSumOfWhatItTook(t *testing.T) {
	first := DistillShardResult{Rows: 1, Parsed: 2, Quarantined: 3, Tokens: 4, Seconds: 5, BatchHalvings: 6}
	second := DistillShardResult{Rows: 10, Parsed: 20, Quarantined: 30, Tokens: 40, Seconds: 50, BatchHalvings: 60}
	want := DistillShardResult{Rows: 11, Parsed: 22, Quarantined: 33, Tokens: 44, Seconds: 55, BatchHalvings: 66}
	if diff := cmp.Diff(want, first.Add(second)); diff != "" {
		t.Errorf("two shards: %s", diff)
	}
	want = DistillShardResult{Rows: 1, Parsed: 2, Quarantined: 3, Tokens: 4, Seconds: 55, BatchHalvings: 66}
	if diff := cmp.Diff(want, first.AddPrior(second)); diff != "" {
		t.Errorf("one after its part: %s", diff)
	}
}

// TestReportKeepsStageAndAttemptHistory replaces all else.
func TestReportKeepsStageAndAttemptHistory(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	p := &heartbeat{
		latest: Progress{Stage: "distill", Note: "old", History: attemptHistory{Attempt: 3, MaxDone: 4}},
		now:    func() time.Time { return now },
	}
	p.report(Progress{Stage: "x", Progress: progress.Progress{Done: 5}, History: attemptHistory{Attempt: 9}})
	latest, moved := p.read()
	want := Progress{
		Stage: "distill", Progress: progress.Progress{Done: 5},
		History: attemptHistory{Attempt: 3, MaxDone: 5, Progressed: true},
	}
	if diff := cmp.Diff(want, latest); diff != "" || !moved.Equal(now) {
		t.Errorf("%s at %s", diff, moved)
	}
}

// TestADrawnFilesName says its watermark in letters, digits and dashes.
func TestADrawnFilesName(t *testing.T) {
	for value, want := range map[string]string{
		"2026-01-02T03:04:05Z": "ingested-2026-01-02T03-04-05Z-", "azAZ09": "ingested-azAZ09-",
		"/:@[`{": "ingested--------", "\u00e9": "ingested---",
		"12345678901234567890123456789012345678901": "ingested-1234567890123456789012345678901234567890-",
	} {
		mark := storage.Watermark{Source: "s", Column: "c", Value: value}
		if got := ingestedName(mark); got != want+storage.Digest([]byte("s\nc\n" + value))[:8]+".parquet" {
			t.Errorf("%q: %q, want it to begin with %q", value, got, want)
		}
	}
}

func TestTheModelBeforeIsFound(t *testing.T) {
	for _, c := range []struct {
		now  registry.Promotion
		want int
	}{
		{registry.Promotion{Number: 1}, 0},
		{registry.Promotion{Number: 2}, 1},
		{registry.Promotion{Number: 5}, 4},
		{registry.Promotion{Number: 5, Kind: registry.Rollback, RollbackTo: 3}, 2},
		{registry.Promotion{Number: 5, Kind: registry.Rollback, RollbackTo: 1}, 0},
	} {
		if got, err := previousModel("shop", c.now); got != c.want || (err != nil) != (c.want == 0) {
			t.Errorf("%+v: %d, %v; want %d", c.now, got, err, c.want)
		}
	}
}

// TestAPromotableModelIsItsSpecs takes the first method.
func TestAPromotableModelIsItsSpecs(t *testing.T) {
	s := spec.Default()
	s.Methods, s.Seed, s.Protocol, s.Student.Size = []string{"pod", "rdrec"}, 7, spec.Clean, "t5-small"
	weights := storage.Ref{Digest: "d", Size: 1}
	got, err := registry.NewPromotedModel(weights, storage.Ref{}, s)
	if err != nil || len(got.Spec) == 0 {
		t.Fatal(got, err)
	}
	want := registry.PromotedModel{Weights: weights, Method: "pod", Size: "t5-small", Protocol: spec.Clean, Seed: 7}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(registry.PromotedModel{}, "Spec")); diff != "" {
		t.Error(diff)
	}
	s.Methods = []string{"pod"}
	if got, err := registry.NewPromotedModel(weights, storage.Ref{}, s); err != nil || got.Method != "pod" {
		t.Errorf("a spec of one method: %+v, %v", got, err)
	}
}
