package activities

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rdrec/internal/spec"
	"rdrec/storage"
)

// TestProgressOfPartsIsAdded keeps what is of the whole.
func TestProgressOfPartsIsAdded(t *testing.T) {
	whole := Progress{
		Stage:     "distill",
		Done:      1,
		Total:     10,
		Unit:      "rationales",
		Rate:      0.5,
		TokenRate: 2,
		Parsed:    3,
		Moved:     4,
		Spent:     5,
		Note:      "n",
	}
	part := Progress{
		Stage:     "x",
		Done:      2,
		Total:     7,
		Unit:      "y",
		Rate:      0.25,
		TokenRate: 8,
		Parsed:    16,
		Moved:     32,
		Spent:     64,
		Note:      "m",
	}
	want := Progress{
		Stage:     "distill",
		Done:      3,
		Total:     10,
		Unit:      "rationales",
		Rate:      0.75,
		TokenRate: 10,
		Parsed:    19,
		Moved:     4,
		Spent:     5,
		Note:      "n",
	}
	if diff := cmp.Diff(want, whole.Add(part)); diff != "" {
		t.Error(diff)
	}
}

func TestAShardIsTheSumOfWhatItTook(t *testing.T) {
	first := DistillShardResult{Rows: 1, Parsed: 2, Quarantined: 3, Tokens: 4, Seconds: 5, Halved: 6}
	second := DistillShardResult{Rows: 10, Parsed: 20, Quarantined: 30, Tokens: 40, Seconds: 50, Halved: 60}
	want := DistillShardResult{Rows: 11, Parsed: 22, Quarantined: 33, Tokens: 44, Seconds: 55, Halved: 66}
	if diff := cmp.Diff(want, first.Add(second)); diff != "" {
		t.Errorf("two shards: %s", diff)
	}
	want = DistillShardResult{Rows: 1, Parsed: 2, Quarantined: 3, Tokens: 4, Seconds: 55, Halved: 66}
	if diff := cmp.Diff(want, first.After(second)); diff != "" {
		t.Errorf("one after its part: %s", diff)
	}
}

// TestAReportKeepsStageAndLife replaces all else.
func TestAReportKeepsStageAndLife(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	p := &pulse{
		latest: Progress{Stage: "distill", Note: "old", Life: life{Attempt: 3, High: 4}},
		now:    func() time.Time { return now },
	}
	p.report(Progress{Stage: "x", Done: 5, Life: life{Attempt: 9}})
	latest, moved := p.read()
	want := Progress{Stage: "distill", Done: 5, Life: life{Attempt: 3, High: 5, Moved: true}}
	if diff := cmp.Diff(want, latest); diff != "" || !moved.Equal(now) {
		t.Errorf("%s at %s", diff, moved)
	}
}

// TestADrawnFilesName says its watermark in letters, digits and dashes.
func TestADrawnFilesName(t *testing.T) {
	for value, want := range map[string]string{
		"2026-01-02T03:04:05Z": "drawn-2026-01-02T03-04-05Z-", "azAZ09": "drawn-azAZ09-", "/:@[`{": "drawn--------",
		"\u00e9": "drawn---",
		"12345678901234567890123456789012345678901": "drawn-1234567890123456789012345678901234567890-",
	} {
		mark := storage.Watermark{Source: "s", Column: "c", Value: value}
		if got := drawnName(mark); got != want+storage.Digest([]byte("s\nc\n" + value))[:8]+".parquet" {
			t.Errorf("%q: %q, want it to begin with %q", value, got, want)
		}
	}
}

func TestTheModelBeforeIsFound(t *testing.T) {
	for _, c := range []struct {
		now  storage.Promotion
		want int
	}{
		{storage.Promotion{Number: 1}, 0},
		{storage.Promotion{Number: 2}, 1},
		{storage.Promotion{Number: 5}, 4},
		{storage.Promotion{Number: 5, Kind: storage.Rollback, Of: 3}, 2},
		{storage.Promotion{Number: 5, Kind: storage.Rollback, Of: 1}, 0},
	} {
		if got, err := before("shop", c.now); got != c.want || (err != nil) != (c.want == 0) {
			t.Errorf("%+v: %d, %v; want %d", c.now, got, err, c.want)
		}
	}
}

// TestAPromotableModelIsItsSpecs takes the first method.
func TestAPromotableModelIsItsSpecs(t *testing.T) {
	s := spec.Default()
	s.Methods, s.Seed, s.Protocol, s.Student.Size = []string{"pod", "rdrec"}, 7, spec.Clean, "t5-small"
	weights := storage.Ref{Digest: "d", Size: 1}
	got, err := Promotable(weights, s)
	if err != nil || len(got.Spec) == 0 {
		t.Fatal(got, err)
	}
	want := storage.PromotedModel{Weights: weights, Method: "pod", Size: "t5-small", Protocol: spec.Clean, Seed: 7}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(storage.PromotedModel{}, "Spec")); diff != "" {
		t.Error(diff)
	}
	s.Methods = []string{"pod"}
	if got, err := Promotable(weights, s); err != nil || got.Method != "pod" {
		t.Errorf("a spec of one method: %+v, %v", got, err)
	}
}
