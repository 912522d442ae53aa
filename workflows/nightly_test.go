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
	"rdrec/internal/metric"
	"rdrec/internal/report"
	"rdrec/internal/spec"
	"rdrec/registry"
	"rdrec/storage"
	"rdrec/workflows"
)

// nightlyEnv is a world with the activities of a nightly run.
type nightlyEnv struct {
	*workflowEnv
	ingested       activities.IngestResult
	sanityFailures []string
	compared       activities.CompareModelsResult
	compareInput   activities.CompareModelsInput
	trained        []activities.PretrainInput
	imported       []activities.ImportInput
	promoted       []activities.PromoteInput
	recorded       []registry.NightlyRun
	notified       int
	webhookFails   bool
}

func newNightlyEnv(t *testing.T) *nightlyEnv {
	t.Helper()
	n := &nightlyEnv{workflowEnv: newWorkflowEnv(t), ingested: activities.IngestResult{
		RunNumber: 4, Reviews: storage.Ref{Digest: "reviews", Size: 1}, Ingested: []storage.File{{Name: "inbox/a"}},
		Promoted: registry.Promotion{
			Number: 3, Dataset: storage.Ref{Digest: "numbers"}, Counts: &report.NightlyCounts{Rows: 9},
			Model: registry.PromotedModel{Weights: storage.Ref{Digest: "old"}, Method: "rdrec", Size: "t5-small"},
		},
	}}
	n.env.RegisterWorkflow(workflows.Nightly)
	n.mock(
		"Ingest",
		func(context.Context, activities.IngestInput) (activities.IngestResult, error) { return n.ingested, nil },
	)
	n.mock("SanityCheck", func(context.Context, activities.SanityCheckInput) (activities.SanityCheckResult, error) {
		return activities.SanityCheckResult{
			Counts: report.NightlyCounts{Rows: 12, Items: 7}, Reasons: n.sanityFailures,
		}, nil
	})
	n.mock("CompareModels", func(
		_ context.Context, in activities.CompareModelsInput,
	) (activities.CompareModelsResult, error) {
		n.compareInput = in
		return n.compared, nil
	})
	n.mock("Promote", func(_ context.Context, in activities.PromoteInput) (registry.Promotion, error) {
		n.promoted = append(n.promoted, in)
		task := registry.NewPromotion
		if in.Previous == 0 {
			task = registry.FirstPromotion
		}
		return registry.Promotion{Number: in.Previous + 1, Kind: task}, nil
	})
	n.mock("RecordNightlyRun", func(_ context.Context, in registry.NightlyRun) (int, error) {
		n.recorded = append(n.recorded, in)
		return in.Number, nil
	})
	n.mock("Notify", func(context.Context, activities.NotifyInput) error {
		n.notified++
		if n.webhookFails {
			return errors.New("nobody listens")
		}
		return nil
	})
	n.mock("Import", func(_ context.Context, in activities.ImportInput) (storage.Ref, error) {
		n.imported = append(n.imported, in)
		return n.record("Import", in), n.fail["Import"]
	})
	n.mock("Pretrain", func(_ context.Context, in activities.PretrainInput) (storage.Ref, error) {
		n.trained = append(n.trained, in)
		return n.record("Pretrain", in), n.fail["Pretrain"]
	})
	return n
}

func nightlySpec() spec.Spec {
	s := experiment("rdrec")
	reviews, settings := spec.DefaultReviews(), spec.DefaultNightly()
	settings.Inbox, settings.Webhook = "inbox/", "http://127.0.0.1:1/"
	s.Data.Folder, s.Data.Reviews, s.Nightly = "", &reviews, &settings
	s.Evaluate.TopNUsers, s.Evaluate.Explanations = -1, -1
	return s
}

// verdict does the run and returns what resulted.
func (n *nightlyEnv) verdict(t *testing.T) registry.NightlyRun {
	t.Helper()
	n.env.ExecuteWorkflow(workflows.Nightly, workflows.NightlyInput{Spec: nightlySpec()})
	var out registry.NightlyRun
	if err := n.env.GetWorkflowResult(&out); err != nil {
		t.Fatal(err)
	}
	if len(n.recorded) != 1 || n.recorded[0].Verdict != out.Verdict || n.notified < 1 {
		t.Errorf("recorded %+v and told %d times, want the verdict %q of both", n.recorded, n.notified, out.Verdict)
	}
	return out
}

// TestNightlyIngestsSourceBeforeInbox has a nightly run with a source: it is ingested once, into
// the inbox that is gathered then.
func TestNightlyIngestsSourceBeforeInbox(t *testing.T) {
	n := newNightlyEnv(t)
	var ingests []activities.IngestSourceInput
	n.mock("IngestSource", func(
		_ context.Context, in activities.IngestSourceInput,
	) (spec.Ingested, error) {
		if len(n.imported) > 0 {
			t.Error("it was imported before the source was ingested")
		}
		ingests = append(ingests, in)
		return spec.Ingested{Rows: 3, Watermark: "9"}, nil
	})
	s := nightlySpec()
	s.Nightly.Source = &spec.Source{Path: "reviews.parquet", Watermark: "loaded"}
	n.env.ExecuteWorkflow(workflows.Nightly, workflows.NightlyInput{Spec: s})
	want := []activities.IngestSourceInput{{Name: s.Name, Inbox: "inbox/", Source: *s.Nightly.Source}}
	if diff := cmp.Diff(want, ingests); diff != "" || n.env.GetWorkflowError() != nil {
		t.Errorf("drawn %s, %v", diff, n.env.GetWorkflowError())
	}
}

func TestNightlyWarmStartsFromCurrentModel(t *testing.T) {
	n := newNightlyEnv(t)
	out := n.verdict(t)
	if out.Verdict != registry.VerdictPromoted || out.Promotion != 4 || out.PreviousPromotion != 3 || !out.WarmStart ||
		out.HTML == "" {
		t.Errorf("verdict %+v, want promotion 4 over 3", out)
	}
	if w := n.trained[0].Student.WarmStart; w == nil || w.Digest != "old" {
		t.Errorf("training begins from %+v, want the weights in use", w)
	}
	if a := n.imported[0].Data.Accumulated; a == nil || a.Reviews.Digest != "reviews" ||
		a.PreviousDataset.Digest != "numbers" {
		t.Errorf("imported %+v, want all reviews with the numbers of the dataset in use", a)
	}
	if len(n.compareInput.New) != 1 || len(n.compareInput.Old) != 1 || n.compareInput.New[0] == n.compareInput.Old[0] ||
		n.compareInput.Items != 7 {
		t.Errorf("compared %+v, want the answers of both models", n.compareInput)
	}
	if n.reported.NightlyRun == nil || n.reported.NightlyRun.Verdict != registry.VerdictPromoted {
		t.Errorf("the report says %+v", n.reported.NightlyRun)
	}
}

func TestNightlyPromotesFirstModel(t *testing.T) {
	n := newNightlyEnv(t)
	n.ingested.Promoted = registry.Promotion{}
	out := n.verdict(t)
	if out.Verdict != registry.VerdictFirst || out.Promotion != 1 || out.WarmStart ||
		n.trained[0].Student.WarmStart != nil || len(n.compareInput.Old) != 0 {
		t.Errorf("verdict %+v on a student from %+v", out, n.trained[0].Student)
	}
}

func TestNightlyRejectsWorseModel(t *testing.T) {
	n := newNightlyEnv(t)
	n.webhookFails = true // nobody listens at the webhook: the run ends well all the same
	n.compared.Reasons = []string{"it is worse"}
	out := n.verdict(t)
	if out.Verdict != registry.VerdictRejected || out.Promotion != 3 || !out.SkipFiles || len(n.promoted) > 0 ||
		out.HTML == "" {
		t.Errorf("verdict %+v, promoted %v; want promotion 3 kept, with a report", out, n.promoted)
	}
	if n.notified < 2 {
		t.Errorf("a deaf webhook is notified %d times, want it tried again", n.notified)
	}
}

// TestNightlyRejectsFirstModel keeps the files for the next run: they are all there is.
func TestNightlyRejectsFirstModel(t *testing.T) {
	n := newNightlyEnv(t)
	n.ingested.Promoted = registry.Promotion{}
	n.compared.Reasons = []string{"below the floor"}
	n.compared.Baseline = &registry.Comparison{Metric: "HR@1", Baseline: "popularity", Candidate: 0.1, Current: 0.2}
	out := n.verdict(t)
	if out.Verdict != registry.VerdictRejected || out.Promotion != 0 || out.SkipFiles || len(n.promoted) > 0 ||
		out.Summary != "HR@1 is 0.1000, that of popularity 0.2000: rejected" || out.Lists == nil {
		t.Errorf("verdict %+v, promoted %v; want no model in use, and no file skipped", out, n.promoted)
	}
	if n.compareInput.Baselines.IsZero() {
		t.Error("compared without the baselines")
	}
}

// TestNightlyRefusesAMarginAboveTheMetric does not even import.
func TestNightlyRefusesAMarginAboveTheMetric(t *testing.T) {
	n := newNightlyEnv(t)
	n.ingested.Promoted.Metrics = []metric.Score{{Metric: "HR@1", Value: 0.9}, {Metric: "NDCG@10", Value: 0.041}}
	s := nightlySpec()
	s.Nightly.Gate.Margin, s.Nightly.Gate.MarginType = 0.05, spec.AbsoluteMargin
	n.env.ExecuteWorkflow(workflows.Nightly, workflows.NightlyInput{Spec: s})
	err := n.env.GetWorkflowError()
	const want = "nightly.gate.margin 0.05 is absolute and not less than the NDCG@10"
	if err == nil || !strings.Contains(err.Error(), want) ||
		len(n.calls) > 0 || len(n.recorded) != 1 || n.recorded[0].Verdict != registry.VerdictFailed {
		t.Errorf("%v after %v, recorded %+v", err, n.calls, n.recorded)
	}
}

func TestNightlySanityCheckRejectsBeforeDistilling(t *testing.T) {
	n := newNightlyEnv(t)
	n.sanityFailures = []string{"half of it is garbage"}
	out := n.verdict(t)
	if out.Verdict != registry.VerdictRejected || !slices.Equal(n.calls, []string{"Import"}) {
		t.Errorf("verdict %q after %v, want it kept after the import alone", out.Verdict, n.calls)
	}
}

func TestNightlyRejectsUnreadableDataWhenModelIsInUse(t *testing.T) {
	for _, c := range []struct {
		inUse int
		want  string
	}{{3, registry.VerdictRejected}, {0, registry.VerdictFailed}} {
		n := newNightlyEnv(t)
		n.ingested.Promoted.Number = c.inUse
		n.fail["Import"] = temporal.NewNonRetryableApplicationError("torn file", activities.TypeDataCorrupt, nil)
		n.env.ExecuteWorkflow(workflows.Nightly, workflows.NightlyInput{Spec: nightlySpec()})
		if err := n.env.GetWorkflowError(); (err != nil) != (c.want == registry.VerdictFailed) {
			t.Errorf("with promotion %d in use the run's error is %v", c.inUse, err)
		}
		if len(n.recorded) != 1 || n.recorded[0].Verdict != c.want ||
			!strings.Contains(n.recorded[0].Reasons[0], "torn file") || n.notified != 1 {
			t.Errorf(
				"with promotion %d in use: recorded %+v, told %d times; want %q", c.inUse, n.recorded, n.notified,
				c.want,
			)
		}
	}
}

func TestNightlyWithoutNewReviewsIsIdle(t *testing.T) {
	n := newNightlyEnv(t)
	n.ingested.Ingested = nil
	if out := n.verdict(t); out.Verdict != registry.VerdictIdle || len(n.calls) > 0 {
		t.Errorf("verdict %q after %v", out.Verdict, n.calls)
	}
}
