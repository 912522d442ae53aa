package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rdrec/activities"
	"rdrec/internal/dataset"
	"rdrec/internal/fusion"
	"rdrec/internal/spec"
)

// fuseJob returns a fusion of all kinds of parts on a small student, with a trained SASRec.
func fuseJob(t *testing.T, folder, model string) activities.FuseJob {
	t.Helper()
	sasrec := sasrecJob(t)
	sasrec.Data, sasrec.Seeds, sasrec.SequentialUsers, sasrec.TopNUsers = folder, []int64{4}, 1, -1
	sasrec.Sasrec.LearningRates, sasrec.Sasrec.Epochs = []float64{0.01}, 1
	if _, err := (rankers{"cpu", 1}).Sasrec(t.Context(), sasrec); err != nil {
		t.Fatal(err)
	}
	settings := spec.Default().Evaluate
	settings.SequentialUsers = 12
	return activities.FuseJob{
		FuseInput: activities.FuseInput{
			Method: "pod", Evaluate: settings, Seed: 4, Fusion: spec.Fusion{
				Parts:      []string{spec.PartSearch, spec.PartItemHead, spec.DecayedMix, "markov", spec.SASRec},
				Candidates: 30, Users: 60, Groups: []int{6},
			},
		},
		Data: folder, Model: model, Out: t.TempDir(), Progress: func(int, int) {},
		Baselines: map[string]string{spec.SASRec: sasrec.Models(4)},
	}
}

// TestAFusionIsFittedAppliedAndServed: what is served is what was evaluated, and an earlier fusion
// that is applied to the same data ranks the same.
func TestAFusionIsFittedAppliedAndServed(t *testing.T) {
	data, folder, model := studentOfCodes(t)
	job := fuseJob(t, folder, model)
	s := newStudents("cpu", 1, time.Now)
	ranked, err := s.Fuse(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	var fitted fusion.Fitted
	text, err := os.ReadFile(filepath.Join(job.Out, activities.FusionFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &fitted); err != nil {
		t.Fatal(err)
	}
	parts := fitted.Mix.Parts
	if len(parts)+len(fitted.Dropped) != 5 || len(ranked.Mixed) != 12 || len(ranked.Without) != len(fitted.Without) {
		t.Fatalf("%d rankings, %d of %d parts left out", len(ranked.Mixed), len(ranked.Without), len(parts))
	}
	for part, rows := range ranked.Without {
		if !slices.Contains(parts, part) || len(rows) != 12 {
			t.Errorf("%d rankings without %s", len(rows), part)
		}
	}
	if fitted.Users != 60 || fitted.Covered == 0 || len(fitted.Mix.Groups) != 2 {
		t.Errorf("fitted on %d of %d users in %d groups", fitted.Covered, fitted.Users, len(fitted.Mix.Groups))
	}

	again := job
	again.Earlier, again.Out, again.Fusion, again.Baselines = job.Out, t.TempDir(), spec.Fusion{}, nil
	applied, err := s.Fuse(t.Context(), again)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ranked.Mixed, applied.Mixed); diff != "" || len(applied.Without) != 0 {
		t.Errorf("applied (-fitted +applied):\n%s", diff)
	}

	open := activities.RecommenderJob{
		Method: "pod", Evaluate: job.Evaluate, Data: data, Model: model, Fusion: again.Out,
	}
	student, err := recommenders{device: "cpu", threads: 1}.Open(t.Context(), open)
	if err != nil {
		t.Fatal(err)
	}
	defer student.Close()
	for _, row := range ranked.Mixed {
		index := slices.IndexFunc(data.Users, func(u dataset.User) bool { return u.ID == row.User })
		user := dataset.User{ID: row.User, Items: data.Users[index].History()}
		served, err := student.Recommend(t.Context(), []dataset.User{user}, 10, nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := row.Items[:10]; !slices.Equal(served[0].Items, want) || row.Truth != data.Users[index].TestItem() {
			t.Errorf("user %d is served %v, evaluated %v", row.User, served[0].Items, want)
		}
		if haveCommonItem(served[0].Items, user.Items) {
			t.Errorf("user %d is served an item of the history", row.User)
		}
	}
}

// TestBrokenFusions: a damaged fusion and one that the student cannot take part in are errors of
// the data and of the spec.
func TestBrokenFusions(t *testing.T) {
	data, folder, model := studentOfCodes(t)
	job := activities.FuseJob{Data: folder, Model: model, Out: t.TempDir(), Progress: func(int, int) {}}
	job.Method, job.Evaluate = "pod", spec.Default().Evaluate
	job.Fusion = spec.Fusion{Parts: []string{"head"}, Candidates: 3}
	s := newStudents("cpu", 1, time.Now)
	_, err := s.Fuse(t.Context(), job)
	if !errors.Is(err, activities.ErrInvalid) || !strings.Contains(err.Error(), `"head"`) {
		t.Errorf("an unknown part: %v", err)
	}
	job.Fusion.Parts = []string{spec.SASRec}
	_, err = s.Fuse(t.Context(), job)
	if !errors.Is(err, activities.ErrData) || !strings.Contains(err.Error(), "sasrec") {
		t.Errorf("a missing model: %v", err)
	}
	for name, text := range map[string]string{
		"text": "{", "no parts": "{}",
		"weights": `{"mix":{"parts":["markov"],"floors":[0],"candidates":3,"groups":[{"score":[1,2],"missing":[0]}]}}`,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, activities.FusionFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		open := activities.RecommenderJob{Method: "pod", Evaluate: job.Evaluate, Data: data, Model: model, Fusion: dir}
		_, err := recommenders{device: "cpu", threads: 1}.Open(t.Context(), open)
		if !errors.Is(err, activities.ErrData) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
