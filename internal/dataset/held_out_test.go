package dataset_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
)

// TestWithoutHeldOut: user 1 has validation item 2 and test item 3; user 2 has too few items for
// either.
func TestWithoutHeldOut(t *testing.T) {
	var all []dataset.Explanation
	for user := 1; user <= 2; user++ {
		for item := 1; item <= 3; item++ {
			all = append(all, dataset.Explanation{User: user, Item: item})
		}
	}
	d := &dataset.Dataset{
		Users:        []dataset.User{{ID: 1, Items: []int{1, 2, 3}}, {ID: 2, Items: []int{2, 3}}},
		Explanations: dataset.Splits{Train: all, Val: all, Test: all},
	}
	items := func(list []dataset.Explanation) map[int][]int {
		found := map[int][]int{}
		for _, e := range list {
			found[e.User] = append(found[e.User], e.Item)
		}
		return found
	}
	got := d.WithoutHeldOut()
	for name, c := range map[string]struct {
		list []dataset.Explanation
		want []int // of user 1
	}{
		"train": {got.Train, []int{1}}, "val": {got.Val, []int{1, 2}}, "test": {got.Test, []int{1, 2, 3}},
	} {
		if diff := cmp.Diff(map[int][]int{1: c.want, 2: {1, 2, 3}}, items(c.list)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if diff := cmp.Diff(all, d.Explanations.Train); diff != "" {
		t.Errorf("the data have changed: %s", diff)
	}
}
