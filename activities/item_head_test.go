package activities_test

import (
	"testing"

	"rdrec/activities"
	"rdrec/internal/prediction"
	"rdrec/internal/task"
	"rdrec/storage"
)

// TestTheItemHeadIsEvaluatedBesideTheSearch evaluates two shards of a student with an item head,
// merges them, and reports both rankings.
func TestTheItemHeadIsEvaluatedBesideTheSearch(t *testing.T) {
	s := newStages(t)
	in := s.record()
	evaluate := func(shard, shards int) storage.Ref {
		student := &answering{}
		for index := range 2 {
			at := 2*shard + index
			ranked := prediction.Prediction{Index: at, User: at + 1, Truth: 3, Items: []int{1}}
			student.predictions = append(student.predictions, ranked)
			ranked.Items = []int{3}
			student.head = append(student.head, ranked)
		}
		s.Students = student
		return must[storage.Ref](s, s.Evaluate, activities.EvaluateInput{
			Preprocessed: in.Preprocessed, Model: in.Trials[0].Model, Task: task.Sequential,
			Shard: shard, Shards: shards,
		})
	}
	merged := must[storage.Ref](s, s.MergePredictions, activities.MergePredictionsInput{
		Task: task.Sequential, Shards: []storage.Ref{evaluate(0, 2), evaluate(1, 2)},
	})
	const lines = `{"user":1,"truth":3,"items":[3]}
{"user":2,"truth":3,"items":[3]}
{"user":3,"truth":3,"items":[3]}
{"user":4,"truth":3,"items":[3]}
`
	got, err := s.Bucket.ReadArtifactFile(t.Context(), merged, "sequential-head.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "merged", lines, string(got))
	in.Trials = in.Trials[:1]
	in.Trials[0].Evaluations = []storage.Ref{merged}
	rows := s.report(in).Tables[0].Rows
	equal(t, "rows", []string{"rdrec", "rdrec, item head"}, []string{rows[0].Method, rows[1].Method})
	for i, want := range []float64{0, 1} {
		for _, score := range rows[i].Trials[0].Scores {
			if score.Metric == "HR@1" && score.Value != want {
				t.Errorf("%s: HR@1 is %v, want %v", rows[i].Method, score.Value, want)
			}
		}
	}
}
