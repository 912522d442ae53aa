package activities_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"rdrec/activities"
	"rdrec/internal/metric"
	"rdrec/internal/report"
	"rdrec/internal/spec"
	"rdrec/registry"
	"rdrec/storage"
)

// finished records a run r1 with two methods, two seeds and an ablation.
func (s *inboxEnv) finished(workflow string) registry.RunRecord {
	s.t.Helper()
	in := registry.RunRecord{
		Spec: spec.Default(), Dataset: s.putArtifact("d", "d"), Preprocessed: s.putArtifact("e", "e"),
	}
	in.Spec.Methods = []string{"rdrec", "pod"}
	in.Spec.Data.Accumulated = &spec.Accumulated{Reviews: s.putArtifact("r", "r")}
	in.NightlyRun = &registry.NightlyRun{
		Counts:     report.NightlyCounts{Rows: 1},
		Metrics:    []metric.Score{{Metric: "HR@1"}},
		Comparison: &registry.Comparison{P: 0.5},
	}
	for _, trial := range []registry.TrialResult{
		{Method: "rdrec", Variant: "skip_pads off", Seed: 1},
		{Method: "rdrec", Seed: 2},
		{Method: "rdrec", Seed: 3},
		{Method: "pod", Seed: 4},
	} {
		trial.Model = s.putArtifact("m", fmt.Sprint(trial.Seed))
		in.Trials = append(in.Trials, trial)
	}
	record, err := json.Marshal(in)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.Bucket.PutRun(s.t.Context(), workflow, "r1", storage.RunRecord, record); err != nil {
		s.t.Fatal(err)
	}
	return in
}

// TestPeopleChooseARunOrAPromotion has a name without, with one and with three promotions.
func TestPeopleChooseARunOrAPromotion(t *testing.T) {
	s := newInboxEnv(t)
	in := s.finished("exp")
	choose := func(c activities.ChooseModelInput) (activities.PromoteInput, error) {
		c.Name = "shop"
		return run[activities.PromoteInput](s, s.ChooseModel, c)
	}
	for what, c := range map[string]activities.ChooseModelInput{"the model before": {}, "promotion 1": {To: 1}} {
		_, err := choose(c)
		s.isInvalid(what+" where there is none", err)
	}
	ofRun, err := choose(activities.ChooseModelInput{Run: "exp"})
	if err != nil || ofRun.Previous != 0 || len(ofRun.Promotion.Model.Spec) == 0 {
		t.Fatalf("chose %+v, %v", ofRun, err)
	}
	ofRun.Promotion.Model.Spec = nil
	want := registry.Promotion{
		Reviews: in.Spec.Data.Accumulated.Reviews, Dataset: in.Dataset, Preprocessed: in.Preprocessed,
		Model: registry.PromotedModel{
			Weights: in.Trials[1].Model, Method: "rdrec", Size: in.Spec.Student.Size, Protocol: in.Spec.Protocol,
			Seed: in.Spec.Seed,
		},
		Counts: &in.NightlyRun.Counts, Metrics: in.NightlyRun.Metrics, Comparison: in.NightlyRun.Comparison,
		Manual: true, FromRun: "exp/r1",
	}
	equal(t, "a run's model", want, ofRun.Promotion)
	_, err = choose(activities.ChooseModelInput{Run: "nosuch"})
	s.isInvalid("a run that is not there", err)

	for k := range 3 {
		s.promote(activities.IngestResult{Promoted: registry.Promotion{Number: k}}, fmt.Sprint("weights ", k))
	}
	if got, err := choose(activities.ChooseModelInput{Run: "exp/r1"}); err != nil || got.Previous != 3 {
		t.Errorf("beside promotion 3: %+v, %v", got, err)
	}
	for to, want := range map[int]int{0: 2, 1: 1, 2: 2} {
		got, err := choose(activities.ChooseModelInput{To: to})
		if err != nil || got.Previous != 3 || got.Promotion.Number != want || got.Promotion.RollbackTo != want ||
			got.Promotion.Kind != registry.Rollback || !got.Promotion.Manual {
			t.Errorf("back to %d: %+v, %v; want promotion %d", to, got, err, want)
		}
	}
	for _, to := range []int{3, 4, -1} {
		_, err := choose(activities.ChooseModelInput{To: to})
		s.isInvalid(fmt.Sprint("promotion ", to), err)
	}
}
