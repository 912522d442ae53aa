package review_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rdrec/internal/dataset"
	"rdrec/internal/review"
	"rdrec/internal/spec"
)

const cases = "../../testdata/cases"

// situation is an input that people bring, and what is right.
type situation struct {
	name  string
	file  string // in testdata/cases
	set   func(*spec.Reviews)
	like  string // the file with the same reviews; empty for the baseline
	right string
}

func columns(pairs ...string) map[string]string {
	named := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		named[pairs[i]] = pairs[i+1]
	}
	return named
}

// situations returns the inputs of testdata/cases that concern the import of reviews.
func situations() []situation {
	const same = "60 rows, 0 bad; same events, same texts"
	const events = "60 rows, 0 bad; same events"
	utf8 := "08-encodings/utf8.csv"
	no := false
	return []situation{
		{name: "lines of 2018", file: "00-baseline/reviews.json", right: same},
		{name: "a JSON array over many lines", file: "01-json-array/pretty.json", right: same},
		{name: "a JSON array on one line", file: "01-json-array/oneline.json", right: same},
		{name: "a JSON array of 2018's objects", file: "01-json-array/reviews_array_amazon.json", right: same},
		{name: "JSON lines of Yelp, columns not named", file: "01-json-array/lines.json", right: same},
		{name: "MovieLens 1M (::)", file: "02-no-header/ratings.dat", right: events},
		{
			name: "MovieLens 100K (tabs, no header)", file: "02-no-header/u.data",
			set: func(o *spec.Reviews) { o.Header = &no }, right: events,
		},
		{
			name: "a table without header, columns by position", file: "02-no-header/ratings_Beauty.csv",
			set: func(o *spec.Reviews) {
				o.Columns = columns("user", "1", "item", "2", "rating", "3", "time", "4")
			}, right: events,
		},
		{
			name: "a table without header, no setting", file: "02-no-header/ratings_Beauty.csv",
			right: "refused: 1: data cannot be used: no column for user, item, time among 4 columns, but the first " +
				"line is not a header (--set data.reviews.header=false " +
				"--set data.reviews.columns='{user: 1, item: 2, rating: 3, time: 4}' reads such a table)",
		},
		{
			name: "item file of MovieLens", file: "03-metadata-names/ratings.csv",
			set:   func(o *spec.Reviews) { o.Metadata = filepath.Join(cases, "03-metadata-names/movies.csv") },
			right: events + "; 8 of 8 titles",
		},
		{name: "tabs, quotes open and close in other rows", file: "04-tsv-quotes/silent.tsv", right: same},
		{name: "tabs, text after a quote", file: "04-tsv-quotes/amazon_reviews_us.tsv", right: events},
		{name: "14-01-2014 12:00", file: "05-dates/dmy.csv", right: same},
		{name: "2014-01-14T12:00:00Z", file: "05-dates/isoz.csv", right: same},
		{name: "Tue, 14 Jan 2014 12:00:00 GMT", file: "05-dates/rfc.csv", right: same},
		{name: "2014/01/14", file: "05-dates/slash.csv", right: same},
		{name: "January 14, 2014", file: "05-dates/words.csv", right: same},
		{
			name: "20140114, from 2014-01-01 to 2014-12-31", file: "06-integer-dates/ymd.csv",
			set: func(o *spec.Reviews) { o.From, o.To = "2014-01-01", "2014-12-31" }, right: same,
		},
		{name: "NaN in a field that nobody needs", file: "07-nan/reviews.json", right: same},
		{
			name: "NaN in texts and in the item file", file: "07-nan/nan_text.json",
			set:   func(o *spec.Reviews) { o.Metadata = filepath.Join(cases, "07-nan/meta.json") },
			right: events + "; 8 of 8 titles",
		},
		{name: "nan in ratings", file: "07-nan/nan_rating.csv", right: same},
		{name: "UTF-16", file: "08-encodings/utf16.csv", like: utf8, right: same},
		{
			name: "Latin-1, encoding named", file: "08-encodings/latin1.csv", like: utf8,
			set: func(o *spec.Reviews) { o.Encoding = "latin-1" }, right: same,
		},
		{
			name: "Latin-1, no setting", file: "08-encodings/latin1.csv",
			right: "refused: 0: not UTF-8 (line 2): set encoding to the file's, such as windows-1252 (Western " +
				"Europe), " +
				"windows-1251, gb18030, big5, shift_jis or euc-kr",
		},
		{
			name: "item file in Latin-1, encoding named", file: utf8, like: utf8,
			set: func(o *spec.Reviews) {
				o.Metadata = filepath.Join(cases, "08-encodings/titles_latin1.csv")
				o.MetadataTable = &spec.Table{Encoding: "windows-1252"}
			},
			right: same + "; 8 of 8 titles",
		},
		{name: "gzip in gzip", file: "09-packing/twice.json.gz", right: same},
		{name: "zip", file: "09-packing/reviews.json.zip", right: same},
		{name: "zstd", file: "09-packing/reviews.json.zst", right: same},
		{name: "bzip2", file: "09-packing/reviews.json.bz2", right: same},
		{name: "xz", file: "09-packing/reviews.json.xz", right: same},
		{name: "Spark's folder", file: "23-spark-folder/out", right: same + "; 4 passed over"},
		{name: "Spark's folder as a pattern", file: "23-spark-folder/out/*", right: same + "; 4 passed over"},
		{
			name: "ratings to 10, from 7 on", file: "25-ratings-to-10/r.csv",
			set: func(o *spec.Reviews) { o.MinRating = 7 }, right: "60 rows, 0 bad, 36 filtered",
		},
		{
			name: "ratings to 10, from 11 on", file: "25-ratings-to-10/r.csv",
			set: func(o *spec.Reviews) { o.MinRating = 11 },
			right: "refused: check rows: data cannot be used: min_rating 11 is above the greatest rating of the " +
				"data, 10",
		},
		{name: "half surrogate pairs, NUL, U+2028", file: "26-odd-unicode/r.json", right: same},
		{
			name: "reviews in Chinese", file: "10-languages/zh.json",
			right: "60 rows, 0 bad; same events; explanations in 60 of 60 texts (language other)",
		},
		{
			name: "reviews in Japanese", file: "10-languages/ja.json",
			right: "60 rows, 0 bad; same events; explanations in 60 of 60 texts (language other)",
		},
		{
			name: "reviews in German", file: "10-languages/de.json",
			right: "60 rows, 0 bad; same events; explanations in 53 of 59 texts (language de); " +
				"no sentence with a feature: 6; no text: 1",
		},
		{
			name: "Steam's Python dicts", file: "27-steam-dicts/s.json",
			set: func(o *spec.Reviews) {
				o.Columns = columns("user", "username", "item", "product_id", "time", "date")
			},
			right: same,
		},
		{
			name: "the same item three times", file: "28-repeat-buys/r.csv",
			right: "180 rows, 0 bad, 120 duplicates; same events, same texts",
		},
		{
			name: "Parquet with strings as bytes", file: "29-parquet-types/blob.parquet",
			like: "29-parquet-types/in.csv", right: same,
		},
		{
			name: "a time of -2^63", file: "hostile/minint.jsonl",
			set: func(o *spec.Reviews) { o.MaxBad = 0.1 }, right: "13 rows, 1 bad",
		},
		{
			name: "a time of -2^63 as a string", file: "hostile/tstr.jsonl",
			set: func(o *spec.Reviews) { o.MaxBad = 0.1 }, right: "13 rows, 1 bad",
		},
	}
}

// events returns the events of a dataset, in the shop's ids, and its explanations.
func events(d *dataset.Dataset) (list, texts []string) {
	id := func(id string) string { // MovieLens numbers users and items from 1
		var n int
		if _, err := fmt.Sscanf(id, "%d", &n); err == nil {
			return fmt.Sprintf("%03d", n-1)
		}
		return id[1:]
	}
	for _, u := range d.Users {
		for i, item := range u.Items {
			day := time.Unix(u.Times[i], 0).UTC().Format(time.DateOnly)
			list = append(list, strings.Join([]string{id(d.UserIDs[u.ID-1]), id(d.ItemIDs[item-1]), day}, " "))
		}
	}
	for _, split := range [][]dataset.Explanation{d.Explanations.Train, d.Explanations.Val, d.Explanations.Test} {
		for _, e := range split {
			texts = append(texts, id(d.UserIDs[e.User-1])+" "+id(d.ItemIDs[e.Item-1])+" "+e.Explanation)
		}
	}
	slices.Sort(list)
	slices.Sort(texts)
	return list, texts
}

// outcome imports a situation and returns the result in words.
func (s situation) outcome(t *testing.T, references map[string]*dataset.Dataset) string {
	t.Helper()
	opts := options(filepath.Join(cases, filepath.FromSlash(s.file)))
	if s.set != nil {
		s.set(&opts)
	}
	dir := t.TempDir()
	sum, err := review.Import(context.Background(), opts, 1, dir)
	if err != nil {
		if !errors.Is(err, review.ErrData) {
			t.Errorf("%v is not ErrData", err)
		}
		message := err.Error()
		if _, after, found := strings.Cut(message, filepath.Base(s.file)+":"); found {
			message = after
		}
		if _, after, found := strings.Cut(message, filepath.Base(s.file)+`": `); found {
			message = after
		}
		if before, _, found := strings.Cut(message, " (read "); found && !strings.Contains(message, "columns") {
			message = before
		}
		return "refused: " + strings.TrimSpace(strings.TrimPrefix(message, "load: "))
	}
	got := fmt.Sprintf("%d rows, %d bad", sum.Rows, sum.Bad)
	for _, count := range []struct {
		n    int
		what string
	}{
		{sum.Filtered, "filtered"},
		{sum.Duplicates, "duplicates"},
		{sum.Replaced, "with replaced characters"},
		{sum.OddTimes, "in odd years"},
	} {
		if count.n > 0 {
			got += fmt.Sprintf(", %d %s", count.n, count.what)
		}
	}
	if sum.Filtered == 0 && !strings.Contains(s.file, "hostile") {
		got += s.compare(t, read(t, dir), references)
	}
	if sum.Language != "en" {
		got += fmt.Sprintf("; explanations in %d of %d texts (language %s)", sum.Explanations, sum.Texts, sum.Language)
		for _, cause := range slices.Sorted(maps.Keys(sum.Unexplained)) {
			got += fmt.Sprintf("; %s: %d", cause, sum.Unexplained[cause])
		}
	}
	if opts.Metadata != "" {
		got += fmt.Sprintf("; %d of %d titles", sum.Titles, sum.Items)
	}
	if len(sum.PassedOver) > 0 {
		got += fmt.Sprintf("; %d passed over", len(sum.PassedOver))
	}
	t.Log(strings.Join(sum.Sources, "\n"))
	return got
}

// compare returns what is the same as in the other file.
func (s situation) compare(t *testing.T, got *dataset.Dataset, references map[string]*dataset.Dataset) (text string) {
	t.Helper()
	wantEvents, wantTexts := events(references[s.like])
	gotEvents, gotTexts := events(got)
	if slices.Equal(wantEvents, gotEvents) {
		text = "; same events"
	}
	if slices.Equal(wantTexts, gotTexts) {
		text += ", same texts"
	}
	return text
}

// TestCases imports every input of testdata/cases. make cases prints what it logs.
func TestCases(t *testing.T) {
	references := map[string]*dataset.Dataset{}
	for like, file := range map[string]string{
		"": "00-baseline/reviews.json", "08-encodings/utf8.csv": "08-encodings/utf8.csv",
		"29-parquet-types/in.csv": "29-parquet-types/in.csv",
	} {
		dir, _ := importInto(t, options(filepath.Join(cases, file)))
		references[like] = read(t, dir)
	}
	for _, s := range situations() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			got := s.outcome(t, references)
			t.Logf("case: %s | %s | %s", s.name, s.right, got)
			if got != s.right {
				t.Errorf("got   %q\nright %q", got, s.right)
			}
		})
	}
}
