package baseline_test

import (
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"rdrec/internal/baseline"
	"rdrec/internal/dataset"
	"rdrec/internal/metric"
)

// fit returns the named baseline, fitted on d.
func fit(t *testing.T, name string, d *dataset.Dataset) baseline.Rank {
	t.Helper()
	row, found := baseline.Find(name)
	if !found || row.Fit == nil {
		t.Fatalf("no baseline %q", name)
	}
	return row.Fit(d)
}

// itemRange returns the ids from low to high, both included.
func itemRange(low, high int) []int {
	var list []int
	for n := low; n <= high; n++ {
		list = append(list, n)
	}
	return list
}

// TestTiesAreBrokenByPopularityThenItemID fits each baseline several times on items that its own
// score cannot tell apart.
func TestTiesAreBrokenByPopularityThenItemID(t *testing.T) {
	// Each of items 2 to 41 follows item 1 once. Items 22 to 41 are in one more history each, after
	// different items.
	var histories [][]int
	for item := 2; item <= 41; item++ {
		histories = append(histories, []int{1, item})
	}
	for item := 22; item <= 41; item++ {
		histories = append(histories, []int{item + 20, item})
	}
	followers := slices.Concat(itemRange(22, 41), itemRange(2, 21))
	// One history of items 1 to 41: every pair has the cosine 1.
	together := [][]int{itemRange(1, 41)}
	for _, c := range []struct {
		name      string
		histories [][]int
		query     baseline.Query
		want      []int
	}{
		{
			baseline.Popularity, histories,
			baseline.Query{K: 61},
			slices.Concat([]int{1}, itemRange(22, 41), itemRange(2, 21), itemRange(42, 61)),
		},
		{baseline.Markov, histories, baseline.Query{History: []int{1}, K: 40}, followers},
		{baseline.ItemKNN, together, baseline.Query{History: []int{1}, K: 40}, itemRange(2, 41)},
		{baseline.ItemKNN, together, baseline.Query{History: itemRange(1, 3), K: 38}, itemRange(4, 41)},
	} {
		d := training(100, c.histories...)
		for range 8 { // a map's order differs from one loop to the next
			if diff := gocmp.Diff(c.want, fit(t, c.name, d)(c.query)); diff != "" {
				t.Errorf("%s of %+v (-want +got):\n%s", c.name, c.query, diff)
				break
			}
		}
	}
}

// TestItemKNNByHand ranks by cosines computed by hand: for two items, the number of histories that
// contain both over the square root of the product of the numbers that contain each.
func TestItemKNNByHand(t *testing.T) {
	// Training items: the number of times, and the items.
	var histories [][]int
	add := func(times int, items ...int) {
		for range times {
			histories = append(histories, items)
		}
	}
	add(2, 1, 2) // 1 and 2 twice
	add(1, 1, 3) // 1 and 3 once
	add(1, 1, 4)
	add(6, 2, 8) // 2 is in 8 histories
	add(8, 5, 6) // 5 is in 9, 6 in 8
	add(1, 5, 4) // 4 is in 2
	// Counts: item 1: 4, 2: 8, 3: 1, 4: 2, 5: 9, 6: 8, 8: 6.
	d := training(9, histories...)
	for _, c := range []struct {
		history, want []int
	}{
		// 3: 1/sqrt(4*1) = .5; 4: 1/sqrt(4*2) = .354; 2: 2/sqrt(4*8) = .354, more popular. Then
		// popularity: 5, 6, 8.
		{[]int{1}, []int{3, 2, 4, 5, 6, 8}},
		// 6: 8/sqrt(9*8) = .943; 4: 1/sqrt(9*2) = .236.
		{[]int{5}, []int{6, 4, 2, 8, 1, 3}},
		// From 1: 3 .5, 2 .354, 4 .354. From 5: 6 .943, 4 .236. Sums: 6 .943, 4 .589, 3 .5, 2 .354.
		{[]int{1, 5}, []int{6, 4, 3, 2, 8, 7}},
		// 2 with 8: 6/sqrt(8*6) = .866, with 1: 2/sqrt(8*4) = .354.
		{[]int{2}, []int{8, 1, 5, 6, 4, 3}},
	} {
		query := baseline.Query{History: c.history, K: len(c.want)}
		if diff := gocmp.Diff(c.want, fit(t, baseline.ItemKNN, d)(query)); diff != "" {
			t.Errorf("history %v (-want +got):\n%s", c.history, diff)
		}
	}
	// An item is not its own neighbor: among candidates that contain the history's item, that item
	// ranks by popularity alone.
	query := baseline.Query{History: []int{1}, Candidates: []int{1, 8, 3}, K: 3}
	if diff := gocmp.Diff([]int{3, 8, 1}, fit(t, baseline.ItemKNN, d)(query)); diff != "" {
		t.Errorf("candidates (-want +got):\n%s", diff)
	}
}

// TestItemKNNKeepsAHundredNeighbors: the 101st neighbor counts no more than an item that shares no
// user.
func TestItemKNNKeepsAHundredNeighbors(t *testing.T) {
	for _, c := range []struct {
		name      string
		neighbors int
		want      []int // after the neighbors that all have the same cosine
	}{
		// Items 300 (no neighbor) and 200 (the least similar neighbor) are in 4 and 3 histories.
		{"99 others: the 100th is kept", 99, []int{200, 300}},
		{"100 others: the 101st is not", 100, []int{300, 200}},
	} {
		histories := [][]int{{1, 200}, {200}, {200}, {300}, {300}, {300}, {300}}
		others := itemRange(11, 10+c.neighbors)
		for _, other := range others {
			histories = append(histories, []int{1, other})
		}
		d := training(301, histories...)
		query := baseline.Query{History: []int{1}, K: c.neighbors + 2}
		if diff := gocmp.Diff(slices.Concat(others, c.want), fit(t, baseline.ItemKNN, d)(query)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// TestMarkovCountsTheFirstTransition: two training items have one transition, which counts.
func TestMarkovCountsTheFirstTransition(t *testing.T) {
	// Popularity: 1 and 3 (2), 2 and 4 (1).
	d := training(5, []int{4, 2}, []int{3, 1}, []int{3, 1})
	for _, c := range []struct {
		history, want []int
	}{
		{[]int{4}, []int{2, 1, 3, 5}},
		{[]int{3, 4}, []int{2, 1, 5}},   // only the last item counts
		{[]int{2}, []int{1, 3, 4, 5}},   // 5 followed 2, but as a held-out item
		{[]int{1, 4}, []int{2, 3, 5}},   // 3 goes to 1, which does not make 1 go to 3
		{[]int{4, 3}, []int{1, 2, 5}},   // 1 by transition, then popularity
		{[]int{4, 2, 3}, []int{1, 5}},   // no item of the history
		{[]int{1, 2, 3, 4}, []int{5}},   // one item is left
		{[]int{1, 2, 3, 4, 5}, []int{}}, // none
	} {
		query := baseline.Query{History: c.history, K: 5}
		if diff := gocmp.Diff(c.want, fit(t, baseline.Markov, d)(query)); diff != "" {
			t.Errorf("history %v (-want +got):\n%s", c.history, diff)
		}
	}
}

// TestListsHaveAtMostKItems asks for no item, one, as many as there are and one more.
func TestListsHaveAtMostKItems(t *testing.T) {
	d := sequences(6, []int{1, 2, 3, 4, 5}, []int{1, 2, 5, 4})
	for k, want := range map[int][]int{0: {}, 1: {2}, 5: {2, 3, 4, 5, 6}, 6: {2, 3, 4, 5, 6}} {
		for _, name := range []string{baseline.Popularity, baseline.Markov, baseline.ItemKNN, baseline.Rule} {
			if diff := gocmp.Diff(want, fit(t, name, d)(baseline.Query{History: []int{1}, K: k})); diff != "" {
				t.Errorf("%s, K %d (-want +got):\n%s", name, k, diff)
			}
		}
	}
	lists := baseline.Sequential(d.Users, fit(t, baseline.Popularity, d), 2)
	if diff := gocmp.Diff([][]int{{5, 6}, {3, 4}}, [][]int{lists[0].Items, lists[1].Items}); diff != "" {
		t.Errorf("lists cut at 2 (-want +got):\n%s", diff)
	}
}

// TestShortSequencesAreNotFitted: a user of one or two items is neither evaluated nor fitted.
func TestShortSequencesAreNotFitted(t *testing.T) {
	d := sequences(4, []int{4, 3}, []int{2}, nil, []int{1, 2, 3})
	if users := baseline.Users(d, 0); len(users) != 1 || users[0].ID != 4 {
		t.Errorf("users to evaluate %+v, want user 4 alone", users)
	}
	if diff := gocmp.Diff([]int{1, 2, 3, 4}, fit(t, baseline.Popularity, d)(baseline.Query{K: 4})); diff != "" {
		t.Errorf("popularity (-want +got):\n%s", diff)
	}
	lists := baseline.Sequential(d.Users, fit(t, baseline.Popularity, d), 4)
	want := [][]int{{1, 2, 3}, {1, 2, 3, 4}, {1, 2, 3, 4}, {3, 4}}
	for i, list := range lists {
		if diff := gocmp.Diff(want[i], list.Items); diff != "" {
			t.Errorf("user %d (-want +got):\n%s", i+1, diff)
		}
	}
}

// TestTopNRanksOnlyCandidates: the lists have a user's negatives and the true item, although other
// unseen items are more popular.
func TestTopNRanksOnlyCandidates(t *testing.T) {
	d := sequences(8, []int{1, 2, 8, 7}, []int{3, 4, 8, 1}, []int{3, 4, 8, 2}, []int{3, 5, 8, 2})
	d.Negatives = map[int][]int{1: {6, 5}, 2: {6}, 3: {}}
	users := baseline.Users(d, 3)
	for i, want := range [][]int{{5, 6, 7}, {1, 6}, {2}} { // popularity: 3, 4, then 1 2 5, then 6 7 8
		list := baseline.TopN(d, users, fit(t, baseline.Popularity, d), 5)[i]
		if diff := gocmp.Diff(metric.List{Items: want, Truth: []int{users[i].TestItem()}}, list); diff != "" {
			t.Errorf("user %d (-want +got):\n%s", users[i].ID, diff)
		}
	}
	if diff := gocmp.Diff([]int{6, 5}, d.Negatives[1]); diff != "" {
		t.Errorf("the negatives changed (-want +got):\n%s", diff)
	}
}

// TestHighestItemID: the item of the highest id counts as any other.
func TestHighestItemID(t *testing.T) {
	d := training(4, []int{4, 3}, []int{1, 2}, []int{1, 2})
	for name, want := range map[string][]int{
		baseline.Popularity: {1, 2, 3},
		baseline.Markov:     {3, 1, 2},
		baseline.ItemKNN:    {3, 1, 2},
		baseline.Rule:       {5, 6, 1, 2, 3},
	} {
		if diff := gocmp.Diff(want, fit(t, name, d)(baseline.Query{History: []int{4}, K: 5})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
