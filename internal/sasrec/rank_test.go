package sasrec_test

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/baseline"
	"rdrec/internal/dataset"
	"rdrec/internal/sasrec"
	"rdrec/internal/torch"
)

// fixedScores returns a model whose scores do not depend on the history; scores[i] is that of item
// i+1.
func fixedScores(t *testing.T, scores ...float64) *sasrec.Model {
	t.Helper()
	settings := sasrec.Settings{HiddenSize: 1, Heads: 1, Blocks: 1, MaxLength: 4}
	return newModel(t, settings, len(scores), weights{
		"items": func(index int) float64 {
			if index == 0 {
				return 99 // of the padding, which is not an item
			}
			return scores[index-1]
		},
		"norm.bias": one,
	})
}

func TestTopKByHand(t *testing.T) {
	history := func(k int, items ...int) baseline.Query { return baseline.Query{History: items, K: k} }
	among := func(k int, items ...int) baseline.Query {
		return baseline.Query{History: []int{1}, Candidates: items, K: k}
	}
	scores := []float32{5, 1, 3, 3, 2, 3} // items 3, 4 and 6 are equal
	for _, c := range []struct {
		query baseline.Query
		want  []int
	}{
		{history(0), nil},
		{history(1), []int{1}},
		{history(2, 1), []int{3, 4}},
		{history(3, 1), []int{3, 4, 6}},
		{history(4, 1), []int{3, 4, 6, 5}},
		{history(9, 1), []int{3, 4, 6, 5, 2}},
		{history(2, 1, 3), []int{4, 6}},
		{history(2, 1, 2, 3, 4, 5, 6), nil},
		{among(2, 6, 4, 3), []int{3, 4}},
		{among(2, 3, 4, 6), []int{3, 4}},
		{among(9, 6, 2, 6, 4, 2), []int{4, 6, 2}}, // each once
		{among(2, 6, 4, 6, 4), []int{4, 6}},
		{among(9, 2, 1), []int{1, 2}}, // candidates of the history are ranked too
		{among(0, 2, 1), nil},
	} {
		if got := sasrec.TopK(c.query, scores...); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, want %v", c.query, got, c.want)
		}
	}
	// More equal items than an unstable sort would leave in order.
	var want []int
	for item := 1; item <= 40; item++ {
		want = append(want, item)
	}
	if got := sasrec.TopK(history(40), make([]float32, 50)...); !slices.Equal(got, want) {
		t.Errorf("equal scores: %v, want items 1 to 40", got)
	}
}

// TestRankByHand ranks by known scores: ties by item id, at most K, no item of the history.
func TestRankByHand(t *testing.T) {
	m := fixedScores(t, 5, 1, 3, 3, 2, 3)
	queries := []baseline.Query{
		{History: []int{1}, K: 3},
		{History: []int{2, 1}, K: 9},
		{K: 2},
		{History: []int{1}, Candidates: []int{6, 5, 3}, K: 2},
	}
	want := [][]int{{3, 4, 6}, {3, 4, 6, 5}, {1, 2}, {3, 6}} // without a history, all scores are equal
	for range 300 {                                          // more than one forward pass scores
		queries, want = append(queries, queries[len(queries)%4]), append(want, want[len(want)%4])
	}
	got, err := m.Rank(t.Context(), queries)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lists (-want +got):\n%s", diff)
	}
}

// TestValidateByHand: each case has a user whose validation item has a known rank among the items
// that are not in the training history.
func TestValidateByHand(t *testing.T) {
	// Items 1 to 14 score the higher the higher their id; all others are equal and below them.
	scores := make([]float64, 30)
	for i := range scores {
		scores[i] = -5
		if i < 14 {
			scores[i] = float64(i + 1)
		}
	}
	users := func(lists ...[]int) *dataset.Dataset {
		d := &dataset.Dataset{Items: 30}
		for i, items := range lists {
			d.Users = append(d.Users, dataset.User{ID: i + 1, Items: items})
		}
		return d
	}
	at := func(rank int) float64 { return 1 / math.Log2(float64(rank)+1) } // 1 is the first
	for _, c := range []struct {
		name string
		d    *dataset.Dataset
		want float64
	}{
		{"first", users([]int{1, 14, 2}), 1},
		{"second", users([]int{1, 13, 2}), at(2)},
		{"the history is left out", users([]int{14, 13, 2}), 1},
		{"the test item is not left out", users([]int{1, 13, 14}), at(2)},
		{"tenth", users([]int{1, 5, 2}), at(10)},
		{"eleventh", users([]int{1, 4, 2}), 0},
		{"ties count against it", users([]int{1, 20, 2}), 0},
		{"mean of two", users([]int{1, 14, 2}, []int{1, 13, 2}), (1 + at(2)) / 2},
		{"too short", users([]int{14, 13}, []int{1, 13, 2}), at(2)},
		{"bought again", users([]int{1, 1, 2}, []int{1, 13, 2}), at(2)},
		{"nobody", users([]int{14, 13}), 0},
	} {
		got, err := fixedScores(t, scores...).Validate(t.Context(), c.d)
		if err != nil || math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: %v, %v; want %v", c.name, got, err, c.want)
		}
	}
	tied := fixedScores(t, 1, 2, 2)
	if got, err := tied.Validate(t.Context(), users([]int{1, 2, 3})); err != nil || math.Abs(got-at(2)) > 1e-9 {
		t.Errorf("with two equal items: %v, %v; want %v of rank 2", got, err, at(2))
	}
	nan := fixedScores(t, 1, 2, math.NaN())
	if got, err := nan.Validate(t.Context(), users([]int{1, 2, 3})); err != nil || math.Abs(got-at(2)) > 1e-9 {
		t.Errorf("with a score of NaN: %v, %v; want %v of rank 2", got, err, at(2))
	}
}

// TestOnlyTheMostRecentItemsCount: of a history longer than MaxLength, only the last MaxLength
// items change the scores.
func TestOnlyTheMostRecentItemsCount(t *testing.T) {
	settings := sasrec.Settings{HiddenSize: 8, Heads: 2, Blocks: 2, MaxLength: 3, Batch: 1, Epochs: 1}
	m, err := sasrec.New(settings, 30, 5, torch.CPU)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Free()
	var all []int
	for item := 1; item <= 30; item++ {
		all = append(all, item)
	}
	histories := [][]int{{1, 2, 3}, {9, 1, 2, 3}, {8, 9, 1, 2, 3}, {2, 3}, {9, 2, 3}, {3, 2, 1}}
	var queries []baseline.Query
	for _, history := range histories {
		queries = append(queries, baseline.Query{History: history, Candidates: all, K: 30})
	}
	lists, err := m.Rank(t.Context(), queries)
	if err != nil {
		t.Fatal(err)
	}
	for i, equal := range []bool{true, true, true, false, false, false} {
		if slices.Equal(lists[0], lists[i]) != equal {
			t.Errorf("history %v ranks as %v: %t, want %t", histories[i], histories[0], !equal, equal)
		}
	}
	for i, query := range queries { // the same one by one as in a batch
		alone, err := m.Rank(t.Context(), []baseline.Query{query})
		if err != nil || !slices.Equal(alone[0], lists[i]) {
			t.Errorf("history %v ranks differently alone: %v", query.History, err)
		}
	}
}
