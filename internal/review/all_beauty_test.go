package review_test

import (
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
)

func TestImportAllBeauty(t *testing.T) {
	dir, got := importInto(t, options(beauty))
	want := dataset.ImportSummary{
		Rows: 5269, Duplicates: 1177, Sparse: 20, Rounds: 1, Users: 976, Items: 83, Interactions: 4072, Tied: 2836,
		Explanations: got.Explanations, Train: got.Train, Val: got.Val, Test: got.Test,
		Repeated: got.Repeated, Features: got.Features, Language: "en", Texts: 4063, Unexplained: got.Unexplained,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got.Explanations < 2800 || got.Train+got.Val+got.Test != got.Explanations || got.Features < 200 {
		t.Errorf("explanations: %+v", got)
	}
	unexplained := 0
	for _, n := range got.Unexplained {
		unexplained += n
	}
	if got.Explanations+unexplained != got.Interactions {
		t.Errorf("explanations: %d and %v of %d", got.Explanations, got.Unexplained, got.Interactions)
	}
	var saved dataset.ImportSummary
	data, err := os.ReadFile(filepath.Join(dir, "import.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &saved); err != nil {
		t.Fatal(err)
	}
	const source = "All_Beauty_5.json.gz: JSON lines (amazon-2018), UTF-8, gzip: user=reviewerID item=asin " +
		"time=unixReviewTime rating=overall text=reviewText summary=summary"
	if diff := cmp.Diff([]string{source}, saved.Sources); diff != "" {
		t.Error(diff)
	}
	saved.Sources = nil
	if diff := cmp.Diff(got, saved); diff != "" {
		t.Error(diff)
	}
	if left := digests(t, dir); len(left) != 6 {
		t.Errorf("files are %v", slices.Sorted(maps.Keys(left)))
	}
}

// TestAllBeautyStatistics compares with independent counts of this file: 976 users, popularity HR@1
// .35 and HR@10 .80, last-item Markov HR@1 .77.
func TestAllBeautyStatistics(t *testing.T) {
	dir, _ := importInto(t, options(beauty))
	d := read(t, dir)
	popularity := map[int]int{}
	next := map[int]map[int]int{}
	for _, u := range d.Users {
		for i, item := range u.Items[:len(u.Items)-1] {
			popularity[item]++
			if i > 0 {
				before := u.Items[i-1]
				if next[before] == nil {
					next[before] = map[int]int{}
				}
				next[before][item]++
			}
		}
	}
	var top1, top10, markov int
	for _, u := range d.Users {
		popular := topItems(popularity, u.Items[:len(u.Items)-1])
		follow := append(topItems(next[u.ValidationItem()], u.Items[:len(u.Items)-1]), popular...)
		if popular[0] == u.TestItem() {
			top1++
		}
		if slices.Contains(popular[:10], u.TestItem()) {
			top10++
		}
		if follow[0] == u.TestItem() {
			markov++
		}
	}
	share := func(n int) float64 { return float64(n) / float64(len(d.Users)) }
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"popularity HR@1", share(top1), .35},
		{"popularity HR@10", share(top10), .80},
		{"Markov HR@1", share(markov), .77},
	} {
		if math.Abs(c.got-c.want) > .015 { // items of equal counts are in the order of their random ids
			t.Errorf("%s is %.3f, want %.2f", c.name, c.got, c.want)
		}
	}
}

// topItems returns the items by count, highest first, without the seen ones.
func topItems(counts map[int]int, seen []int) []int {
	isSeen := func(item int) bool { return slices.Contains(seen, item) }
	items := slices.DeleteFunc(slices.Sorted(maps.Keys(counts)), isSeen)
	slices.SortStableFunc(items, func(a, b int) int { return counts[b] - counts[a] })
	return items
}
