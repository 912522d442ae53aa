package baseline_test

import (
	"errors"
	"math"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"rdrec/internal/baseline"
	"rdrec/internal/dataset"
)

// TestTieRangesByHand has two users. The last two items of the first are tied, so in one order its
// test item is 3, in the other 4; items 3 and 4 are at ranks 2 and 3 of its popularity list.
func TestTieRangesByHand(t *testing.T) {
	d := sequences(12, []int{1, 2, 3, 4}, []int{5, 1, 2, 3})
	d.Users[0].Times = []int64{1, 2, 3, 3}
	d.Users[1].Times = []int64{1, 2, 3, 4}
	ties := baseline.CountTies(d, 0)
	if diff := gocmp.Diff(baseline.Ties{Users: 2, Timed: 2, Affected: 1}, ties); diff != "" || !ties.Matter() {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	row, _ := baseline.Find(baseline.Popularity)
	done := 0
	report := func(n int) error { done = n; return nil }
	if err := ties.AddRanges(d, []baseline.Baseline{row}, 0, 1, report); err != nil {
		t.Fatal(err)
	}
	// Training items 1 2 and 5 1. First user: history 1 2 3 or 1 2 4, list 5 4 6 ... or 5 3 6 ...:
	// the test item is at rank 2 either way. Second user: history 5 1 2, list 3 first.
	const ndcg = (1 + 0.6309297535714575) / 2 // 1/log2(3)
	nearly := gocmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-9 })
	want := []baseline.TieRange{
		{Baseline: "popularity", Metric: "HR@10", Low: 1, High: 1},
		{Baseline: "popularity", Metric: "NDCG@10", Low: ndcg, High: ndcg},
	}
	if diff := gocmp.Diff(want, ties.Ranges, nearly); diff != "" || ties.Sampled != 2 || done != baseline.TieOrders-1 {
		t.Errorf("ranges of %d users after %d orders (-want +got):\n%s", ties.Sampled, done, diff)
	}
	broken := errors.New("stop")
	if err := ties.AddRanges(d, nil, 0, 1, func(int) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("error %v, want the report's", err)
	}
}

// TestTieRangesVary: of a user's four items, all at one time, any may be last. Item 4 is the most
// popular, so the user's test item is at rank 1 or further down.
func TestTieRangesVary(t *testing.T) {
	d := &dataset.Dataset{Items: 20}
	for i := range 3 {
		d.Users = append(d.Users, dataset.User{ID: i + 1, Items: []int{20, 4, 15}, Times: []int64{1, 1, 2}})
	}
	d.Users = append(d.Users, dataset.User{ID: 4, Items: []int{1, 2, 3, 4}, Times: []int64{7, 7, 7, 7}})
	row, _ := baseline.Find(baseline.Popularity)
	ties := baseline.CountTies(d, 0)
	if err := ties.AddRanges(d, []baseline.Baseline{row}, 0, 1, func(int) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if ndcg := ties.Ranges[1]; ndcg.Metric != "NDCG@10" || ndcg.Low >= ndcg.High {
		t.Errorf("%+v: no range", ndcg)
	}
}

func TestTiesMatterAboveOneInTwenty(t *testing.T) {
	for affected, want := range map[int]bool{0: false, 5: false, 6: true} {
		if got := (baseline.Ties{Users: 100, Timed: 100, Affected: affected}).Matter(); got != want {
			t.Errorf("%d of 100: %t, want %t", affected, got, want)
		}
	}
	if baseline.CountTies(sequences(3, []int{1, 2, 3}), 0).Matter() {
		t.Error("data without times have ties that matter")
	}
}
