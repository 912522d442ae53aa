package dataset_test

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
)

// TestThreeItemsCanBeSplit: the shortest sequence with something to train on, to validate on and to
// test on.
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
			t.Errorf("%v: train %v, valid %d, test %d; want %v, %d and %d", c.items, u.TrainItems(), u.ValidationItem(), u.TestItem(), c.train,
				c.valid, c.test)
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

func TestHalfARationaleIsOne(t *testing.T) {
	for _, c := range []struct {
		e    dataset.Explanation
		want bool
	}{{dataset.Explanation{}, false}, {
		dataset.Explanation{Preference: "p"},
		true,
	}, {dataset.Explanation{Attribution: "a"}, true}} {
		d := dataset.Dataset{Explanations: dataset.Splits{Train: []dataset.Explanation{{}, c.e}}}
		if c.e.HasRationale() != c.want || d.HasRationales() != c.want {
			t.Errorf("%+v has a rationale: %t, its dataset: %t; want %t", c.e, c.e.HasRationale(), d.HasRationales(), c.want)
		}
	}
	one := []dataset.Explanation{{Preference: "p"}}
	for name, splits := range map[string]dataset.Splits{
		"train": {Train: one}, "val": {Val: one}, "test": {Test: one},
		"none": {},
	} {
		d := dataset.Dataset{Explanations: splits}
		if d.HasExplanations() != (name != "none") || d.HasRationales() != (name == "train") {
			t.Errorf("%s: has explanations %t, rationales for training %t", name, d.HasExplanations(), d.HasRationales())
		}
	}
}

// TestNegativesAreDrawnFromSeedAndUser draws each user's from a generator of (seed, user), whoever
// else is there.
func TestNegativesAreDrawnFromSeedAndUser(t *testing.T) {
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

// TestAsManyNegativesAsThereAre: all unseen items can be asked for, one more cannot. An item that
// was bought twice is one seen item.
func TestAsManyNegativesAsThereAre(t *testing.T) {
	d := &dataset.Dataset{Name: "tiny", Items: 6, Users: []dataset.User{{ID: 1, Items: []int{2, 2, 5}}}}
	if err := d.FillNegatives(4, 3); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{1, 3, 4, 6}, slices.Sorted(slices.Values(d.Negatives[1]))); diff != "" {
		t.Errorf("negatives (-want +got):\n%s", diff)
	}
	d.Negatives = nil
	if err := d.FillNegatives(5, 3); err == nil ||
		!strings.Contains(err.Error(), "user 1 has seen 2 of 6 items, so only 4 are left where 5") {
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
		t.Errorf("nobody: %+v, want %+v", got, want)
	}
	const inWords = "3 users, 5 items, 9 interactions (density 0.6), 6 explanations, 2 rationales"
	if got := d.Stats().String(); got != inWords {
		t.Errorf("in words %q, want %q", got, inWords)
	}
}

// TestMessagesAreShortened: 20 faults, 60 runes of a value, 5 examples of what is missing.
func TestMessagesAreShortened(t *testing.T) {
	read := func(files map[string]string) string {
		_, err := dataset.Read(folder(files), "tiny")
		if err == nil {
			t.Fatalf("%v: no error", files)
		}
		return err.Error()
	}
	lines := func(n int) string { return "1 1 2\n2 1 2\n" + strings.Repeat("3 y\n", n) }
	if got := read(map[string]string{"sequential.txt": lines(20)}); strings.Contains(got, "more faults") ||
		strings.Count(got, "\n") != 19 {
		t.Errorf("20 faults: %s", got)
	}
	if got := read(map[string]string{"sequential.txt": lines(21)}); !strings.HasSuffix(got, "and 1 more faults") ||
		strings.Count(got, "\n") != 20 {
		t.Errorf("21 faults: %s", got)
	}
	for n, want := range map[int]string{60: `"` + strings.Repeat("é", 60) + `" is not`, 61: `"` +
		strings.Repeat("é", 60) + `"... is not`} {
		if got := read(map[string]string{"sequential.txt": "1 " + strings.Repeat("é", n) +
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

// TestIDsAtTheirEnds: 1 and the last are ids, what lies beside them is not.
func TestIDsAtTheirEnds(t *testing.T) {
	explained := func(record string) map[string]string {
		return map[string]string{"explanation.json": `{"train": [` + record + `], "val": [], "test": []}`}
	}
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"user 0":  {map[string]string{"sequential.txt": "0 1 2\n1 1 2\n2 3 4\n"}, "sequential.txt:1: user 0 is not in"},
		"user -1": {map[string]string{"sequential.txt": "1 1 2\n2 3 4\n-1 1 2\n"}, "sequential.txt:3: user -1 is not in"},
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
		"time of nobody": {
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
		"id from nought": {
			map[string]string{"datamaps.json": `{"id2user": {"0": "a", "1": "b"}, "id2item": {"1": "w"}}`},
			"but not those of: [2]",
		},
		"no users at all": {
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

// TestFirstChoiceOfFiles: the plain file before the packed one, rationales before explanations,
// titles before keywords.
func TestFirstChoiceOfFiles(t *testing.T) {
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
	want := []dataset.Explanation{{User: 2, Item: 3, Explanation: "soft", Preference: "p", Attribution: "a", Rating: "5"}}
	if diff := cmp.Diff(want, d.Explanations.Train); diff != "" {
		t.Errorf("explanations (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"soap", "", "", "comb"}, d.Titles); diff != "" {
		t.Errorf("titles (-want +got):\n%s", diff)
	}
}

// TestJSONAsPythonWritesIt has the characters at the ends of what is written as it is, and each of
// the short escapes. The expected bytes are those of Python's json.dumps(..., indent=1).
func TestJSONAsPythonWritesIt(t *testing.T) {
	d := &dataset.Dataset{
		Items: 1, UserIDs: []string{" ~\x7f\x1f\b\f\n\r\t"}, ItemIDs: []string{"é\uffff\U00010000\U0010ffff/\\\""},
		Users: []dataset.User{{ID: 1, Items: []int{1}}},
		Explanations: dataset.Splits{
			Train: []dataset.Explanation{{User: 1, Item: 1, Explanation: "x", Preference: "p", Rating: "4.0"}},
		},
	}
	out := t.TempDir()
	if err := dataset.Write(out, d); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"datamaps.json": "{\n \"id2user\": {\n  \"1\": \" ~\\u007f\\u001f\\b\\f\\n\\r\\t\"\n },\n" +
			" \"id2item\": {\n  \"1\": \"\\u00e9\\uffff\\ud800\\udc00\\udbff\\udfff/\\\\\\\"\"\n }\n}",
		"explanation.json": "{\n \"train\": [\n  {\n   \"user\": 1,\n" +
			"   \"item\": 1,\n   \"explanation\": \"x\",\n   \"feature\": \"\",\n" +
			"   \"rating\": 4.0\n  }\n ],\n \"val\": [],\n \"test\": []\n}",
		"explanation_rationale.json": "{\n \"train\": [\n  {\n   \"user\": 1,\n" +
			"   \"item\": 1,\n   \"explanation\": \"x\",\n   \"feature\": \"\",\n" +
			"   \"user_preference\": \"p\",\n   \"item_attribution\": \"\",\n" +
			"   \"rating\": 4.0\n  }\n ],\n \"val\": [],\n \"test\": []\n}",
		"sequential.txt": "1 1\n",
	} {
		if diff := cmp.Diff(want, unpack(t, out, name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for _, name := range []string{"times.txt", "negative.txt", "titles.json"} {
		if _, err := os.Stat(filepath.Join(out, name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s was written of nothing: %v", name, err)
		}
	}
}

// TestAFileThatFailsIsNotLeftBehind: the error of the writer comes back with the file's name.
func TestAFileThatFailsIsNotLeftBehind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	broken := errors.New("broken")
	err := dataset.Create(path, func(w *bufio.Writer) error {
		_, err := w.WriteString("half")
		return errors.Join(err, broken)
	})
	if !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "file: ") {
		t.Errorf("error %v, want %v of file", err, broken)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is there: %v", err)
	}
}

// TestStreamsEndAtTheirFirstError whichever file they are for.
func TestStreamsEndAtTheirFirstError(t *testing.T) {
	broken := errors.New("broken")
	ids := func(yield func(string, error) bool) { _ = yield("a", nil) && yield("", broken) }
	good := func(yield func(string, error) bool) { yield("a", nil) }
	users := func(yield func(dataset.User, error) bool) { yield(dataset.User{}, broken) }
	said := func(yield func(dataset.Explanation, error) bool) { yield(dataset.Explanation{}, broken) }
	silent := func(func(dataset.Explanation, error) bool) {}
	titles := func(yield func([2]string, error) bool) { yield([2]string{}, broken) }
	for name, source := range map[string]dataset.Source{
		"users' ids":  {UserIDs: ids, ItemIDs: good},
		"items' ids":  {UserIDs: good, ItemIDs: ids},
		"sequences":   {Users: users},
		"times":       {Times: users},
		"negatives":   {Negatives: users},
		"for testing": {Train: silent, Val: silent, Test: said},
		"titles":      {Titles: titles},
	} {
		dir := t.TempDir()
		if err := dataset.Stream(dir, source); !errors.Is(err, broken) {
			t.Errorf("%s: %v, want %v", name, err, broken)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
			t.Errorf("%s: left %v, %v", name, left, err)
		}
	}
}

// TestExplanationsOfAUserKeepTheirOrder when numbers are kept: there are more of them than a sort
// that is not stable leaves in order.
func TestExplanationsOfAUserKeepTheirOrder(t *testing.T) {
	old := &dataset.Dataset{UserIDs: []string{"ann", "bob"}, ItemIDs: []string{"soap"}, Items: 1}
	d := &dataset.Dataset{UserIDs: []string{"bob", "ann"}, ItemIDs: []string{"soap"}, Items: 1}
	var want []string
	for i := range 40 {
		d.Explanations.Val = append(d.Explanations.Val, dataset.Explanation{
			User: 1 + i%2, Item: 1,
			Explanation: fmt.Sprint(i),
		})
	}
	for _, user := range []int{1, 0} { // ann's are those of odd places
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
