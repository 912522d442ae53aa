package indexing_test

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
	"rdrec/internal/indexing"
	"rdrec/internal/spec"
)

// shop is a dataset of items with ids, and of users who have the training histories and then two
// held-out items.
func shop(ids string, training ...[]int) *dataset.Dataset {
	d := &dataset.Dataset{Name: "shop", ItemIDs: strings.Fields(ids)}
	d.Items = len(d.ItemIDs)
	for i, history := range training {
		d.Users = append(d.Users, dataset.User{ID: i + 1, Items: append(slices.Clone(history), 1, 2)})
	}
	return d
}

// letters are ids of n items: i1, i2, ...
func letters(n int) string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = "i" + strconv.Itoa(i+1)
	}
	return strings.Join(ids, " ")
}

// applied returns the shop's ids in the order of their new numbers, and the record.
func applied(t *testing.T, d *dataset.Dataset, name string, seed int64) (string, indexing.Record) {
	t.Helper()
	record, err := indexing.Apply(d, name, seed)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(d.ItemIDs, " "), record
}

var nearly = cmp.Comparer(func(a, b float64) bool { return a == b || math.Abs(a-b) < 1e-6 })

// TestRandomOrderByHand has the orders of the MD5 sums of "item:<seed>:<id>", computed apart.
func TestRandomOrderByHand(t *testing.T) {
	t.Parallel()
	for seed, want := range map[int64]string{
		1:  "comb soap oil gel brush wax",
		2:  "wax brush oil gel comb soap",
		-3: "oil soap gel comb wax brush",
	} {
		got, record := applied(t, shop("soap comb oil brush gel wax"), spec.Random, seed)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("seed %d (-want +got):\n%s", seed, diff)
		}
		if diff := cmp.Diff(indexing.Record{Indexing: spec.Random, Seed: seed}, record); diff != "" {
			t.Errorf("seed %d: record (-want +got):\n%s", seed, diff)
		}
	}
}

// TestWalksByHand: items that a walk meets come in its order, the others in the order at random.
func TestWalksByHand(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, want, note string
		seed             int64
	}{
		{spec.Appearance, "wax oil soap comb brush gel", "1 items that no training history holds stand last, at random", 1},
		{spec.Sequential, "wax oil brush comb soap gel", "3 items that no training history holds stand last, at random", 1},
		{spec.Sequential, "wax oil brush gel comb soap", "3 items that no training history holds stand last, at random", 2},
	} {
		d := shop("soap comb oil brush gel wax", []int{6, 3, 6}, []int{4, 3})
		got, record := applied(t, d, c.name, c.seed)
		if got != c.want || record.Note != c.note {
			t.Errorf("%s: %q (%q), want %q (%q)", c.name, got, record.Note, c.want, c.note)
		}
	}
}

// TestGraphByHand: pairs of different items of one training history, each history once; no item
// beside itself.
func TestGraphByHand(t *testing.T) {
	t.Parallel()
	d := shop(letters(5), []int{1, 2, 1}, []int{2, 1, 3}, []int{4}, []int{5, 5})
	want := map[[2]int]float64{{1, 2}: 2, {2, 1}: 2, {1, 3}: 1, {3, 1}: 1, {2, 3}: 1, {3, 2}: 1}
	if diff := cmp.Diff(want, indexing.Together(d)); diff != "" {
		t.Errorf("weights (-want +got):\n%s", diff)
	}
}

// TestItemsAloneComeLast: an item that is alone in its training histories, or twice in one, has no
// neighbour.
func TestItemsAloneComeLast(t *testing.T) {
	t.Parallel()
	for _, name := range []string{spec.Collaborative, spec.SemanticCooccurrence} {
		d := shop(letters(6), []int{4, 6}, []int{5}, []int{3, 3}, []int{6, 4})
		got, record := applied(t, d, name, 1)
		first, rest := strings.Fields(got)[:2], strings.Fields(got)[2:]
		base, _ := applied(t, shop(letters(6)), spec.Random, 1)
		alone := slices.DeleteFunc(strings.Fields(base), func(id string) bool { return id == "i4" || id == "i6" })
		if diff := cmp.Diff([]string{"i4", "i6"}, slices.Sorted(slices.Values(first))); diff != "" {
			t.Errorf("%s: first items (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(alone, rest); diff != "" {
			t.Errorf("%s: the others are not in the order at random (-want +got):\n%s", name, diff)
		}
		const want = "; 4 items that no training history holds beside another stand last, at random"
		if !strings.HasSuffix(record.Note, want) {
			t.Errorf("%s: note %q, want it to end in %q", name, record.Note, want)
		}
	}
}

// TestAffinityByHand has an item without a neighbour among those that are looked at: all is finite.
func TestAffinityByHand(t *testing.T) {
	t.Parallel()
	d := shop(letters(4), []int{1, 2}, []int{1, 2}, []int{3, 4})
	// Degrees 2, 2 and 0, their mean 4/3, a third of it joined to everything: entries (A + 4/9) /
	// root((2 + 4/3) (2 + 4/3)) and so on.
	side := math.Sqrt(0.3*0.75) * 4 / 9
	want := [][]float64{
		{0.3 * 4 / 9, 0.3 * 22 / 9, side},
		{0.3 * 22 / 9, 0.3 * 4 / 9, side},
		{side, side, 0.75 * 4 / 9},
	}
	if diff := cmp.Diff(want, indexing.Affinity(d, 1, 2, 3), nearly); diff != "" {
		t.Errorf("affinity of items 1, 2 and 3 (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([][]float64{{0.25, 0.75}, {0.75, 0.25}}, indexing.Affinity(d, 4, 3), nearly); diff != "" {
		t.Errorf("affinity of items 4 and 3 (-want +got):\n%s", diff)
	}
}

// cliques are training histories of n items in groups: every two of a group are together, no two of
// different groups.
func cliques(sizes ...int) (n int, training [][]int) {
	for _, size := range sizes {
		var group []int
		for range size {
			n++
			group = append(group, n)
		}
		training = append(training, group)
	}
	return n, training
}

// TestClustersAreCutAboveTenItems: ten items are a leaf, eleven are cut.
func TestClustersAreCutAboveTenItems(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sizes []int
		want  string
	}{
		{[]int{5, 5}, "1 clusters of at most 10 items"},
		{[]int{6, 5}, "2 clusters of at most 6 items"},
		{[]int{10, 10}, "2 clusters of at most 10 items"},
		{[]int{9, 8, 7, 6}, "4 clusters of at most 9 items"},
	} {
		n, training := cliques(c.sizes...)
		for seed := range int64(3) {
			got, record := applied(t, shop(letters(n), training...), spec.Collaborative, seed)
			if record.Note != c.want {
				t.Errorf("groups of %v, seed %d: %q, want %q", c.sizes, seed, record.Note, c.want)
			}
			if runs := runs(got, c.sizes); len(c.sizes) > 1 && n > 10 && runs != len(c.sizes) {
				t.Errorf("groups of %v, seed %d: %d runs of items of one group in %s", c.sizes, seed, runs, got)
			}
		}
	}
}

// runs counts stretches of ids of one group.
func runs(ids string, sizes []int) (n int) {
	before := -1
	for _, id := range strings.Fields(ids) {
		number, _ := strconv.Atoi(id[1:]) //nolint:errcheck // ids of letters
		group := 0
		for number > sizes[group] {
			number -= sizes[group]
			group++
		}
		if group != before {
			n++
		}
		before = group
	}
	return n
}

// TestTitlesCountFromHalfOn: titles decide where half of the items have one, training histories
// where fewer do.
func TestTitlesCountFromHalfOn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		items, titled int
		want          string
	}{
		{4, 2, "1 codes of titles; 2 items without a title of known words stand last, at random"},
		{5, 2, "1 codes of training histories; 3 items that no training history holds beside another stand last, at random"},
		{6, 3, "1 codes of titles; 3 items without a title of known words stand last, at random"},
		{4, 4, "1 codes of titles"},
		{3, 0, "1 codes of training histories; 1 items that no training history holds beside another stand last, at random"},
	} {
		d := shop(letters(c.items), []int{1, 2})
		d.Titles = make([]string, c.items)
		for i := range c.titled {
			d.Titles[i] = "Soap"
		}
		if _, record := applied(t, d, spec.Semantic, 1); record.Note != c.want {
			t.Errorf("%d of %d items have a title: %q, want %q", c.titled, c.items, record.Note, c.want)
		}
	}
}

// TestWordsCountFromTwoItemsOn: a word of one title alone, however often it is in it, says nothing;
// case and signs do not matter.
func TestWordsCountFromTwoItemsOn(t *testing.T) {
	t.Parallel()
	d := shop("a b c d e f")
	d.Titles = []string{"Soap-bar", "bar, SOAP!", "brush brush", "7up", "7UP", "soup"}
	got, record := applied(t, d, spec.Semantic, 1)
	ids := strings.Fields(got)
	if want := "2 codes of titles; 2 items without a title of known words stand last, at random"; record.Note != want {
		t.Errorf("note %q, want %q", record.Note, want)
	}
	pairs := []string{pair(ids[0], ids[1]), pair(ids[2], ids[3])}
	slices.Sort(pairs)
	if diff := cmp.Diff([]string{"ab", "de"}, pairs); diff != "" || pair(ids[4], ids[5]) != "cf" {
		t.Errorf("order %q, want a beside b, d beside e, and c and f last", got)
	}
}

func pair(a, b string) string { return min(a, b) + max(a, b) }

// TestEqualCodesKeepTheRandomOrder has more items of one title than a sort that is not stable
// leaves in their order.
func TestEqualCodesKeepTheRandomOrder(t *testing.T) {
	t.Parallel()
	base, _ := applied(t, shop(letters(60)), spec.Random, 4)
	d := shop(letters(60))
	d.Titles = make([]string, 60)
	kinds := []string{"red nail polish", "hair dryer cord"}
	for i := range d.Titles {
		d.Titles[i] = kinds[i%2]
	}
	got, _ := applied(t, d, spec.Semantic, 4)
	odd := func(id string) bool { return strings.ContainsAny(id[len(id)-1:], "13579") }
	polish := slices.DeleteFunc(strings.Fields(base), func(id string) bool { return !odd(id) })
	dryers := slices.DeleteFunc(strings.Fields(base), odd)
	either := []string{strings.Join(slices.Concat(polish, dryers), " "), strings.Join(slices.Concat(dryers, polish), " ")}
	if !slices.Contains(either, got) {
		t.Errorf("items of equal titles are not in the order at random:\n%s\nwant one of\n%s", got,
			strings.Join(either, "\n"))
	}
}

func TestAssignBreaksTiesByTheFirstCenter(t *testing.T) {
	t.Parallel()
	rows, of := [][]float64{{1}, {3}, {4}, {0}}, []int{0, 0, 0, 0}
	centers := [][]float64{{0}, {2}, {4}}
	if changed := indexing.Assign(rows, centers, of); !changed || !slices.Equal(of, []int{0, 1, 2, 0}) {
		t.Errorf("clusters %v, changed %t; want 0 1 2 0, changed", of, changed)
	}
	if indexing.Assign(rows, centers, of) {
		t.Error("a second time changes something")
	}
	// A centre out of reach, as that of an empty cluster, gets nothing.
	if indexing.Assign([][]float64{{5}}, [][]float64{{math.Inf(1)}, {9}}, of[:1]); of[0] != 1 {
		t.Errorf("cluster %d, want 1", of[0])
	}
}

func TestMeansOfClusters(t *testing.T) {
	t.Parallel()
	got := indexing.Means([][]float64{{1, 2}, {3, 6}, {8, 8}}, []int{0, 0, 2}, 3)
	want := [][]float64{{2, 4}, {math.Inf(1), math.Inf(1)}, {8, 8}}
	if diff := cmp.Diff(want, got, nearly); diff != "" {
		t.Errorf("means (-want +got):\n%s", diff)
	}
}

// TestClustersAreOrderedAlongTheirWidestColumn: whatever is drawn, equal rows are one cluster and
// the clusters are in order.
func TestClustersAreOrderedAlongTheirWidestColumn(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		of, centers := indexing.Cluster([][]float64{{1, 9}, {0, 0}, {1, 9}, {2, 5}, {0, 0}}, 10, seed)
		if diff := cmp.Diff([]int{2, 0, 2, 1, 0}, of); diff != "" {
			t.Errorf("seed %d: clusters (-want +got):\n%s", seed, diff)
		}
		if diff := cmp.Diff([][]float64{{0, 0}, {2, 5}, {1, 9}}, centers); diff != "" {
			t.Errorf("seed %d: centers (-want +got):\n%s", seed, diff)
		}
		// As many clusters as asked for, although there are more different rows.
		of, centers = indexing.Cluster([][]float64{{0}, {1}, {50}, {51}, {100}, {101}}, 3, seed)
		if len(centers) != 3 || !slices.IsSorted(of) {
			t.Errorf("seed %d: clusters %v around %v", seed, of, centers)
		}
	}
}

func TestWidest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rows [][]float64
		want int
	}{
		{[][]float64{{0, 0}, {1, 1}}, 0}, // of equals the first
		{[][]float64{{0, 0}, {1, 2}}, 1},
		{[][]float64{{-3, 9}, {1, 9}}, 0},
		{[][]float64{{5, 7, 9}}, 0},
	} {
		if got := indexing.Widest(c.rows); got != c.want {
			t.Errorf("widest column of %v = %d, want %d", c.rows, got, c.want)
		}
	}
}

// TestLeadingByHand has matrices whose vectors are known: the strongest comes first, its greatest
// entry positive, whatever is drawn.
func TestLeadingByHand(t *testing.T) {
	t.Parallel()
	root := math.Sqrt2
	length := math.Hypot(1, root-1)
	for _, c := range []struct {
		name      string
		matrix    [][]float64
		k         int
		vectors   [][]float64
		strengths []float64
	}{
		{
			"two of three",
			[][]float64{{5, 0, 0}, {0, 2, 0}, {0, 0, 9}},
			2,
			[][]float64{{0, 1}, {0, 0}, {1, 0}},
			[]float64{9, 5},
		},
		{
			"signs",
			[][]float64{{3, -1}, {-1, 1}},
			2,
			[][]float64{{1 / length, (root - 1) / length}, {-(root - 1) / length, 1 / length}},
			[]float64{2 + root, 2 - root},
		},
		{"more than there are", [][]float64{{4}}, 3, [][]float64{{1}}, []float64{4}},
		{"none", nil, 3, nil, nil},
	} {
		for seed := range uint64(5) {
			vectors, strengths := indexing.Leading(c.matrix, c.k, seed)
			if diff := cmp.Diff(c.vectors, vectors, nearly); diff != "" {
				t.Errorf("%s, seed %d: vectors (-want +got):\n%s", c.name, seed, diff)
			}
			if diff := cmp.Diff(c.strengths, strengths, nearly); diff != "" {
				t.Errorf("%s, seed %d: strengths (-want +got):\n%s", c.name, seed, diff)
			}
		}
	}
	// What an operator loses stays lost: its other vectors are zeros, not what rounding left.
	vectors, strengths := indexing.Leading([][]float64{{3, 0, 0}, {0, 0, 0}, {0, 0, 0}}, 3, 1)
	if diff := cmp.Diff([]float64{3, 0, 0}, strengths, nearly); diff != "" || vectors[0][0] < 1-1e-9 {
		t.Errorf("vectors %v, strengths %v; want one of length 1, strength 3, and zeros", vectors, strengths)
	}
}
