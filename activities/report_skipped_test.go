package activities_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"rdrec/activities"
	"rdrec/registry"
	"rdrec/storage/storagetest"
)

// brokenRanker trains nothing.
type brokenRanker struct{}

func (brokenRanker) Sasrec(context.Context, activities.SasrecJob) (activities.SasrecRecord, error) {
	return activities.SasrecRecord{}, errors.New("out of order")
}

func TestARankerThatFailsLeavesNoRankings(t *testing.T) {
	s := newStages(t)
	s.Rankers = brokenRanker{}
	in := activities.TrainSasrecInput{Preprocessed: s.putArtifact("e", "e"), Seeds: []int64{1}}
	if _, err := run[any](s, s.TrainSasrec, in); err == nil || !strings.Contains(err.Error(), "out of order") {
		t.Error(err)
	}
}

// TestReportCountsSkippedExplanations has a first trial without rankings and a second one with.
func TestReportCountsSkippedExplanations(t *testing.T) {
	s := newStages(t)
	in := s.record()
	in.Trials[0].Evaluations = nil
	in.Spec.Baselines = []string{"popularity"}
	in.Rationales = storagetest.PutArtifact(t, s.Bucket, map[string]string{
		"distillation.json": `{"explanations":9,"wanted":7,"skipped":2}`, "rationales.jsonl": "",
	})
	r := s.report(in)
	// the second trial's explanations, and ranked statements
	if r.Teacher.Wanted != 5 || len(r.Tables) != 2 || len(r.Explanations) != 2 {
		t.Errorf("wanted %d, %d tables, %d explained", r.Teacher.Wanted, len(r.Tables), len(r.Explanations))
	}
}

func TestNotifyPostsJSON(t *testing.T) {
	contentType := ""
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		contentType = r.Header.Get("Content-Type")
	}))
	defer server.Close()
	s := newStages(t)
	must[any](s, s.Notify, activities.NotifyInput{URL: server.URL, Run: registry.NightlyRun{Name: "shop"}})
	equal(t, "content type", "application/json", contentType)
}
