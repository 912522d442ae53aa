package dataset_test

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
)

// TestShuffleTies collects the orders of twenty shuffles: equal times in every order, others in
// their own.
func TestShuffleTies(t *testing.T) {
	d := &dataset.Dataset{Name: "tied", Items: 9, Users: []dataset.User{
		{ID: 1, Items: []int{1, 2, 3, 4}, Times: []int64{5, 6, 6, 7}},
		{ID: 2, Items: []int{5, 6, 7}, Times: []int64{3, 3, 3}},
		{ID: 3, Items: []int{8, 9}},
	}}
	random := rand.New(rand.NewPCG(1, 2))
	seen := []map[[4]int]bool{{}, {}, {}}
	for range 60 {
		for i, user := range d.ShuffleTies(random).Users {
			var order [4]int
			copy(order[:], user.Items)
			seen[i][order] = true
		}
	}
	want := []map[[4]int]bool{
		{{1, 2, 3, 4}: true, {1, 3, 2, 4}: true},
		{{5, 6, 7}: true, {5, 7, 6}: true, {6, 5, 7}: true, {6, 7, 5}: true, {7, 5, 6}: true, {7, 6, 5}: true},
		{{8, 9}: true},
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("orders (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{5, 6, 7}, d.Users[1].Items); diff != "" {
		t.Errorf("the dataset itself changed (-want +got):\n%s", diff)
	}
}

func TestLastTied(t *testing.T) {
	for _, c := range []struct {
		times []int64
		want  bool
	}{{nil, false}, {[]int64{1}, false}, {[]int64{1, 1}, true}, {[]int64{1, 1, 2}, false}, {[]int64{1, 2, 2}, true}} {
		if got := (dataset.User{Times: c.times}).LastTied(); got != c.want {
			t.Errorf("times %v: %t, want %t", c.times, got, c.want)
		}
	}
}
