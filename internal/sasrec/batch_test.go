package sasrec_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
	"rdrec/internal/sasrec"
)

func TestNewBatchByHand(t *testing.T) {
	got := sasrec.NewBatch([][]int{{1, 2, 3, 4}, {5}, {6, 7, 8}}, [][]int{{2, 3, 4, 5}, {6}, {7, 8, 9}}, 3)
	want := sasrec.Batch{
		Inputs: []int64{2, 3, 4, 5, 0, 0, 6, 7, 8}, Width: 3, // of four items the most recent three
		Positions: []int64{0, 1, 2, 3, 6, 7, 8}, Labels: []int64{2, 3, 4, 5, 6, 7, 8},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("batch (-want +got):\n%s", diff)
	}
	unlabeled := sasrec.NewBatch([][]int{{1}, {2, 3}}, nil, 9)
	if diff := cmp.Diff(sasrec.Batch{Inputs: []int64{1, 0, 2, 3}, Width: 2}, unlabeled); diff != "" {
		t.Errorf("without labels (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(sasrec.Batch{Inputs: []int64{}}, sasrec.NewBatch(nil, nil, 3)); diff != "" {
		t.Errorf("without histories (-want +got):\n%s", diff)
	}
}

// TestExamplesNeedTwoTrainingItems: the last two items are held out, and a single training item has
// no successor to predict.
func TestExamplesNeedTwoTrainingItems(t *testing.T) {
	d := &dataset.Dataset{Items: 9, Users: []dataset.User{
		{ID: 1, Items: []int{1, 2, 3}},
		{ID: 2, Items: []int{4, 5, 6, 7}},
		{ID: 3, Items: []int{1, 2, 3, 4, 5}},
		{ID: 4},
	}}
	want := [][2][]int{{{4}, {5}}, {{1, 2}, {2, 3}}}
	if diff := cmp.Diff(want, sasrec.TrainingExamples(d, sasrec.LossAll)); diff != "" {
		t.Errorf("examples (-want +got):\n%s", diff)
	}
}

// TestShuffledReturnsEachExampleOnce: each example is in one batch, with others of its bucket that
// have about the same length.
func TestShuffledReturnsEachExampleOnce(t *testing.T) {
	lengths := make([]int, 150)
	for i := range lengths {
		lengths[i] = 1 + i%7
	}
	seen := map[string]bool{}
	for seed := range uint64(3) {
		batches := sasrec.Shuffled(lengths, 4, seed)
		var all, sizes []int
		padding := 0
		for _, batch := range batches {
			all, sizes = append(all, batch...), append(sizes, len(batch))
			for i, index := range batch {
				padding += lengths[batch[len(batch)-1]] - lengths[index]
				if i > 0 && lengths[index] < lengths[batch[i-1]] {
					t.Errorf("seed %d: a batch is not sorted by length", seed)
				}
			}
		}
		seen[fmt.Sprint(all)] = true
		// Two buckets of 64 in 16 batches each, and the last of 22 in six, of which one has two.
		if slices.Sort(sizes); len(sizes) != 38 || sizes[0] != 2 || sizes[1] != 4 || sizes[37] != 4 {
			t.Errorf("seed %d: batches of %v", seed, sizes)
		}
		// Hardly any batch has two lengths; without sorting, nearly all would have three or four.
		if padding > 60 {
			t.Errorf("seed %d: %d positions of padding", seed, padding)
		}
		slices.Sort(all)
		for i, index := range all {
			if index != i {
				t.Fatalf("seed %d: the examples are %v", seed, all)
			}
		}
		if again := sasrec.Shuffled(lengths, 4, seed); !cmp.Equal(batches, again) {
			t.Errorf("seed %d gives other batches in a second call", seed)
		}
	}
	if len(seen) != 3 {
		t.Errorf("three seeds gave %d different orders", len(seen))
	}
}
