package audit_test

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/audit"
	"rdrec/internal/dataset"
)

// TestSpearmanByHand: ranks 1 2 3 against 1 3 2 correlate by 1 - 6*(0+1+1)/(3*8).
func TestSpearmanByHand(t *testing.T) {
	for _, c := range []struct {
		a, b []float64
		want float64
	}{
		{nil, nil, 0},
		{[]float64{5}, []float64{7}, 0},
		{[]float64{5, 6}, []float64{7, 9}, 1},
		{[]float64{5, 6}, []float64{9, 7}, -1},
		{[]float64{10, 20, 300}, []float64{1, 3, 2}, 0.5},
	} {
		if got := audit.Spearman(c.a, c.b); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("correlation of %v and %v = %v, want %v", c.a, c.b, got, c.want)
		}
	}
}

// TestIndexingByHand: for one of three users the test item is the id after the highest of the
// history.
func TestIndexingByHand(t *testing.T) {
	d := &dataset.Dataset{Items: 8, Users: []dataset.User{
		{ID: 1, Items: []int{2, 5, 6}},    // 6 is 5 + 1
		{ID: 2, Items: []int{5, 2, 3}},    // 3 is the last + 1, but not the highest + 1
		{ID: 3, Items: []int{1, 2, 6, 4}}, // 4 is below the highest
		{ID: 4, Items: []int{7, 8}},       // not evaluated, but its items appear
	}}
	// Items in order of appearance: 2 5 6 3 1 4 7 8. Their positions 1 to 8 differ from their ranks
	// by 1 3 3 1 4 2 0 0.
	want := audit.Indexing{Items: 8, NextIDHits: 1, NextIDShare: 1. / 3, Chance: 1. / 8, Spearman: 1 - 6*40./(8*63)}
	nearly := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-12 })
	if diff := cmp.Diff(want, audit.Run(d, 1).Indexing, nearly); diff != "" {
		t.Errorf("indexing (-want +got):\n%s", diff)
	}
}

// TestLargestGroups expects equally large groups in the order of their items, regardless of the
// order of the users.
func TestLargestGroups(t *testing.T) {
	sequences := [][]int{{9, 1, 2}, {3, 1, 2}, {3, 1, 1}, {4, 5, 6}, {7, 7, 7}, {8, 8}}
	counts := []int{2, 2, 2, 3, 1, 2}
	want := audit.Sequences{
		Users: 10, Distinct: 5, Shared: 9, Repeated: 3, // 3 1 1 twice and 7 7 7 once; 8 8 is too short
		Largest: []audit.Group{
			{Users: 3, Items: []int{4, 5, 6}},
			{Users: 2, Items: []int{3, 1, 1}},
			{Users: 2, Items: []int{3, 1, 2}},
		},
	}
	for range 8 { // map order differs between iterations
		d := &dataset.Dataset{Items: 9}
		for i, items := range sequences {
			for range counts[i] {
				d.Users = append(d.Users, dataset.User{ID: len(d.Users) + 1, Items: items})
			}
		}
		if diff := cmp.Diff(want, audit.Run(d, 1).Sequences); diff != "" {
			t.Fatalf("sequences (-want +got):\n%s", diff)
		}
		slices.Reverse(sequences)
		slices.Reverse(counts)
	}
}

// TestUsersWithoutTestItem expects that no count of users includes them.
func TestUsersWithoutTestItem(t *testing.T) {
	a := audit.Run(&dataset.Dataset{Items: 2, Users: []dataset.User{
		{ID: 1},
		{ID: 2, Items: []int{1}},
		{ID: 3, Items: []int{2, 2}},
	}}, 1)
	if diff := cmp.Diff(audit.Sequences{}, a.Sequences); diff != "" {
		t.Errorf("sequences (-want +got):\n%s", diff)
	}
	if a.Users != 0 || a.Rule != nil || a.Indexing.Items != 2 {
		t.Errorf("%d users, the rule's scores %v, indexing %+v; want no user to evaluate and 2 items",
			a.Users, a.Rule, a.Indexing)
	}
}

// TestOverlapByHand has test and validation pairs in each split.
func TestOverlapByHand(t *testing.T) {
	d := &dataset.Dataset{Items: 5, Users: []dataset.User{
		{ID: 1, Items: []int{1, 2, 3}},
		{ID: 2, Items: []int{1, 2, 3}},
		{ID: 3, Items: []int{1, 2, 3}},
		{ID: 4, Items: []int{1, 2, 3}},
	}}
	d.Explanations = dataset.Splits{
		Train: []dataset.Explanation{
			{User: 1, Item: 3},
			{User: 1, Item: 2},
			{User: 1, Item: 1},
			{User: 2, Item: 2},
			{User: 2, Item: 2, Feature: "f"},
		},
		Val:  []dataset.Explanation{{User: 2, Item: 3}, {User: 1, Item: 1}, {User: 2, Item: 2}},
		Test: []dataset.Explanation{{User: 3, Item: 3}, {User: 1, Item: 1}, {User: 3, Item: 2}},
	}
	want := audit.Overlap{Explanations: 11, Users: 4, Explained: 3, Train: 1, Validation: 2, InMultipleSplits: 2}
	if diff := cmp.Diff(want, audit.Run(d, 1).Overlap); diff != "" {
		t.Errorf("overlap (-want +got):\n%s", diff)
	}
}

// TestTimestampsByHand: one time is in order and not tied; of several, the last two may be equal.
func TestTimestampsByHand(t *testing.T) {
	d := &dataset.Dataset{Items: 5}
	for i, times := range [][]int64{nil, {1}, {2, 2}, {1, 2, 3}, {2, 2, 3}, {1, 3, 3}, {3, 2, 2}} {
		d.Users = append(d.Users, dataset.User{ID: i + 1, Items: []int{1, 2, 3}, Times: times})
	}
	if diff := cmp.Diff(audit.Timestamps{Users: 6, OutOfOrder: 1, Tied: 3}, audit.Run(d, 1).Timestamps); diff != "" {
		t.Errorf("time stamps (-want +got):\n%s", diff)
	}
}
