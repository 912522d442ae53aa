package workflows_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/temporal"

	"rdrec/activities"
	"rdrec/internal/spec"
	"rdrec/storage"
	"rdrec/workflows"
)

// night is a world with the activities of a night.
type night struct {
	*world
	gathered activities.Gathered
	insane   []string
	judged   activities.Judged
	judgedOn activities.JudgeInput
	learnt   []activities.PretrainInput
	imported []activities.ImportInput
	promoted []activities.PromoteInput
	recorded []activities.Night
	told     int
	deaf     bool
}

func newNight(t *testing.T) *night {
	t.Helper()
	n := &night{world: newWorld(t), gathered: activities.Gathered{
		Night: 4, Reviews: storage.Ref{Digest: "reviews", Size: 1}, Taken: []storage.File{{Name: "inbox/a"}},
		Promoted: storage.Promotion{
			Number: 3, Dataset: storage.Ref{Digest: "numbers"}, Counts: map[string]int{"rows": 9},
			Model: storage.PromotedModel{Weights: storage.Ref{Digest: "old"}, Method: "rdrec", Size: "t5-small"},
		},
	}}
	n.env.RegisterWorkflow(workflows.Nightly)
	n.stand("Gather", func(context.Context, activities.GatherInput) (activities.Gathered, error) { return n.gathered, nil })
	n.stand("Inspect", func(context.Context, activities.InspectInput) (activities.Inspected, error) {
		return activities.Inspected{Counts: map[string]int{"rows": 12, "items": 7}, Reasons: n.insane}, nil
	})
	n.stand("Judge", func(_ context.Context, in activities.JudgeInput) (activities.Judged, error) {
		n.judgedOn = in
		return n.judged, nil
	})
	n.stand("Promote", func(_ context.Context, in activities.PromoteInput) (storage.Promotion, error) {
		n.promoted = append(n.promoted, in)
		kind := storage.NewPromotion
		if in.Before == 0 {
			kind = storage.FirstPromotion
		}
		return storage.Promotion{Number: in.Before + 1, Kind: kind}, nil
	})
	n.stand("RecordNight", func(_ context.Context, in activities.Night) (int, error) {
		n.recorded = append(n.recorded, in)
		return in.Number, nil
	})
	n.stand("Notify", func(context.Context, activities.NotifyInput) error {
		n.told++
		if n.deaf {
			return errors.New("nobody listens")
		}
		return nil
	})
	n.stand("Import", func(_ context.Context, in activities.ImportInput) (storage.Ref, error) {
		n.imported = append(n.imported, in)
		return n.call("Import", in), n.fail["Import"]
	})
	n.stand("Pretrain", func(_ context.Context, in activities.PretrainInput) (storage.Ref, error) {
		n.learnt = append(n.learnt, in)
		return n.call("Pretrain", in), n.fail["Pretrain"]
	})
	return n
}

func nightSpec() spec.Spec {
	s := experiment("rdrec")
	reviews, settings := spec.DefaultReviews(), spec.DefaultNightly()
	settings.Inbox, settings.Webhook = "inbox/", "http://127.0.0.1:1/"
	s.Data.Folder, s.Data.Reviews, s.Nightly = "", &reviews, &settings
	s.Evaluate.TopNUsers, s.Evaluate.Explanations = -1, -1
	return s
}

// verdict does the night and returns what came of it.
func (n *night) verdict(t *testing.T) activities.Night {
	t.Helper()
	n.env.ExecuteWorkflow(workflows.Nightly, workflows.NightlyInput{Spec: nightSpec()})
	var out activities.Night
	if err := n.env.GetWorkflowResult(&out); err != nil {
		t.Fatal(err)
	}
	if len(n.recorded) != 1 || n.recorded[0].Verdict != out.Verdict || n.told < 1 {
		t.Errorf("recorded %+v and told %d times, want the verdict %q of both", n.recorded, n.told, out.Verdict)
	}
	return out
}

// TestASourceIsDrawnBeforeTheInboxIsRead has a night with a source: it is drawn once, into the inbox that is gathered then.
func TestASourceIsDrawnBeforeTheInboxIsRead(t *testing.T) {
	n := newNight(t)
	var drawn []activities.DrawInput
	n.stand("Draw", func(_ context.Context, in activities.DrawInput) (activities.Drawn, error) {
		if len(n.imported) > 0 {
			t.Error("it was imported before the source was drawn")
		}
		drawn = append(drawn, in)
		return activities.Drawn{Rows: 3, Watermark: "9"}, nil
	})
	s := nightSpec()
	s.Nightly.Source = &spec.Source{Path: "reviews.parquet", Watermark: "loaded"}
	n.env.ExecuteWorkflow(workflows.Nightly, workflows.NightlyInput{Spec: s})
	want := []activities.DrawInput{{Name: s.Name, Inbox: "inbox/", Source: *s.Nightly.Source}}
	if diff := cmp.Diff(want, drawn); diff != "" || n.env.GetWorkflowError() != nil {
		t.Errorf("drawn %s, %v", diff, n.env.GetWorkflowError())
	}
}

func TestANightGoesOnFromTheModelInUse(t *testing.T) {
	n := newNight(t)
	out := n.verdict(t)
	if out.Verdict != activities.NightPromoted || out.Promotion != 4 || out.Against != 3 || !out.Warm || out.HTML == "" {
		t.Errorf("verdict %+v, want promotion 4 over 3", out)
	}
	if w := n.learnt[0].Student.Warm; w == nil || w.Digest != "old" {
		t.Errorf("training begins from %+v, want the weights in use", w)
	}
	if a := n.imported[0].Data.Accumulated; a == nil || a.Reviews.Digest != "reviews" || a.Numbers.Digest != "numbers" {
		t.Errorf("imported %+v, want all reviews with the numbers of the dataset in use", a)
	}
	if len(n.judgedOn.New) != 1 || len(n.judgedOn.Old) != 1 || n.judgedOn.New[0] == n.judgedOn.Old[0] || n.judgedOn.Items != 7 {
		t.Errorf("judged %+v, want the answers of both models", n.judgedOn)
	}
	if n.reported.Night == nil || n.reported.Night.Verdict != activities.NightPromoted {
		t.Errorf("the report says %+v", n.reported.Night)
	}
}

func TestTheFirstNightHasNothingToBeat(t *testing.T) {
	n := newNight(t)
	n.gathered.Promoted = storage.Promotion{}
	out := n.verdict(t)
	if out.Verdict != activities.NightFirst || out.Promotion != 1 || out.Warm || n.learnt[0].Student.Warm != nil || len(n.judgedOn.Old) != 0 {
		t.Errorf("verdict %+v on a student from %+v", out, n.learnt[0].Student)
	}
}

func TestAWorseModelIsNotPromoted(t *testing.T) {
	n := newNight(t)
	n.deaf = true // nobody listens at the webhook: the night ends well all the same
	n.judged.Reasons = []string{"it is worse"}
	out := n.verdict(t)
	if out.Verdict != activities.NightKept || out.Promotion != 3 || !out.SetAside || len(n.promoted) > 0 || out.HTML == "" {
		t.Errorf("verdict %+v, promoted %v; want promotion 3 kept, with a report", out, n.promoted)
	}
	if n.told < 2 {
		t.Errorf("a deaf webhook is told %d times, want it tried again", n.told)
	}
}

func TestPoisonStopsANightBeforeItCosts(t *testing.T) {
	n := newNight(t)
	n.insane = []string{"half of it is garbage"}
	out := n.verdict(t)
	if out.Verdict != activities.NightKept || !slices.Equal(n.calls, []string{"Import"}) {
		t.Errorf("verdict %q after %v, want it kept after the import alone", out.Verdict, n.calls)
	}
}

func TestDataThatCannotBeReadAreARefusalWhereAModelIsInUse(t *testing.T) {
	for _, c := range []struct {
		inUse int
		want  string
	}{{3, activities.NightKept}, {0, activities.NightFailed}} {
		n := newNight(t)
		n.gathered.Promoted.Number = c.inUse
		n.fail["Import"] = temporal.NewNonRetryableApplicationError("torn file", activities.TypeDataCorrupt, nil)
		n.env.ExecuteWorkflow(workflows.Nightly, workflows.NightlyInput{Spec: nightSpec()})
		if err := n.env.GetWorkflowError(); (err != nil) != (c.want == activities.NightFailed) {
			t.Errorf("with promotion %d in use the night's error is %v", c.inUse, err)
		}
		if len(n.recorded) != 1 || n.recorded[0].Verdict != c.want || !strings.Contains(n.recorded[0].Reasons[0], "torn file") || n.told != 1 {
			t.Errorf("with promotion %d in use: recorded %+v, told %d times; want %q", c.inUse, n.recorded, n.told, c.want)
		}
	}
}

func TestANightWithNothingNewIsIdle(t *testing.T) {
	n := newNight(t)
	n.gathered.Taken = nil
	if out := n.verdict(t); out.Verdict != activities.NightIdle || len(n.calls) > 0 {
		t.Errorf("verdict %q after %v", out.Verdict, n.calls)
	}
}
