package baseline_test

import (
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"rdrec/internal/baseline"
	"rdrec/internal/dataset"
)

// shop has nine items and the transitions 1 to 2 (twice), 1 to 3, 2 to 4, 2 to 5, 3 to 5, 3 to 6
// and 8 to 1. Titles: 1, 3 and 4 are soaps, 2 and 5 combs, 6 has none.
func shop() *dataset.Dataset {
	d := training(9, []int{1, 2, 4}, []int{1, 2, 5}, []int{1, 3, 5}, []int{3, 6}, []int{8, 1})
	d.Titles = []string{"Rose soap", "comb", "rose SOAP", "soap", "comb", "", "soap", "brush", ""}
	return d
}

// TestDecayedMixByHand adds the scores of each item, with sim for the cosine of titles.
func TestDecayedMixByHand(t *testing.T) {
	// Titles 1 and 3 are equal: sim 1. Title 4 shares "soap" with 1: idf(rose) = ln(10/3)+1 =
	// 2.204, idf(soap) = ln(10/5)+1 = 1.693, so sim(1, 4) = 1.693/sqrt(2.204²+1.693²) = .609.
	for _, c := range []struct {
		name          string
		history, want []int
	}{
		// From 1: 2 has 2/3 + .3*0 + .05 = .717; 3 has 1/3 + .3*1 + .05 = .683. Two hops: 5 has
		// 2/3*1/2 + 1/3*1/2 = 1/2, times .2 = .1; 4 has .2*2/3*1/2 + .15*.609 = .158; 6 has
		// .2/6 = .033.
		{"one item", []int{1}, []int{2, 3, 4, 5, 6}},
		// 8 goes to 1 alone; two hops from 8: 2 has .2*2/3 = .133, 3 has .2/3 = .067. From 1 as
		// above, with twice the weight: 2 has .717 + .067 = .783, 3 has .683 + .033.
		{"two items", []int{8, 1}, []int{2, 3, 4, 5, 6}},
		// 2 is last: 4 and 5 have 1/2 + .05, 5 also .3*1. Half of 1's: 3 has .342, 4 gains .079,
		// 5 gains .05, 6 has .017.
		{"the last item counts most", []int{1, 2}, []int{5, 4, 3, 6}},
		// The other way round: 1 at full weight.
		{"in the other order", []int{2, 1}, []int{3, 5, 4, 6}},
		// The seventh latest item counts nothing, so the popular items follow.
		{"seven items", []int{1, 9, 9, 9, 9, 9, 9}, []int{2, 3, 5, 4}},
		{"six items", []int{1, 9, 9, 9, 9, 9}, []int{2, 3, 4, 5}},
	} {
		query := baseline.Query{History: c.history, K: len(c.want)}
		if diff := gocmp.Diff(c.want, fit(t, baseline.Mix, shop())(query)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// TestTGHByHand has lists of ten, so budgets of 5 and 1 from the last item and of 3 and 1 from the
// one before it.
func TestTGHByHand(t *testing.T) {
	// Item 1 goes to 11 (four times), to 12 (once, equal title) and to 13 to 17 (once each, no
	// words in common): scores .5; .5*ln2/ln5 + 1 = 1.215; .215. Two hops: 21 by way of 13 (equal
	// title) and 22 by way of 14. Item 2 goes to 31 and 12.
	var histories [][]int
	for range 4 {
		histories = append(histories, []int{1, 11})
	}
	for item := 12; item <= 17; item++ {
		histories = append(histories, []int{1, item})
	}
	histories = append(histories, []int{13, 21}, []int{14, 22}, []int{2, 31}, []int{2, 12})
	d := training(40, histories...)
	d.Titles = slices.Repeat([]string{""}, 40)
	for _, item := range []int{1, 12, 21} {
		d.Titles[item-1] = "rose soap"
	}
	for _, c := range []struct {
		name          string
		history, want []int
	}{
		// Five of the first ring, one of the second, then the rest of the rings: 16, 17 and 22;
		// then popularity. Of the ties, 13 and 14 are more popular than 15 to 17.
		{"one source", []int{1}, []int{12, 11, 13, 14, 15, 21, 16, 17, 22, 2}},
		// From 2: 31 (12 is taken). Its budget of 3 and 1 is not used up.
		{"two sources", []int{2, 1}, []int{12, 11, 13, 14, 15, 21, 31, 16, 17, 22}},
		// 2 is last: 12 and 31 in one ring, nothing two steps away. Then 1: 11, 13, 14 and 21.
		{"the last item first", []int{1, 2}, []int{12, 31, 11, 13, 14, 21, 15, 16, 17, 22}},
		{"items of the history are not in the rings", []int{11, 12, 1}, []int{13, 14, 15, 16, 17, 21, 22}},
		{"without transitions: popularity", []int{31}, []int{1, 11, 2, 12, 13, 14, 15}},
	} {
		query := baseline.Query{History: c.history, K: len(c.want)}
		if diff := gocmp.Diff(c.want, fit(t, baseline.TGH, d)(query)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// TestGraphBaselinesIgnoreHeldOutItems: a transition to a validation item is not one.
func TestGraphBaselinesIgnoreHeldOutItems(t *testing.T) {
	d := sequences(6, []int{1, 2, 4, 3}, []int{1, 2, 4, 3}, []int{1, 5, 4, 3})
	for _, name := range []string{baseline.TGH, baseline.Mix} {
		// 2 followed 1 twice, 5 once. 4 followed both, but as a validation item: 3 and 4 come in
		// the order of ids.
		got := fit(t, name, d)(baseline.Query{History: []int{6, 1}, K: 4})
		if diff := gocmp.Diff([]int{2, 5, 3, 4}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
