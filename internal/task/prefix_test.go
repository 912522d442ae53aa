package task_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
	"rdrec/internal/golden"
	"rdrec/internal/spec"
	"rdrec/internal/task"
)

// onlySequential is a batch of sequential examples.
func onlySequential(batch int) spec.Train {
	return spec.Train{Batch: batch, Ratio: spec.Ratio{Sequential: 1}}
}

// TestFullPrefixesByHand expects each pair of a user and a position once per pass, with the whole
// history before it. Users 1 and 2 have too few items.
func TestFullPrefixesByHand(t *testing.T) {
	data := small()
	data.Users = append(data.Users, dataset.User{ID: 5, Items: []int{13, 14, 15, 16, 17, 18}})
	type pair struct {
		User    int
		History []int
		Target  int
	}
	want := []pair{
		{3, []int{4}, 5}, // the training items of user 3 are 4 5, of user 4 8 9 10, of user 5 13 to 16
		{4, []int{8}, 9},
		{4, []int{8, 9}, 10},
		{5, []int{13}, 14},
		{5, []int{13, 14}, 15},
		{5, []int{13, 14, 15}, 16},
	}
	mixer := newMixer(t, data, clean("rdrec"), onlySequential(6), 1)
	var orders [][]pair
	for range 3 {
		var got []pair
		for _, x := range mixer.Next() {
			got = append(got, pair{x.User, x.Items, x.Item})
		}
		orders = append(orders, slices.Clone(got))
		slices.SortFunc(got, func(a, b pair) int { return a.Target - b.Target })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("one pass (-want +got):\n%s", diff)
		}
	}
	if cmp.Equal(orders[0], orders[1]) && cmp.Equal(orders[1], orders[2]) {
		t.Error("three passes have the same order")
	}
	if steps := newMixer(t, data, clean("rdrec"), onlySequential(2), 1).EpochSteps(); steps != 3 {
		t.Errorf("%d steps per epoch, want 3", steps)
	}
	users := map[int]bool{}
	for _, x := range newMixer(t, data, clean("rdrec"), onlySequential(3), 1).Next() {
		users[x.User] = true
	}
	if cmp.Equal(users, map[int]bool{3: true, 4: true}) {
		t.Error("the first pass is in the file's order")
	}
}

// TestFullPrefixesKeepTwentyItems: a history is truncated to the items that a test history has.
func TestFullPrefixesKeepTwentyItems(t *testing.T) {
	data := &dataset.Dataset{Name: "long", Items: 40, Users: []dataset.User{{ID: 1}}}
	for item := 1; item <= 25; item++ {
		data.Users[0].Items = append(data.Users[0].Items, item)
	}
	longest := task.Example{}
	for _, x := range newMixer(t, data, clean("rdrec"), onlySequential(22), 1).Next() {
		if x.Item > longest.Item {
			longest = x
		}
	}
	if n := len(longest.Items); longest.Item != 23 || n != 20 || longest.Items[0] != 3 || longest.Items[n-1] != 22 {
		t.Errorf("the last pair is %v and %d, want 3 to 22 and 23", longest.Items, longest.Item)
	}
}

// TestFullPrefixesOfBeauty counts the pairs of the paper's data, which are not part of the project.
func TestFullPrefixesOfBeauty(t *testing.T) {
	project := filepath.Dir(filepath.Dir(golden.Data(t, "rdrec")))
	path := filepath.Join(project, "..", "shared", "data", "rdrec", "beauty")
	if _, err := os.Stat(path); err != nil {
		t.Skip("the paper's dataset is absent (looked for ../shared/data/rdrec/beauty beside the project)")
	}
	data, err := dataset.Read(os.DirFS(path), "beauty")
	if err != nil {
		t.Fatal(err)
	}
	if got := newMixer(t, data, clean("rdrec"), onlySequential(1), 1).EpochSteps(); got != 131_413 {
		t.Errorf("%d training pairs, want 131,413", got)
	}
}

// TestBlindNegatives collects all candidates of a user who trains on items 1 and 2, is validated on
// 3 and tested on 4.
func TestBlindNegatives(t *testing.T) {
	data := &dataset.Dataset{Name: "tiny", Items: 6, Users: []dataset.User{{ID: 1, Items: []int{1, 2, 3, 4}}}}
	for name, c := range map[string]struct {
		on                   bool
		training, validation []int
	}{
		"on":  {true, []int{1, 2, 3, 4, 5, 6}, []int{3, 4, 5, 6}},
		"off": {false, []int{1, 2, 5, 6}, []int{3, 5, 6}},
	} {
		s := paper("rdrec")
		s.Negatives, s.Protocol.BlindNegatives = 2, c.on
		training, validation := map[int]bool{}, map[int]bool{}
		mixer := newMixer(t, data, s, spec.Train{Batch: 50, Ratio: spec.Ratio{TopN: 1}}, 1)
		for _, x := range mixer.Next() {
			collect(training, x.Items)
		}
		for epoch := range 50 {
			list, err := newCorpus(t, data, s).Validation(task.TopN, 1, epoch)
			if err != nil {
				t.Fatal(err)
			}
			collect(validation, list.Examples[0].Items)
		}
		if diff := cmp.Diff(c.training, sortedKeys(training)); diff != "" {
			t.Errorf("%s: candidates of training (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(c.validation, sortedKeys(validation)); diff != "" {
			t.Errorf("%s: candidates of validation (-want +got):\n%s", name, diff)
		}
	}
}

func collect(set map[int]bool, items []int) {
	for _, item := range items {
		set[item] = true
	}
}

func sortedKeys(set map[int]bool) []int {
	var keys []int
	for key := range set {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
