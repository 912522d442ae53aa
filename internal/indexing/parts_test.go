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

// shop returns a dataset of items with the shop's ids, and of users with the training histories,
// each followed by two held-out items.
func shop(ids string, training ...[]int) *dataset.Dataset {
	d := &dataset.Dataset{Name: "shop", ItemIDs: strings.Fields(ids)}
	d.Items = len(d.ItemIDs)
	for i, history := range training {
		d.Users = append(d.Users, dataset.User{ID: i + 1, Items: append(slices.Clone(history), 1, 2)})
	}
	return d
}

// letters returns the shop's ids of n items: i1, i2, ...
func letters(n int) string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = "i" + strconv.Itoa(i+1)
	}
	return strings.Join(ids, " ")
}

// applied returns the shop's ids in the order of the new item ids, and the record.
func applied(t *testing.T, d *dataset.Dataset, name string, seed int64) (string, indexing.Record) {
	t.Helper()
	record, err := indexing.Apply(d, name, nil, seed)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(d.ItemIDs, " "), record
}

var nearly = cmp.Comparer(func(a, b float64) bool { return a == b || math.Abs(a-b) < 1e-6 })

// TestRandomOrderByHand: the orders of the MD5 sums of "item:<seed>:<id>" were computed by another
// program.
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

// TestFirstSeenOrderByHand: items of the histories come in the order of their first appearance, the
// others follow in the random order.
func TestFirstSeenOrderByHand(t *testing.T) {
	t.Parallel()
	const last = "that are in no training history come last, in random order"
	for _, c := range []struct {
		name, want, note string
		seed             int64
	}{
		{spec.Appearance, "wax oil soap comb brush gel", "1 items " + last, 1},
		{spec.Sequential, "wax oil brush comb soap gel", "3 items " + last, 1},
		{spec.Sequential, "wax oil brush gel comb soap", "3 items " + last, 2},
	} {
		d := shop("soap comb oil brush gel wax", []int{6, 3, 6}, []int{4, 3})
		got, record := applied(t, d, c.name, c.seed)
		if got != c.want || record.Note != c.note {
			t.Errorf("%s: %q (%q), want %q (%q)", c.name, got, record.Note, c.want, c.note)
		}
	}
}

// TestCooccurrencesByHand: each training history counts once for each pair of its items; an item
// does not pair with itself.
func TestCooccurrencesByHand(t *testing.T) {
	t.Parallel()
	d := shop(letters(5), []int{1, 2, 1}, []int{2, 1, 3}, []int{4}, []int{5, 5})
	want := map[[2]int]float64{{1, 2}: 2, {2, 1}: 2, {1, 3}: 1, {3, 1}: 1, {2, 3}: 1, {3, 2}: 1}
	if diff := cmp.Diff(want, indexing.Cooccurrences(d)); diff != "" {
		t.Errorf("weights (-want +got):\n%s", diff)
	}
}

// TestIsolatedItemsComeLast: an item that is alone in its training histories, or twice in one, has
// no neighbor.
func TestIsolatedItemsComeLast(t *testing.T) {
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
			t.Errorf("%s: the others are not in the random order (-want +got):\n%s", name, diff)
		}
		const want = "; 4 items that share no training history with another item come last, in random order"
		if !strings.HasSuffix(record.Note, want) {
			t.Errorf("%s: note %q, want it to end in %q", name, record.Note, want)
		}
	}
}

// TestAffinityByHand: an item without a neighbor in the subgraph gives finite values too.
func TestAffinityByHand(t *testing.T) {
	t.Parallel()
	d := shop(letters(4), []int{1, 2}, []int{1, 2}, []int{3, 4})
	// Degrees 2, 2 and 0, their mean 4/3, so every pair gets a weight of 4/9: entries (A + 4/9) /
	// sqrt((2 + 4/3) (2 + 4/3)) and so on.
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

// cliques returns the training histories of n items in groups: two items share a history if they
// are in the same group.
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

// TestClustersAreSplitAboveTenItems: ten items are a leaf, eleven are split.
func TestClustersAreSplitAboveTenItems(t *testing.T) {
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

// runs returns the number of runs of ids of one group.
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

// TestTitlesAreUsedFromHalfOn: codes come from titles where at least half of the items have one,
// else from training histories.
func TestTitlesAreUsedFromHalfOn(t *testing.T) {
	t.Parallel()
	const isolated = "that share no training history with another item come last, in random order"
	for _, c := range []struct {
		items, titled int
		want          string
	}{
		{4, 2, "1 codes of titles; 2 items without a title of known words come last, in random order"},
		{5, 2, "1 codes of training histories; 3 items " + isolated},
		{6, 3, "1 codes of titles; 3 items without a title of known words come last, in random order"},
		{4, 4, "1 codes of titles"},
		{3, 0, "1 codes of training histories; 1 items " + isolated},
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

// TestWordsCountFromTwoItemsOn: a word of only one title is ignored, however often the title has
// it; case and punctuation do not matter.
func TestWordsCountFromTwoItemsOn(t *testing.T) {
	t.Parallel()
	d := shop("a b c d e f")
	d.Titles = []string{"Soap-bar", "bar, SOAP!", "brush brush", "7up", "7UP", "soup"}
	got, record := applied(t, d, spec.Semantic, 1)
	ids := strings.Fields(got)
	want := "2 codes of titles; 2 items without a title of known words come last, in random order"
	if record.Note != want {
		t.Errorf("note %q, want %q", record.Note, want)
	}
	pairs := []string{pair(ids[0], ids[1]), pair(ids[2], ids[3])}
	slices.Sort(pairs)
	if diff := cmp.Diff([]string{"ab", "de"}, pairs); diff != "" || pair(ids[4], ids[5]) != "cf" {
		t.Errorf("order %q, want a next to b, d next to e, and c and f last", got)
	}
}

func pair(a, b string) string { return min(a, b) + max(a, b) }

// TestEqualCodesKeepTheRandomOrder: more items have the same title than an unstable sort would
// leave in order.
func TestEqualCodesKeepTheRandomOrder(t *testing.T) {
	t.Parallel()
	base, _ := applied(t, shop(letters(60)), spec.Random, 4)
	d := shop(letters(60))
	d.Titles = make([]string, 60)
	products := []string{"red nail polish", "hair dryer cord"}
	for i := range d.Titles {
		d.Titles[i] = products[i%2]
	}
	got, _ := applied(t, d, spec.Semantic, 4)
	odd := func(id string) bool { return strings.ContainsAny(id[len(id)-1:], "13579") }
	polish := slices.DeleteFunc(strings.Fields(base), func(id string) bool { return !odd(id) })
	dryers := slices.DeleteFunc(strings.Fields(base), odd)
	either := []string{
		strings.Join(slices.Concat(polish, dryers), " "), strings.Join(slices.Concat(dryers, polish), " "),
	}
	if !slices.Contains(either, got) {
		t.Errorf("items of equal titles are not in the random order:\n%s\nwant one of\n%s", got,
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
		t.Error("a second call moved a row")
	}
	// A center at infinity, as that of an empty cluster, gets no row.
	if indexing.Assign([][]float64{{5}}, [][]float64{{math.Inf(1)}, {9}}, of[:1]); of[0] != 1 {
		t.Errorf("cluster %d, want 1", of[0])
	}
}

func TestCentroids(t *testing.T) {
	t.Parallel()
	got := indexing.Centroids([][]float64{{1, 2}, {3, 6}, {8, 8}}, []int{0, 0, 2}, 3)
	want := [][]float64{{2, 4}, {math.Inf(1), math.Inf(1)}, {8, 8}}
	if diff := cmp.Diff(want, got, nearly); diff != "" {
		t.Errorf("centroids (-want +got):\n%s", diff)
	}
}

// TestClustersAreOrderedAlongTheirWidestColumn: with every seed, equal rows are one cluster and the
// clusters are in order.
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
		// There are at most k clusters, although there are more different rows.
		of, centers = indexing.Cluster([][]float64{{0}, {1}, {50}, {51}, {100}, {101}}, 3, seed)
		if len(centers) != 3 || !slices.IsSorted(of) {
			t.Errorf("seed %d: clusters %v around %v", seed, of, centers)
		}
	}
}

func TestWidestColumn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rows [][]float64
		want int
	}{
		{[][]float64{{0, 0}, {1, 1}}, 0}, // the first of equals
		{[][]float64{{0, 0}, {1, 2}}, 1},
		{[][]float64{{-3, 9}, {1, 9}}, 0},
		{[][]float64{{5, 7, 9}}, 0},
	} {
		if got := indexing.WidestColumn(c.rows); got != c.want {
			t.Errorf("widest column of %v = %d, want %d", c.rows, got, c.want)
		}
	}
}

// TestLeadingVectorsByHand: the largest eigenvalue comes first, and the largest entry of each
// vector is positive, with every seed.
func TestLeadingVectorsByHand(t *testing.T) {
	t.Parallel()
	root := math.Sqrt2
	length := math.Hypot(1, root-1)
	for _, c := range []struct {
		name        string
		matrix      [][]float64
		k           int
		vectors     [][]float64
		eigenvalues []float64
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
			vectors, eigenvalues := indexing.LeadingVectors(c.matrix, c.k, seed)
			if diff := cmp.Diff(c.vectors, vectors, nearly); diff != "" {
				t.Errorf("%s, seed %d: vectors (-want +got):\n%s", c.name, seed, diff)
			}
			if diff := cmp.Diff(c.eigenvalues, eigenvalues, nearly); diff != "" {
				t.Errorf("%s, seed %d: eigenvalues (-want +got):\n%s", c.name, seed, diff)
			}
		}
	}
	// The vectors of a singular matrix beyond its rank are zeros, not rounding errors.
	vectors, eigenvalues := indexing.LeadingVectors([][]float64{{3, 0, 0}, {0, 0, 0}, {0, 0, 0}}, 3, 1)
	if diff := cmp.Diff([]float64{3, 0, 0}, eigenvalues, nearly); diff != "" || vectors[0][0] < 1-1e-9 {
		t.Errorf("vectors %v, eigenvalues %v; want one of length 1 with eigenvalue 3, and zeros", vectors, eigenvalues)
	}
}
