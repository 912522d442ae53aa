package activities_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rdrec/activities"
	"rdrec/storage"
)

// lostRanker saves a checkpoint and is lost; the next one finishes.
type lostRanker struct {
	t       *testing.T
	resumed []string // the content of the checkpoint that each attempt got
	due     []bool
	now     *time.Time
}

func (r *lostRanker) Sasrec(ctx context.Context, job activities.SasrecJob) (activities.SasrecRecord, error) {
	found := ""
	if job.Resume != "" {
		state, err := os.ReadFile(filepath.Join(job.Resume, "state.json"))
		if err != nil {
			r.t.Error(err)
		}
		found = string(state)
	}
	r.resumed = append(r.resumed, found)
	if found != "" {
		return activities.SasrecRecord{Tuning: json.RawMessage("[]")}, nil
	}
	for _, seconds := range []int{59, 1, 59, 61} {
		*r.now = r.now.Add(time.Duration(seconds) * time.Second)
		r.due = append(r.due, job.SaveDue())
	}
	dir := r.t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "state.json"), []byte("step 5"), 0o600); err != nil {
		r.t.Error(err)
	}
	return activities.SasrecRecord{}, errors.Join(job.Save(ctx, 5, dir), errors.New("lost"))
}

// TestATrainedBaselineResumes: the second attempt gets the checkpoint of the first. A checkpoint is
// due once a minute.
func TestATrainedBaselineResumes(t *testing.T) {
	s := newInboxEnv(t)
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s.Now = func() time.Time { return now }
	ranker := &lostRanker{t: t, now: &now}
	s.Rankers = ranker
	in := activities.TrainSasrecInput{
		Preprocessed: s.putArtifact("e", "e"), Seeds: []int64{1}, Fingerprint: strings.Repeat("d", 64),
	}
	if _, err := run[storage.Ref](s, s.TrainSasrec, in); err == nil || !strings.Contains(err.Error(), "lost") {
		t.Fatalf("error is %v", err)
	}
	must[storage.Ref](s, s.TrainSasrec, in)
	equal(t, "checkpoints", []string{"", "step 5"}, ranker.resumed)
	equal(t, "due", []bool{false, true, false, true}, ranker.due)
}
