package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"rdrec/activities"
	"rdrec/internal/dataset"
	"rdrec/internal/indexing"
	"rdrec/internal/prediction"
	"rdrec/internal/spec"
	"rdrec/internal/task"
)

// studentOfCodes trains a small student with an item head on items with codes, and returns its
// data, their folder and its own.
func studentOfCodes(t *testing.T) (data *dataset.Dataset, folder, model string) {
	t.Helper()
	dir := t.TempDir()
	data, err := dataset.Read(os.DirFS("../testdata/rdrec/beauty_mini"), "beauty_mini")
	if err != nil {
		t.Fatal(err)
	}
	codes := spec.DefaultCodes()
	codes.Levels, codes.Width, codes.Dimensions = 2, 32, 8
	if _, err := indexing.Apply(data, spec.ItemCodes, &codes, 1); err != nil {
		t.Fatal(err)
	}
	folder, model = filepath.Join(dir, "data"), filepath.Join(dir, "model")
	if err := dataset.Write(folder, data); err != nil {
		t.Fatal(err)
	}
	settings := spec.Default()
	settings.Train.Batch, settings.Train.Epochs, settings.Train.EpochSteps = 8, 1, 3
	settings.Train.ValidationRows, settings.Train.HeadWeight = 8, 2
	settings.Train.Ratio = spec.Ratio{Sequential: 1}
	s := newStudents("cpu", 1, time.Now)
	err = s.Train(t.Context(), activities.TrainJob{
		PretrainInput: activities.PretrainInput{
			Protocol: spec.Protocols()[1], Method: "pod", Train: settings.Train, Negatives: 9, Seed: 1,
			Student: spec.Student{Size: "t5-tiny", History: spec.HistoryItems, ItemsOnly: true},
		},
		Data: folder, Out: model, Scratch: filepath.Join(dir, "work"), Progress: func(activities.Progress) {},
		Save: func(context.Context, int, string) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return data, folder, model
}

// TestAStudentOfCodesIsTrainedEvaluatedAndServed lets a student recommend by the search, by the
// item head, and quickly.
func TestAStudentOfCodesIsTrainedEvaluatedAndServed(t *testing.T) {
	data, folder, model := studentOfCodes(t)
	settings, protocol := spec.Default(), spec.Protocols()[1]
	settings.Evaluate.SequentialUsers = 5
	s := newStudents("cpu", 1, time.Now)
	job := activities.RecommendJob{
		EvaluateInput: activities.EvaluateInput{
			Task: task.Sequential, Protocol: protocol, Method: "pod", Evaluate: settings.Evaluate, Seed: 1,
		},
		Data: folder, Model: model, Progress: func(int, int) {},
	}
	found := map[bool][]prediction.Prediction{}
	var err error
	for _, job.Head = range []bool{false, true} {
		if found[job.Head], err = s.Recommend(t.Context(), job); err != nil {
			t.Fatal(err)
		}
		for _, p := range found[job.Head] {
			if len(found[job.Head]) != 5 || len(p.Items) != settings.Evaluate.NumReturnSequences {
				t.Errorf("by the head %t: %d users, %d items", job.Head, len(found[job.Head]), len(p.Items))
			}
		}
	}
	open := activities.RecommenderJob{Method: "pod", Evaluate: settings.Evaluate, Data: data, Model: model}
	users := data.Users[:1]
	users[0].Items = users[0].History() // so that serving reads what the evaluation read
	for _, quick := range []bool{false, true} {
		student, err := recommenders{device: "cpu", threads: 1, quick: quick}.Open(t.Context(), open)
		if err != nil {
			t.Fatal(err)
		}
		got, err := student.Recommend(t.Context(), users, 3, nil)
		student.Close()
		if err != nil {
			t.Fatal(err)
		}
		for i, item := range got[0].Items {
			if want := found[quick][0].Items[i]; item != want {
				t.Errorf("quick %t: item %d is %d, want %d", quick, i, item, want)
			}
		}
	}
}
