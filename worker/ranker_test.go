package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rdrec/activities"
	"rdrec/internal/baseline"
	"rdrec/internal/dataset"
	"rdrec/internal/prediction"
	"rdrec/internal/sasrec"
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/internal/torch"
)

// sasrecJob returns a small job on real sequences.
func sasrecJob(t *testing.T) activities.SasrecJob {
	t.Helper()
	models := t.TempDir()
	settings := spec.Default().Sasrec
	settings.HiddenSizes, settings.Dropouts, settings.LearningRates = []int{8}, []float64{0.2}, []float64{1e-7, 0.01}
	settings.Epochs, settings.MaxLength = 3, 10
	return activities.SasrecJob{
		TrainSasrecInput: activities.TrainSasrecInput{
			Sasrec: settings, SequentialUsers: 40, TopNUsers: 20, TopN: 10, Seeds: []int64{4, 5},
		},
		Data:     "../testdata/rdrec/beauty_mini",
		Ranked:   func(int64, task.Task, []prediction.Prediction) error { return nil },
		Models:   func(seed int64) string { return filepath.Join(models, strconv.FormatInt(seed, 10)) },
		Progress: func(activities.Progress) {},
	}
}

func TestSasrecRanksTheStudentsUsers(t *testing.T) {
	data, err := readData(sasrecJob(t).Data, dataset.All)
	if err != nil {
		t.Fatal(err)
	}
	job := sasrecJob(t)
	ranked := map[string][]prediction.Prediction{}
	job.Ranked = func(seed int64, current task.Task, predictions []prediction.Prediction) error {
		ranked[fmt.Sprint(current, " ", seed)] = predictions
		return nil
	}
	var notes []activities.Progress
	job.Progress = func(p activities.Progress) { notes = append(notes, p) }
	record, err := rankers{"cpu", 1}.Sasrec(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	if len(ranked) != 4 {
		t.Errorf("%d rankings, want one for each task and seed", len(ranked))
	}
	for _, seed := range job.Seeds {
		if _, err := os.Stat(filepath.Join(job.Models(seed), torch.SafetensorsFile)); err != nil {
			t.Errorf("seed %d has no model: %v", seed, err)
		}
		for i, user := range baseline.Users(data, job.SequentialUsers) {
			got := ranked[fmt.Sprint(task.Sequential, " ", seed)][i]
			seen := user.Items[:len(user.Items)-1]
			if got.User != user.ID || got.Truth != user.TestItem() || len(got.Items) != 10 ||
				haveCommonItem(got.Items, seen) {
				t.Errorf("seed %d, user %d with %v: %+v", seed, user.ID, user.Items, got)
			}
		}
		for i, user := range baseline.Users(data, job.TopNUsers) {
			got := ranked[fmt.Sprint(task.TopN, " ", seed)][i]
			candidates := append(slices.Clone(data.Negatives[user.ID]), user.TestItem())
			outside := slices.ContainsFunc(got.Items, func(item int) bool { return !slices.Contains(candidates, item) })
			if got.User != user.ID || got.Truth != user.TestItem() || len(got.Items) != 10 || outside {
				t.Errorf("seed %d, user %d: %+v among %v", seed, user.ID, got, candidates)
			}
		}
	}
	if cmp.Equal(ranked["sequential 4"], ranked["sequential 5"]) {
		t.Error("two seeds have the same ranking")
	}
	var tuned sasrec.TuneResult
	if err := json.Unmarshal(record.Tuning, &tuned); err != nil {
		t.Fatal(err)
	}
	if len(tuned.Grid) != 2 || tuned.Chosen != 1 || len(tuned.Trials) != 2 ||
		!strings.Contains(record.Description, "learning rate 0.01, the best of 2") {
		t.Errorf("%d grid points, chosen %d, %d trials: %s",
			len(tuned.Grid), tuned.Chosen, len(tuned.Trials), record.Description)
	}
	first, last := notes[0], notes[len(notes)-1]
	if first.Done != 0 || last.Done != 2 || last.Total != 3 || last.Unit != "trainings" {
		t.Errorf("progress from %+v to %+v", first, last)
	}
}

func haveCommonItem(a, b []int) bool {
	return slices.ContainsFunc(a, func(item int) bool { return slices.Contains(b, item) })
}

// TestBsarecGrid tunes the weight of the filter.
func TestBsarecGrid(t *testing.T) {
	job := sasrecJob(t)
	job.Baseline, job.Sasrec = spec.BSARec, spec.DefaultBsarec()
	job.Sasrec.HiddenSizes, job.Sasrec.Alphas = []int{8}, []float64{0.3, 0.7}
	job.Sasrec.Epochs, job.Sasrec.MaxLength, job.Seeds = 1, 10, []int64{4}
	record, err := rankers{"cpu", 1}.Sasrec(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	var tuned sasrec.TuneResult
	if err := json.Unmarshal(record.Tuning, &tuned); err != nil {
		t.Fatal(err)
	}
	var alphas []float64
	for _, point := range tuned.Grid {
		alphas = append(alphas, point.Settings.Alpha)
	}
	if diff := cmp.Diff([]float64{0.3, 0.7}, alphas); diff != "" ||
		!strings.Contains(record.Description, "prefix") || !strings.Contains(record.Description, "filter weight 0.") {
		t.Errorf("weights of the grid (-want +got):\n%s\n%s", diff, record.Description)
	}
}

// A training of hours ends within seconds when it is cancelled or the worker drains, and leaks no
// tensors.
func TestSasrecStopsPromptly(t *testing.T) {
	before := torch.Live()
	for name, want := range map[string]error{"cancel": context.Canceled, "drain": activities.ErrDrained} {
		ctx, cancel := context.WithCancel(t.Context())
		stop := make(chan struct{})
		job := sasrecJob(t)
		job.Sasrec.Epochs, job.Sasrec.Patience, job.Stop = 1_000_000, 1_000_000, stop
		progressed := make(chan struct{}, 1_000)
		job.Progress = func(activities.Progress) {
			select {
			case progressed <- struct{}{}:
			default:
			}
		}
		done := make(chan error, 1)
		go func() {
			_, err := rankers{"cpu", 1}.Sasrec(ctx, job)
			done <- err
		}()
		for range 3 { // it trains
			<-progressed
		}
		if name == "cancel" {
			cancel()
		} else {
			close(stop)
		}
		select {
		case err := <-done:
			if !errors.Is(err, want) {
				t.Errorf("%s: error %v, want %v", name, err, want)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("%s: still training after 30 s", name)
		}
		cancel()
	}
	if after := torch.Live(); after != before {
		t.Errorf("%d tensors leaked", after-before)
	}
}

// Non-retryable errors carry the activities' sentinels.
func TestSasrecErrorsAreClassified(t *testing.T) {
	invalid := sasrecJob(t)
	invalid.Sasrec.Heads = 3
	if _, err := (rankers{"cpu", 1}).Sasrec(t.Context(), invalid); !errors.Is(err, activities.ErrInvalid) {
		t.Errorf("odd heads: error %v", err)
	}
	absent := sasrecJob(t)
	absent.Data = t.TempDir()
	if _, err := (rankers{"cpu", 1}).Sasrec(t.Context(), absent); !errors.Is(err, activities.ErrData) {
		t.Errorf("no data: error %v", err)
	}
	full := errors.New("disk is full")
	job := sasrecJob(t)
	job.Ranked = func(int64, task.Task, []prediction.Prediction) error { return full }
	if _, err := (rankers{"cpu", 1}).Sasrec(t.Context(), job); !errors.Is(err, full) {
		t.Errorf("rankings that cannot be stored: error %v", err)
	}
}
