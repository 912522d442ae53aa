package prediction_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/metric"
	"rdrec/internal/prediction"
)

func TestMergeSortsShardsByIndex(t *testing.T) {
	got := prediction.Merge(
		[]prediction.Text{{Index: 2, User: 12}, {Index: 3, User: 13}},
		[]prediction.Text{{Index: 0, User: 10}, {Index: 1, User: 11}},
	)
	want := []prediction.Text{{Index: 0, User: 10}, {Index: 1, User: 11}, {Index: 2, User: 12}, {Index: 3, User: 13}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("merged (-want +got):\n%s", diff)
	}
}

// TestCompleteRowsHaveNoIndex: rows with equal indices keep their order, and the shards are
// unchanged.
func TestCompleteRowsHaveNoIndex(t *testing.T) {
	late := []prediction.Prediction{{Index: 1, User: 11}, {Index: 1, User: 12}}
	got := prediction.Complete(late, []prediction.Prediction{{User: 10}})
	want := []prediction.Prediction{{User: 10}, {User: 11}, {User: 12}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("complete (-want +got):\n%s", diff)
	}
	if late[0].Index != 1 {
		t.Error("a shard's own row lost its index")
	}
}

// TestStoredForms pins the bytes of the stored records.
func TestStoredForms(t *testing.T) {
	for want, record := range map[string]any{
		`{"user":1,"truth":2,"items":[3]}`: prediction.Prediction{User: 1, Truth: 2, Items: []int{3}},
		`{"index":4,"user":1,"truth":2,"items":[3],"texts":["3"],"scores":[-0.5],` +
			`"replaced":5,"seen":6}`: prediction.Prediction{
			Index: 4, User: 1, Truth: 2, Items: []int{3}, Texts: []string{"3"}, Scores: []float64{-0.5},
			Replaced: 5, Seen: 6,
		},
		`{"user":1,"item":2,"reference":"a b","generated":"c"}`: prediction.Text{
			User: 1, Item: 2, Reference: "a b", Generated: "c",
		},
		`{"parameters":1,"steps":2,"epochs":3,"best_epoch":4,"stopped_early":true,"weights":"ab","curve":[` +
			`{"epoch":1,"step":2,"loss":3,"validation":[{"task":"topn","loss":4}],"mean":5,"best":true}],` +
			`"notices":["n"]}`: prediction.TrainingRecord{
			Parameters: 1, Steps: 2, Epochs: 3, BestEpoch: 4, StoppedEarly: true, Weights: "ab", Notices: []string{"n"},
			Curve: []prediction.Epoch{{
				Epoch: 1, Step: 2, Loss: 3, Mean: 5, Best: true,
				Validation: []prediction.TaskLoss{{Task: "topn", Loss: 4}},
			}},
		},
	} {
		got, err := json.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%T (-want +got):\n%s", record, diff)
		}
	}
}

func TestListsAndWords(t *testing.T) {
	lists := prediction.Lists([]prediction.Prediction{{User: 1, Truth: 7, Items: []int{3, 7}}, {User: 2, Truth: 5}})
	want := []metric.List{{Items: []int{3, 7}, Truth: []int{7}}, {Truth: []int{5}}}
	if diff := cmp.Diff(want, lists); diff != "" {
		t.Error(diff)
	}
	words := prediction.Words([]prediction.Text{{Reference: "a fine comb", Generated: " nice  comb "}, {}})
	wantWords := []metric.Text{
		{Reference: []string{"a", "fine", "comb"}, Generated: []string{"nice", "comb"}},
		{Reference: []string{}, Generated: []string{}},
	}
	if diff := cmp.Diff(wantWords, words); diff != "" {
		t.Error(diff)
	}
}
