package indexing_test

import (
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
	"rdrec/internal/indexing"
	"rdrec/internal/spec"
)

// TestResidualCodesByHand: the first code is the column of a grid, the second the row in it, and
// the last distinguishes equal points.
func TestResidualCodesByHand(t *testing.T) {
	t.Parallel()
	rows := [][]float64{{0, 0}, {100, 0}, {0, 1}, {100, 1}, {0, 0}}
	for _, quantizer := range []string{"residual", "product"} {
		settings := spec.Codes{Quantizer: quantizer, Levels: 2, Width: 2}
		got, largest, ok := indexing.QuantizeVectors(rows, settings, 1)
		column, row := got[0][0], got[0][1]
		want := [][]int{
			{column, row, 0}, {1 - column, row, 0}, {column, 1 - row, 0}, {1 - column, 1 - row, 0}, {column, row, 1},
		}
		if diff := cmp.Diff(want, got); diff != "" || largest != 2 || !ok {
			t.Errorf("%s: largest %d, %t (-want +got):\n%s", quantizer, largest, ok, diff)
		}
	}
}

// TestFullCodesOverflowToTheNearest: three equal rows do not fit into two last codes.
func TestFullCodesOverflowToTheNearest(t *testing.T) {
	t.Parallel()
	settings := spec.Codes{Quantizer: "residual", Levels: 1, Width: 2}
	got, largest, ok := indexing.QuantizeVectors([][]float64{{0}, {0}, {0}, {9}}, settings, 1)
	near, far := got[0][0], 1-got[0][0]
	want := [][]int{{near, 0}, {near, 1}, {far, 0}, {far, 1}}
	if diff := cmp.Diff(want, got); diff != "" || largest != 2 || !ok {
		t.Errorf("largest %d, %t (-want +got):\n%s", largest, ok, diff)
	}
	if _, _, ok := indexing.QuantizeVectors([][]float64{{0}, {0}, {0}, {0}, {0}}, settings, 1); ok {
		t.Error("five equal rows fit into two codes with two last codes each")
	}
}

// TestVectorsByHand: soap and comb are always bought together, oil and gel too, so the two pairs
// have one direction each.
func TestVectorsByHand(t *testing.T) {
	t.Parallel()
	d := shop("soap comb oil gel")
	d.Users = []dataset.User{
		{ID: 1, Items: []int{1, 2, 3, 4}}, {ID: 2, Items: []int{3, 4, 1, 2}}, {ID: 3, Items: []int{2, 1, 4, 3}},
	}
	settings := spec.DefaultCodes()
	settings.Dimensions = 2
	got := indexing.PartVectors(d, settings, 1)
	for _, pair := range [][2]int{{0, 1}, {2, 3}} {
		if along := inner(got[pair[0]], got[pair[1]]); math.Abs(along-1) > 1e-6 {
			t.Errorf("items %d and %d have the cosine %v, want 1", pair[0]+1, pair[1]+1, along)
		}
	}
	if along := inner(got[0], got[2]); math.Abs(along) > 1e-6 {
		t.Errorf("items 1 and 3 have the cosine %v, want 0", along)
	}
}

func inner(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

// TestCodesAreValidAndSharedByAlikeItems writes and reads the codes, which checks them.
func TestCodesAreValidAndSharedByAlikeItems(t *testing.T) {
	t.Parallel()
	for _, row := range spec.Indexings() {
		if !row.Codes {
			continue
		}
		d, dir := few(t), t.TempDir()
		d.Titles = titles(d)
		apply(t, d, row.Name, 1)
		if err := dataset.Write(dir, d); err != nil {
			t.Fatal(err)
		}
		if _, err := dataset.Read(os.DirFS(dir), row.Name); err != nil {
			t.Errorf("%s: %v", row.Name, err)
		}
		first := map[int]int{}
		for _, codes := range d.Codes.Items {
			first[codes[0]]++
		}
		if len(first) < 5 || len(first) > 32 {
			t.Errorf("%s: %d different first codes of %d items", row.Name, len(first), d.Items)
		}
	}
	d := apply(t, few(t), spec.ItemCodes, 1)
	apply(t, d, spec.Random, 1)
	if d.Codes != nil {
		t.Error("an indexing without codes keeps those of an earlier one")
	}
}

// departments returns the data of a shop with three departments of twelve items, whose users buy in
// one department only. Where extended, the second has one more item, and one item was never bought.
func departments(extended bool) *dataset.Dataset {
	items := 36
	if extended {
		items = 38
	}
	d := shop(letters(items))
	for user := range 60 {
		u := dataset.User{ID: user + 1}
		for i := range 5 {
			u.Items = append(u.Items, user%3*12+(user*(i+1)+i)%12+1)
		}
		if extended && user%3 == 1 && user%2 == 0 {
			u.Items = append([]int{37}, u.Items...)
		}
		d.Users = append(d.Users, u)
		d.UserIDs = append(d.UserIDs, strconv.Itoa(u.ID))
	}
	return d
}

// TestNewItemsTakeTheCodesOfTheirLike adds an item that is bought in one department.
func TestNewItemsTakeTheCodesOfTheirLike(t *testing.T) {
	t.Parallel()
	for _, name := range []string{spec.ItemCodes, spec.CollaborativeCodes} {
		old, d := departments(false), departments(true)
		settings := smallCodes()
		settings.Dimensions, settings.Width, settings.Levels = 3, 16, 1
		if _, err := indexing.Apply(old, name, settings, 1); err != nil {
			t.Fatal(err)
		}
		if err := d.KeepIDs(old); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := indexing.KeepCodes(d, old.Codes, name, *settings, 1); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(old.Codes.Items, d.Codes.Items[:36]); diff != "" {
			t.Errorf("%s: old codes change:\n%s", name, diff)
		}
		added, firsts := d.Codes.Items[36], map[int]bool{}
		for item := range 36 {
			number, err := strconv.Atoi(d.ItemIDs[item][1:])
			if err != nil {
				t.Fatal(err)
			}
			if codes := d.Codes.Items[item]; codes[0] == added[0] {
				firsts[(number-1)/12] = true
			}
		}
		if diff := cmp.Diff(map[int]bool{1: true}, firsts); diff != "" {
			t.Errorf("%s: the first code of the new item is shared in the departments (-want +got):\n%s", name, diff)
		}
		dir := t.TempDir()
		if err := dataset.Write(dir, d); err != nil {
			t.Fatal(err)
		}
		if _, err := dataset.Read(os.DirFS(dir), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKeepCodesNeedsRoom(t *testing.T) {
	t.Parallel()
	d := shop("soap comb oil")
	old := &dataset.Codes{Widths: []int{2}, Items: [][]int{{0}, {1}}}
	err := indexing.KeepCodes(d, old, spec.ItemCodes, *smallCodes(), 1)
	if err == nil || !strings.Contains(err.Error(), "item 3: all codes are in use") {
		t.Error(err)
	}
}
