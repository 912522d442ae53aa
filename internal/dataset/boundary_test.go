package dataset_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
)

// TestThreeItemsCanBeSplit: the shortest sequence with an item each to train, validate and test on.
func TestThreeItemsCanBeSplit(t *testing.T) {
	for _, c := range []struct {
		items, train []int
		valid, test  int
	}{
		{nil, nil, 0, 0},
		{[]int{5}, nil, 0, 0},
		{[]int{5, 6}, nil, 0, 0},
		{[]int{5, 6, 7}, []int{5}, 6, 7},
		{[]int{5, 6, 7, 8}, []int{5, 6}, 7, 8},
	} {
		u := dataset.User{Items: c.items}
		if !slices.Equal(u.TrainItems(), c.train) || u.ValidationItem() != c.valid || u.TestItem() != c.test {
			t.Errorf("%v: train %v, validation %d, test %d; want %v, %d and %d",
				c.items, u.TrainItems(), u.ValidationItem(), u.TestItem(), c.train, c.valid, c.test)
		}
	}
}

func TestTitleOfAnItem(t *testing.T) {
	full := &dataset.Dataset{Items: 3, ItemIDs: []string{"i1", "i2", "i3"}, Titles: []string{"Soap", "", "Comb"}}
	short := &dataset.Dataset{Items: 3, ItemIDs: []string{"i1", "i2"}, Titles: []string{"Soap"}}
	for _, c := range []struct {
		d    *dataset.Dataset
		want []string // of items 0 to 4
	}{
		{full, []string{"", "Soap", "i2", "Comb", ""}}, {short, []string{"", "Soap", "i2", "", ""}},
	} {
		var got []string
		for item := range 5 {
			got = append(got, c.d.Title(item))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("titles (-want +got):\n%s", diff)
		}
	}
}

func TestHalfARationaleCounts(t *testing.T) {
	for _, c := range []struct {
		e    dataset.Explanation
		want bool
	}{{dataset.Explanation{}, false}, {
		dataset.Explanation{Preference: "p"},
		true,
	}, {dataset.Explanation{Attribution: "a"}, true}} {
		d := dataset.Dataset{Explanations: dataset.Splits{Train: []dataset.Explanation{{}, c.e}}}
		if c.e.HasRationale() != c.want || d.HasRationales() != c.want {
			t.Errorf(
				"%+v has a rationale: %t, its dataset: %t; want %t", c.e, c.e.HasRationale(), d.HasRationales(), c.want,
			)
		}
	}
	one := []dataset.Explanation{{Preference: "p"}}
	for name, splits := range map[string]dataset.Splits{
		"train": {Train: one}, "val": {Val: one}, "test": {Test: one},
		"none": {},
	} {
		d := dataset.Dataset{Explanations: splits}
		if d.HasExplanations() != (name != "none") || d.HasRationales() != (name == "train") {
			t.Errorf(
				"%s: has explanations %t, rationales for training %t", name, d.HasExplanations(), d.HasRationales(),
			)
		}
	}
}

// TestNegativesDependOnSeedAndUserOnly samples each user's negatives from a generator of (seed,
// user), whatever other users there are.
func TestNegativesDependOnSeedAndUserOnly(t *testing.T) {
	users := []dataset.User{{ID: 1, Items: []int{1, 2, 3}}, {ID: 7, Items: []int{4, 4, 9}}}
	for _, seed := range []int64{1, 2} {
		want := map[int][]int{}
		for _, u := range users {
			random := rand.New(rand.NewPCG(uint64(seed), uint64(u.ID)))
			for len(want[u.ID]) < 5 {
				if item := 1 + random.IntN(20); !slices.Contains(u.Items, item) && !slices.Contains(want[u.ID], item) {
					want[u.ID] = append(want[u.ID], item)
				}
			}
		}
		for _, set := range [][]dataset.User{users, users[1:]} {
			d := &dataset.Dataset{Items: 20, Users: set}
			if err := d.FillNegatives(5, seed); err != nil {
				t.Fatal(err)
			}
			for _, u := range set {
				if diff := cmp.Diff(want[u.ID], d.Negatives[u.ID]); diff != "" {
					t.Errorf("seed %d, user %d of %d (-want +got):\n%s", seed, u.ID, len(set), diff)
				}
			}
		}
	}
}

// TestFillNegativesTakesAllUnseenItems: all unseen items can be requested, one more cannot. An item
// that was bought twice is one seen item.
func TestFillNegativesTakesAllUnseenItems(t *testing.T) {
	d := &dataset.Dataset{Name: "tiny", Items: 6, Users: []dataset.User{{ID: 1, Items: []int{2, 2, 5}}}}
	if err := d.FillNegatives(4, 3); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{1, 3, 4, 6}, slices.Sorted(slices.Values(d.Negatives[1]))); diff != "" {
		t.Errorf("negatives (-want +got):\n%s", diff)
	}
	d.Negatives = nil
	if err := d.FillNegatives(5, 3); err == nil ||
		!strings.Contains(err.Error(), "user 1 has seen 2 of 6 items, so only 4 remain, fewer than the 5") {
		t.Errorf("five negatives of four: %v", err)
	}
}

func TestStatsByHand(t *testing.T) {
	d := &dataset.Dataset{
		Items: 5, Titles: []string{"a", "", "b", "", ""},
		Users: []dataset.User{
			{ID: 1, Items: []int{1, 2, 3, 4}}, {ID: 2, Items: []int{1, 2}}, {ID: 3, Items: []int{1, 2, 3}}, {
				ID:    4,
				Items: []int{1, 2, 3, 4, 5},
			},
		},
		Negatives: map[int][]int{1: {5}, 2: {3, 4}, 3: {4, 5}, 4: {1, 2, 3}},
		Explanations: dataset.Splits{
			Train: []dataset.Explanation{
				{Feature: "f", Preference: "p"},
				{Feature: "g"},
			}, Val: []dataset.Explanation{{Feature: "f", Attribution: "a"}},
			Test: []dataset.Explanation{{}, {}, {}},
		},
	}
	want := dataset.Stats{
		Users: 4, Items: 5, Interactions: 14, Density: 0.7, Shortest: 2, Median: 4, Longest: 5, Short: 1,
		Train: 2, Val: 1, Test: 3, Rationales: 2, Features: 2, Negatives: 1, Titles: 2,
	}
	if diff := cmp.Diff(want, d.Stats()); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
	d.Users = d.Users[:3]
	if got := d.Stats(); got.Median != 3 || got.Negatives != 1 {
		t.Errorf("of three users: %+v, want median 3 and 1 negative", got)
	}
	delete(d.Negatives, 3)
	if got := d.Stats(); got.Negatives != 0 {
		t.Errorf("with a user without negatives: %d, want 0", got.Negatives)
	}
	if got, want := (&dataset.Dataset{Items: 3}).Stats(), (dataset.Stats{Items: 3}); got != want {
		t.Errorf("no users: %+v, want %+v", got, want)
	}
	const text = "3 users, 5 items, 9 interactions (density 0.6), 6 explanations, 2 rationales"
	if got := d.Stats().String(); got != text {
		t.Errorf("text %q, want %q", got, text)
	}
}

// TestMessagesAreTruncated: 20 problems, 60 runes of a value, 5 examples of missing ids.
func TestMessagesAreTruncated(t *testing.T) {
	read := func(files map[string]string) string {
		_, err := dataset.Read(folder(files), "tiny")
		if err == nil {
			t.Fatalf("%v: no error", files)
		}
		return err.Error()
	}
	lines := func(n int) string { return "1 1 2\n2 1 2\n" + strings.Repeat("3 y\n", n) }
	if got := read(map[string]string{"sequential.txt": lines(20)}); strings.Contains(got, "more problems") ||
		strings.Count(got, "\n") != 19 {
		t.Errorf("20 problems: %s", got)
	}
	if got := read(map[string]string{"sequential.txt": lines(21)}); !strings.HasSuffix(got, "and 1 more problems") ||
		strings.Count(got, "\n") != 20 {
		t.Errorf("21 problems: %s", got)
	}
	for n, want := range map[int]string{60: `"` + strings.Repeat("·", 60) + `" is not`, 61: `"` +
		strings.Repeat("·", 60) + `"... is not`} {
		if got := read(map[string]string{"sequential.txt": "1 " + strings.Repeat("·", n) +
			"\n2 2 3 4\n"}); !strings.Contains(got, want) {
			t.Errorf("a value of %d runes: %s, want %s", n, got, want)
		}
	}
	for n, want := range map[int]string{
		5: "without a sequence: [2 3 4 5 6]",
		6: "without a sequence: [2 3 4 5 6] and 1 more",
	} {
		users := `"1": "u1"`
		for id := 2; id <= n+1; id++ {
			users += fmt.Sprintf(`, "%d": "u%d"`, id, id)
		}
		got := read(map[string]string{
			"sequential.txt": "1 1 2 3\n", "datamaps.json": `{"id2user": {` + users +
				`}, "id2item": {"1": "w", "2": "x", "3": "y"}}`,
		})
		if !strings.HasSuffix(got, want) {
			t.Errorf("%d users without a sequence: %s, want %s", n, got, want)
		}
	}
}

// TestFirstAndLastIDs: 1 and the last are valid ids, the ones before and after are not.
func TestFirstAndLastIDs(t *testing.T) {
	explained := func(record string) map[string]string {
		return map[string]string{"explanation.json": `{"train": [` + record + `], "val": [], "test": []}`}
	}
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"user 0": {map[string]string{"sequential.txt": "0 1 2\n1 1 2\n2 3 4\n"}, "sequential.txt:1: user 0 is not in"},
		"user -1": {
			map[string]string{"sequential.txt": "1 1 2\n2 3 4\n-1 1 2\n"}, "sequential.txt:3: user -1 is not in",
		},
		"explained user 0": {
			explained(`{"user": 0, "item": 1, "explanation": "x"}`), "user 0 is not in",
		},
		"explained item 0": {
			explained(`{"user": 1, "item": 0, "explanation": "x"}`), "item 0 is not in",
		},
		"explained item 5": {
			explained(`{"user": 1, "item": 5, "explanation": "x"}`), "item 5 is not in",
		},
		"the last of both": {
			explained(`{"user": 2, "item": 4, "explanation": "x"}`), "",
		},
		"one item":    {map[string]string{"sequential.txt": "1 1\n2 4\n"}, ""},
		"equal times": {map[string]string{"times.txt": "1 5 5 5\n2 -9 -9 0\n"}, ""},
		"no time":     {map[string]string{"times.txt": "1 5 5 5\n"}, "users of sequential.txt without a line: [2]"},
		"times of an unknown user": {
			map[string]string{"times.txt": "1 5 5 5\n2 5 5 5\n3 1\n"},
			"times.txt:3: user 3 is not in sequential.txt",
		},
		"keywords": {map[string]string{"item_keywords.tsv": "1\tw\tsoap bar\n4\tz\tcomb\n"}, ""},
		"keywords of 0": {
			map[string]string{"item_keywords.tsv": "0\tw\tsoap bar\n"},
			"item_keywords.tsv:1: item 0 is not in",
		},
		"keywords of 5": {
			map[string]string{"item_keywords.tsv": "1\tw\tsoap bar\n5\tw\tsoap bar\n"},
			"item_keywords.tsv:2: item 5 is not in",
		},
		"other keywords": {map[string]string{"item_keywords.tsv": "1\tx\tsoap bar\n"}, `item 1 is "x" here and "w" in`},
		"two columns":    {map[string]string{"item_keywords.tsv": "1\tw\n"}, "got 2 columns"},
		"no number": {
			map[string]string{"item_keywords.tsv": "one\tw\tsoap\n"},
			`item_keywords.tsv:1: "one" is not a number`,
		},
		"ids from 0": {
			map[string]string{"datamaps.json": `{"id2user": {"0": "a", "1": "b"}, "id2item": {"1": "w"}}`},
			"but none for: [2]",
		},
		"no users": {
			map[string]string{"datamaps.json": `{"id2item": {"1": "w"}}`},
			"id2user (or user2id) is missing or empty",
		},
	} {
		d, err := dataset.Read(folder(c.files), "tiny")
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %s", name, err, c.want)
		case name == "keywords":
			if diff := cmp.Diff([]string{"soap bar", "", "", "comb"}, d.Titles); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
}

// TestPrecedenceOfFiles: the plain file before the packed one, rationales before explanations,
// titles before keywords.
func TestPrecedenceOfFiles(t *testing.T) {
	d, err := dataset.Read(folder(map[string]string{
		"sequential.txt.gz": "not even packed",
		"explanation_rationale.json": `{"train": [{"user": 2, "item": 3, "explanation": "soft",
			"user_preference": "p", "item_attribution": "a",
			"rating": 5}], "val": [], "test": []}`,
		"titles.json": `{"w": "soap", "z": "comb"}`, "item_keywords.tsv": "1\tw\tother words\n",
	}), "tiny")
	if err != nil {
		t.Fatal(err)
	}
	want := []dataset.Explanation{
		{User: 2, Item: 3, Explanation: "soft", Preference: "p", Attribution: "a", Rating: "5"},
	}
	if diff := cmp.Diff(want, d.Explanations.Train); diff != "" {
		t.Errorf("explanations (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"soap", "", "", "comb"}, d.Titles); diff != "" {
		t.Errorf("titles (-want +got):\n%s", diff)
	}
}

// TestKeepIDsKeepsTheOrderOfExplanations has more explanations than an unstable sort leaves in
// order.
func TestKeepIDsKeepsTheOrderOfExplanations(t *testing.T) {
	old := &dataset.Dataset{UserIDs: []string{"ann", "bob"}, ItemIDs: []string{"soap"}, Items: 1}
	d := &dataset.Dataset{UserIDs: []string{"bob", "ann"}, ItemIDs: []string{"soap"}, Items: 1}
	var want []string
	for i := range 40 {
		d.Explanations.Val = append(d.Explanations.Val, dataset.Explanation{
			User: 1 + i%2, Item: 1,
			Explanation: fmt.Sprint(i),
		})
	}
	for _, user := range []int{1, 0} { // ann's have odd indices
		for i := user; i < 40; i += 2 {
			want = append(want, fmt.Sprint(i))
		}
	}
	if err := d.KeepIDs(old); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range d.Explanations.Val {
		got = append(got, e.Explanation)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}
