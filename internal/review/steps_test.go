package review_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
	"rdrec/internal/review"
)

// TestProgressNamesTheSteps: progress names each step once, in order.
func TestProgressNamesTheSteps(t *testing.T) {
	var got []string
	importer := review.Importer{
		Options: options(writeFile(t, "few.json", jsonLines([]string{"a x 1", "a y 2", "a z 3"}))),
		Seed:    1, Dir: t.TempDir(),
		Progress: func(p review.Progress) { got = append(got, fmt.Sprint(p.Step, p.Rows)) },
	}
	if _, err := importer.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"load0", "check rows0", "sample0", "quarantine0", "deduplicate0", "core0", "assign ids0", "titles0",
		"explain0", "write0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

// TestFoldersAreNotRead: a folder is not an input file, and a pattern skips folders.
func TestFoldersAreNotRead(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "a.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := review.Import(t.Context(), options(filepath.Join(dir, "a.json")), 1, t.TempDir())
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder: %v, want %v", err, os.ErrNotExist)
	}
	rows := []byte(jsonLines([]string{"a x 1", "a y 2", "a z 3"}))
	if err := os.WriteFile(filepath.Join(dir, "b.json"), rows, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, sum := importInto(t, options(filepath.Join(dir, "*.json"))); sum.Rows != 3 {
		t.Errorf("%+v, want the three rows of b.json", sum)
	}
}

// TestSeparators: the separator is the mark that is most frequent in the header, the comma in a
// tie.
func TestSeparators(t *testing.T) {
	for name, text := range map[string]string{
		"comma":     "user,item,time\na,x,1\n",
		"tab":       "user\titem\ttime\na\tx\t1\n",
		"semicolon": "user;item;time\na;x;1\n",
		"bar":       "user|item|time\na|x|1\n",
		"equals":    "user,item,time,a;b;c;d\na,x,1,2\n",
	} {
		rows, err := review.ReadFile(writeFile(t, name+".csv", text), "csv")
		want := []review.Row{{Line: 2, Values: map[string]string{"user": "a", "item": "x", "time": "1"}}}
		if diff := cmp.Diff(want, rows); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

// TestUnitsOfTime: numbers below 1e11 are seconds, below 1e14 milliseconds, below 1e17
// microseconds, else nanoseconds.
func TestUnitsOfTime(t *testing.T) {
	lines := ""
	for i, value := range []string{
		"-5", "7.9", "100000000000", "99999999999", "99999999999999", "100000000000000", "99999999999999999",
		"100000000000000000", `"1970-01-02"`, `"1970-01-01T00:00:09Z"`, `"01 2, 1970"`,
	} {
		lines += fmt.Sprintf(`{"reviewerID": "a", "asin": "i%d", "unixReviewTime": %s}`+"\n", i, value)
	}
	dir, _ := importInto(t, options(writeFile(t, "units.json", lines)))
	d := read(t, dir)
	got := map[string]int64{}
	for i, item := range d.Users[0].Items {
		got[d.ItemIDs[item-1]] = d.Users[0].Times[i]
	}
	want := map[string]int64{
		"i0": -5, "i1": 7, "i2": 100000000, "i3": 99999999999, "i4": 99999999999, "i5": 100000000, "i6": 99999999999,
		"i7": 100000000, "i8": 86400, "i9": 9, "i10": 86400,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("seconds (-want +got):\n%s", diff)
	}
}

// TestRatingsAndDaysAreInclusive: a rating of exactly min_rating counts, and so do both days until
// their last second.
func TestRatingsAndDaysAreInclusive(t *testing.T) {
	lines := ""
	for i, rating := range []string{"3.9", "4", "4.0", "5", "null", `""`, "4"} {
		lines += fmt.Sprintf(`{"reviewerID": "a", "asin": "i%d", "unixReviewTime": %d, "overall": %s}`+"\n",
			i, i, rating)
	}
	for _, c := range []struct {
		least float64
		want  []string
	}{
		{0, []string{"i0", "i1", "i2", "i3", "i4", "i5", "i6"}},
		{4, []string{"i1", "i2", "i3", "i6"}},
		{3.9, []string{"i0", "i1", "i2", "i3", "i6"}},
	} {
		opts := options(writeFile(t, "ratings.json", lines))
		opts.MinRating = c.least
		dir, sum := importInto(t, opts)
		if diff := cmp.Diff(c.want, shopSequences(read(t, dir))["a"]); diff != "" || sum.Filtered != 7-len(c.want) {
			t.Errorf("min_rating %g: %d filtered (-want +got):\n%s", c.least, sum.Filtered, diff)
		}
	}
	// 2020-01-02 begins at 1577923200 and 2020-01-04 ends before 1578182400.
	events := []string{"a u 1577923199", "a v 1577923200", "a w 1578000000", "a x 1578182399", "a y 1578182400"}
	opts := options(writeFile(t, "days.json", jsonLines(events)))
	opts.From, opts.To = "2020-01-02", "2020-01-04"
	dir, sum := importInto(t, opts)
	if diff := cmp.Diff([]string{"v", "w", "x"}, shopSequences(read(t, dir))["a"]); diff != "" || sum.Filtered != 2 {
		t.Errorf("days: %d filtered (-want +got):\n%s", sum.Filtered, diff)
	}
	opts.To = "2020-01-02" // one day
	if _, err := review.Import(context.Background(), opts, 1, t.TempDir()); !errors.Is(err, review.ErrData) {
		t.Errorf("one day with two reviews: %v, want %v", err, review.ErrData)
	}
}

// TestBadRowsUpToMaxBad: exactly max_bad of the rows may be bad; the error shows the first five.
func TestBadRowsUpToMaxBad(t *testing.T) {
	lines := jsonLines([]string{"a x 1", "a y 2", "a z 3"})
	for _, c := range []struct {
		bad    int
		most   float64
		passes bool
	}{{0, 0, true}, {1, 0.25, true}, {1, 0.2499, false}, {3, 0.5, true}, {6, 0.5, false}} {
		opts := options(writeFile(t, "bad.json", lines+strings.Repeat("no JSON\n", c.bad)))
		opts.MaxBad = c.most
		_, err := review.Import(context.Background(), opts, 1, t.TempDir())
		if (err == nil) != c.passes {
			t.Errorf("%d bad rows at max_bad %g: %v, passes %t", c.bad, c.most, err, c.passes)
		}
		var many *review.TooManyBadError
		if !c.passes && (!errors.As(err, &many) || len(many.First) != min(5, c.bad) || many.First[0].Line != 4) {
			t.Errorf("%d bad rows: %v; want the first %d, from line 4", c.bad, err, min(5, c.bad))
		}
	}
}

// TestFirstOfEqualReviewsWins: of several reviews of one item the earliest is kept, of equal times
// the first in the files.
func TestFirstOfEqualReviewsWins(t *testing.T) {
	row := func(item string, second int, text string) string {
		return fmt.Sprintf(`{"reviewerID": "a", "asin": %q, "unixReviewTime": %d, "summary": %q}`+"\n",
			item, second, text)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"b.json": row("x", 5, "second file") + row("w", 1, "earlier words"),
		"a.json": row("x", 5, "first words") + row("x", 5, "second words") + row("w", 2, "later words") +
			row("y", 7, "some words"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	opts := options(filepath.Join(dir, "*.json"))
	opts.Extractor = "summary"
	out, _ := importInto(t, opts)
	var got []string
	d := read(t, out)
	for _, split := range [][]dataset.Explanation{d.Explanations.Train, d.Explanations.Val, d.Explanations.Test} {
		for _, e := range split {
			got = append(got, d.ItemIDs[e.Item-1]+": "+e.Explanation)
		}
	}
	if diff := cmp.Diff([]string{"w: earlier words", "x: first words", "y: some words"}, got); diff != "" {
		t.Errorf("explanations (-want +got):\n%s", diff)
	}
}

// TestCoresAreInclusive: a user or item with exactly as many interactions as the core stays.
func TestCoresAreInclusive(t *testing.T) {
	events := []string{ // x, y and z have three users, w has one
		"a x 1", "a y 2", "a z 3", "b x 1", "b y 2", "b z 3", "b w 4", "c x 1", "c y 2", "c z 3",
	}
	for _, c := range []struct {
		users, items int
		want         dataset.ImportSummary
	}{
		{3, 1, dataset.ImportSummary{Users: 3, Items: 4, Interactions: 10}},
		{3, 2, dataset.ImportSummary{Users: 3, Items: 3, Interactions: 9, Sparse: 1, Rounds: 1}},
		{3, 3, dataset.ImportSummary{Users: 3, Items: 3, Interactions: 9, Sparse: 1, Rounds: 1}},
		{4, 1, dataset.ImportSummary{Users: 1, Items: 4, Interactions: 4, Sparse: 6, Rounds: 1}},
	} {
		opts := options(writeFile(t, "core.json", jsonLines(events)))
		opts.UserCore, opts.ItemCore = c.users, c.items
		_, got := importInto(t, opts)
		c.want.Rows, c.want.OddTimes = 10, 10 // the times are 1 to 4: seconds of 1970
		c.want.Language, c.want.Unexplained = "en", map[string]int{"no text": c.want.Interactions}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("cores %d and %d (-want +got):\n%s", c.users, c.items, diff)
		}
	}
	opts := options(writeFile(t, "core.json", jsonLines(events)))
	opts.ItemCore = 4
	if _, err := review.Import(context.Background(), opts, 1, t.TempDir()); !errors.Is(err, review.ErrData) {
		t.Errorf("item core 4: %v, want %v", err, review.ErrData)
	}
}

// TestUserIDsDependOnTheSeed: the orders of the MD5 sums of "user:<seed>:<id>" and
// "item:<seed>:<id>" were computed by another program.
func TestUserIDsDependOnTheSeed(t *testing.T) {
	var events []string
	for i, user := range []string{"ann", "bob", "cat", "dan", "eve"} {
		for j, item := range []string{"v", "w", "x", "y", "z"} {
			events = append(events, fmt.Sprintf("%s %s %d", user, item, 10*i+j))
		}
	}
	path := writeFile(t, "few.json", jsonLines(events))
	for seed, want := range map[int64][2]string{
		1: {"eve dan ann bob cat", "x v z w y"},
		2: {"dan cat eve ann bob", "w y x z v"},
	} {
		dir := t.TempDir()
		if _, err := review.Import(context.Background(), options(path), seed, dir); err != nil {
			t.Fatal(err)
		}
		d := read(t, dir)
		if got := [2]string{strings.Join(d.UserIDs, " "), strings.Join(d.ItemIDs, " ")}; got != want {
			t.Errorf("seed %d: users and items %q, want %q", seed, got, want)
		}
	}
}

// TestFirstTitleWins: of several titles of one item, the first that is not blank is kept.
func TestFirstTitleWins(t *testing.T) {
	opts := options(writeFile(t, "few.json", jsonLines([]string{"a x 1", "a y 2", "a z 3"})))
	opts.Metadata = writeFile(t, "meta.jsonl", strings.Join([]string{
		`{"asin": "x", "title": "Soap"}`, `{"asin": "y", "title": "  "}`, `{"asin": "x", "title": "A later soap"}`,
		`{"asin": "y", "title": "Comb"}`, `{"asin": "z"}`, "",
	}, "\n"))
	dir, sum := importInto(t, opts)
	d := read(t, dir)
	got := map[string]string{}
	for i, id := range d.ItemIDs {
		got[id] = d.Titles[i]
	}
	if diff := cmp.Diff(map[string]string{"x": "Soap", "y": "Comb", "z": ""}, got); diff != "" || sum.Titles != 2 {
		t.Errorf("%d titles (-want +got):\n%s", sum.Titles, diff)
	}
}

// TestTheOrderOfTheRowsDoesNotMatter imports rows of different times in three orders.
func TestTheOrderOfTheRowsDoesNotMatter(t *testing.T) {
	var lines []string
	for u := range 12 {
		for i := range 5 {
			lines = append(lines, fmt.Sprintf(
				`{"reviewerID": "u%d", "asin": "i%d", "unixReviewTime": %d, `+
					`"reviewText": "The scent of number %d is nice."}`+"\n",
				u, (u*3+i)%9, 100*u+i, 10*u+i))
		}
	}
	want, sum := importInto(t, options(writeFile(t, "rows.json", strings.Join(lines, ""))))
	if sum.Explanations != 60 || sum.Features == 0 {
		t.Fatalf("%+v: there is nothing to compare", sum)
	}
	mixed := slices.Clone(lines)
	slices.SortFunc(mixed, func(a, b string) int { return strings.Compare(a[len(a)-20:], b[len(b)-20:]) })
	slices.Reverse(lines)
	for name, rows := range map[string][]string{"backwards": lines, "mixed": mixed} {
		got, _ := importInto(t, options(writeFile(t, "rows.json", strings.Join(rows, ""))))
		if diff := cmp.Diff(digests(t, want), digests(t, got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestPagesReturnEachRowOnce: with every page size, each row comes once and in order.
func TestPagesReturnEachRowOnce(t *testing.T) {
	for _, c := range []struct{ last, step int }{
		{0, 3}, {1, 3}, {2, 3}, {3, 3}, {4, 3}, {6, 3}, {7, 3}, {5, 1}, {3, 0},
	} {
		var want []int
		for n := 1; n <= c.last; n++ {
			want = append(want, n)
		}
		got, err := review.Pages(t.Context(), t.TempDir(), c.last, c.step)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("1 to %d in pages of %d (-want +got):\n%s", c.last, c.step, diff)
		}
	}
}
