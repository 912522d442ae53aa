package dataset_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
)

func TestKeepIDs(t *testing.T) {
	old := &dataset.Dataset{UserIDs: []string{"ann", "bob"}, ItemIDs: []string{"soap", "comb", "oil"}, Items: 3}
	d := &dataset.Dataset{
		UserIDs: []string{"eve", "bob", "ann"}, ItemIDs: []string{"oil", "brush", "comb", "soap"}, Items: 4,
		Titles: []string{"Oil", "", "Comb", "Soap"},
		Users: []dataset.User{
			{ID: 1, Items: []int{2, 1, 3}, Times: []int64{1, 2, 3}},
			{ID: 2, Items: []int{4, 3, 1}},
			{ID: 3, Items: []int{3, 4, 2}},
		},
		Explanations: dataset.Splits{
			Train: []dataset.Explanation{{User: 1, Item: 2}, {User: 3, Item: 3}, {User: 2, Item: 4}},
		},
		Negatives: map[int][]int{1: {4}, 2: {2}},
	}
	if err := d.KeepIDs(old); err != nil {
		t.Fatal(err)
	}
	want := &dataset.Dataset{
		UserIDs: []string{"ann", "bob", "eve"}, ItemIDs: []string{"soap", "comb", "oil", "brush"}, Items: 4,
		Titles: []string{"Soap", "Comb", "Oil", ""},
		Users: []dataset.User{
			{ID: 1, Items: []int{2, 1, 4}},
			{ID: 2, Items: []int{1, 2, 3}},
			{ID: 3, Items: []int{4, 3, 2}, Times: []int64{1, 2, 3}},
		},
		Explanations: dataset.Splits{
			Train: []dataset.Explanation{{User: 1, Item: 2}, {User: 2, Item: 1}, {User: 3, Item: 4}},
		},
		Negatives: map[int][]int{3: {1}, 2: {4}},
	}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Error(diff)
	}
}

func TestKeepIDsRejectsRemovedUsersAndItems(t *testing.T) {
	old := &dataset.Dataset{UserIDs: []string{"ann", "bob"}, ItemIDs: []string{"soap"}, Items: 1}
	d := &dataset.Dataset{UserIDs: []string{"bob"}, ItemIDs: []string{"soap"}, Items: 1}
	err := d.KeepIDs(old)
	const want = `user "ann" (id 1) is no longer in the data, and 0 more`
	if !errors.Is(err, dataset.ErrRemoved) || err.Error() != want {
		t.Errorf("got %v", err)
	}
}
