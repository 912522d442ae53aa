package review_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2"
	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
	"rdrec/internal/review"
	"rdrec/internal/spec"
)

const beauty = "../../testdata/reviews/All_Beauty_5.json.gz"

// options returns the demo's settings, which keep every user that can be evaluated.
func options(path string) spec.Reviews {
	opts := spec.DefaultReviews()
	opts.Path, opts.UserCore, opts.ItemCore = path, 3, 1
	return opts
}

func importInto(t *testing.T, opts spec.Reviews) (string, dataset.ImportSummary) {
	t.Helper()
	dir := t.TempDir()
	sum, err := review.Import(context.Background(), opts, 1, dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir, sum
}

func read(t *testing.T, dir string) *dataset.Dataset {
	t.Helper()
	d, err := dataset.Read(os.DirFS(dir), filepath.Base(dir))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func digests(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]string{}
	for _, entry := range entries {
		data, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		sums[entry.Name()] = fmt.Sprintf("%x", sha256.Sum256(data))
	}
	return sums
}

// writeFile writes a file into a new folder; a file whose name ends in .gz is compressed.
func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	data := []byte(text)
	if strings.HasSuffix(name, ".gz") {
		var packed bytes.Buffer
		zip := gzip.NewWriter(&packed)
		if _, err := zip.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := zip.Close(); err != nil {
			t.Fatal(err)
		}
		data = packed.Bytes()
	}
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestImportAllBeauty(t *testing.T) {
	dir, got := importInto(t, options(beauty))
	want := dataset.ImportSummary{
		Rows: 5269, Duplicates: 1177, Sparse: 20, Rounds: 1, Users: 976, Items: 83, Interactions: 4072, Tied: 2836,
		Explanations: got.Explanations, Train: got.Train, Val: got.Val, Test: got.Test,
		Repeated: got.Repeated, Features: got.Features,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got.Explanations < 2800 || got.Train+got.Val+got.Test != got.Explanations || got.Features < 200 {
		t.Errorf("explanations: %+v", got)
	}
	var saved dataset.ImportSummary
	data, err := os.ReadFile(filepath.Join(dir, "import.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &saved); err != nil {
		t.Fatal(err)
	}
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

func TestLastTwoItemsAreHeldOut(t *testing.T) {
	dir, _ := importInto(t, options(beauty))
	d := read(t, dir)
	users := map[int]dataset.User{}
	for _, u := range d.Users {
		users[u.ID] = u
	}
	for _, e := range d.Explanations.Test {
		if users[e.User].TestItem() != e.Item {
			t.Fatalf("test explanation %+v is not of the last item of %v", e, users[e.User])
		}
	}
	for _, e := range d.Explanations.Val {
		if users[e.User].ValidationItem() != e.Item {
			t.Fatalf("validation explanation %+v is not of the last but one item of %v", e, users[e.User])
		}
	}
	for _, e := range d.Explanations.Train {
		if !slices.Contains(users[e.User].TrainItems(), e.Item) {
			t.Fatalf("training explanation %+v is not of one of the items %v", e, users[e.User].TrainItems())
		}
		if !strings.Contains(strings.ToLower(e.Explanation), e.Feature) || strings.ContainsAny(e.Explanation, "\n\t<") {
			t.Fatalf("odd explanation %+v", e)
		}
	}
}

func TestImportIsReproducibleInEveryFormat(t *testing.T) {
	first, sum := importInto(t, options(beauty))
	want := digests(t, first)
	again, _ := importInto(t, options(beauty))
	if diff := cmp.Diff(want, digests(t, again)); diff != "" {
		t.Errorf("a second import: %s", diff)
	}
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	dir := t.TempDir()
	const odd = `asin AS sku, reviewerID AS who, to_timestamp(unixReviewTime)::TIMESTAMP AS at,
		overall AS stars, reviewText AS body, summary AS head`
	for name, columns := range map[string]string{
		"dump.csv": `reviewerID, asin, unixReviewTime, overall, reviewText, summary`,
		"ours.csv.gz": `overall AS rating, summary, reviewText AS "text", unixReviewTime AS "time",
			asin AS item, reviewerID AS "user"`,
		"odd.tsv": odd,
		"ours.parquet": `reviewerID AS "user", asin AS item, unixReviewTime * 1000 AS "time",
			overall AS rating, reviewText AS "text", summary`,
		"odd.parquet": odd,
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(dir, name)
			format := "FORMAT csv, HEADER"
			switch {
			case strings.Contains(name, "parquet"):
				format = "FORMAT parquet"
			case strings.Contains(name, "tsv"):
				format = "FORMAT csv, HEADER, DELIMITER '\t'"
			case strings.Contains(name, "gz"):
				format = "FORMAT csv, HEADER, COMPRESSION gzip"
			}
			source := fmt.Sprintf("read_json('%s', format = 'newline_delimited', ignore_errors = false)", beauty)
			export := fmt.Sprintf("COPY (SELECT %s FROM %s) TO '%s' (%s)", columns, source, file, format)
			if _, err := db.Exec(export); err != nil {
				t.Fatal(err)
			}
			opts := options(file)
			if strings.HasPrefix(name, "odd") {
				opts.Columns = map[string]string{
					"user": "who", "item": "sku", "time": "at", "rating": "stars", "text": "body", "summary": "head",
				}
			}
			out, got := importInto(t, opts)
			if diff := cmp.Diff(sum, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(want, digests(t, out)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSeedChangesOnlyIDs(t *testing.T) {
	one, sum := importInto(t, options(beauty))
	dir := t.TempDir()
	other, err := review.Import(context.Background(), options(beauty), 2, dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sum, other); diff != "" {
		t.Error(diff)
	}
	a, b := read(t, one), read(t, dir)
	if diff := cmp.Diff(shopSequences(a), shopSequences(b)); diff != "" {
		t.Error(diff)
	}
	if cmp.Equal(a.ItemIDs, b.ItemIDs) || cmp.Equal(a.UserIDs, b.UserIDs) {
		t.Error("the seed changes no ids")
	}
}

// shopSequences returns the sequences in the shop's ids.
func shopSequences(d *dataset.Dataset) map[string][]string {
	all := map[string][]string{}
	for _, u := range d.Users {
		for _, item := range u.Items {
			all[d.UserIDs[u.ID-1]] = append(all[d.UserIDs[u.ID-1]], d.ItemIDs[item-1])
		}
	}
	return all
}

func TestSummaryExtractor(t *testing.T) {
	opts := options(beauty)
	opts.Extractor = "summary"
	dir, sum := importInto(t, opts)
	if sum.Explanations < 1000 {
		t.Errorf("%+v", sum)
	}
	for _, e := range read(t, dir).Explanations.Train {
		if strings.EqualFold(e.Explanation, "five stars") {
			t.Fatal("a headline that only states the stars is an explanation")
		}
	}
}

// jsonLines returns interactions in the format of the 2018 dump; an event is "user item second".
func jsonLines(events []string) string {
	var b strings.Builder
	for _, event := range events {
		f := strings.Fields(event)
		fmt.Fprintf(&b, `{"reviewerID": %q, "asin": %q, "unixReviewTime": %s, "overall": 4}`+"\n", f[0], f[1], f[2])
	}
	return b.String()
}

func TestCoreReachesAFixedPoint(t *testing.T) {
	// A chain in which each round drops the last user and item, which puts the next ones below the
	// core.
	var events []string
	for u := range 40 {
		for i := range 4 {
			events = append(events, fmt.Sprintf("u%02d i%02d %d", u, u+i, 1000+u*10+i))
		}
	}
	for u := range 5 {
		for i := range 5 {
			events = append(events, fmt.Sprintf("good%d best%d %d", u, i, 5000+i))
		}
	}
	opts := options(writeFile(t, "chain.json", jsonLines(events)))
	opts.UserCore, opts.ItemCore = 4, 4
	dir, sum := importInto(t, opts)
	if sum.Users != 5 || sum.Items != 5 || sum.Interactions != 25 || sum.Sparse != 160 || sum.Rounds < 5 {
		t.Errorf("%+v", sum)
	}
	for user, items := range shopSequences(read(t, dir)) {
		want := []string{"best0", "best1", "best2", "best3", "best4"}
		if !strings.HasPrefix(user, "good") || !cmp.Equal(items, want) {
			t.Errorf("%s has %v", user, items)
		}
	}
	opts.UserCore = 6
	_, err := review.Import(context.Background(), opts, 1, t.TempDir())
	if !errors.Is(err, review.ErrData) || !strings.Contains(err.Error(), "none of 185 rows is left") {
		t.Errorf("got %v", err)
	}
}

func TestOrderDuplicatesAndFilters(t *testing.T) {
	events := []string{
		"a x 300", "a y 100", "a z 300", "a x 200", "a y 100", // x at 200, y at 100, z at 300
		"b z 86400", "b y 86400", "b x 86400", // equal times: the order of the file
		"c x 50", "c y 172800", "c z 172799", "c w 86399", // outside the days
	}
	opts := options(writeFile(t, "few.json.gz", jsonLines(events)))
	dir, sum := importInto(t, opts)
	want := map[string][]string{"a": {"y", "x", "z"}, "b": {"z", "y", "x"}, "c": {"x", "w", "z", "y"}}
	if diff := cmp.Diff(want, shopSequences(read(t, dir))); diff != "" || sum.Duplicates != 2 || sum.Tied != 2 {
		t.Errorf("%s\n%+v", diff, sum)
	}
	opts.From, opts.To = "1970-01-02", "1970-01-02"
	dir, sum = importInto(t, opts)
	want = map[string][]string{"b": {"z", "y", "x"}}
	if diff := cmp.Diff(want, shopSequences(read(t, dir))); diff != "" || sum.Filtered != 8 {
		t.Errorf("%s\n%+v", diff, sum)
	}
	opts.From, opts.To, opts.MinRating = "", "", 4.5
	if _, err := review.Import(context.Background(), opts, 1, t.TempDir()); !errors.Is(err, review.ErrData) {
		t.Errorf("got %v", err)
	}
}

func TestOlderAndNewerDumps(t *testing.T) {
	old := "{'reviewerID': 'a', 'asin': 'x', 'unixReviewTime': 1, 'overall': 5.0, " +
		"'reviewText': u'It\\'s a \\xe9clair \"quoted\"', 'helpful': [1, None]}\n" +
		`{"reviewerID": "a", "asin": "y", "reviewTime": "09 1, 2016", "overall": 5}` + "\n" +
		`{"reviewerID": "a", "asin": "z", "unixReviewTime": null, "reviewTime": "09 2, 2016", "overall": 5}` + "\n"
	dir, _ := importInto(t, options(writeFile(t, "old.json", old)))
	d := read(t, dir)
	if diff := cmp.Diff([]int64{1, 1472688000, 1472774400}, d.Users[0].Times); diff != "" {
		t.Error(diff)
	}
	newer := `{"rating": 5.0, "title": "t", "text": "b", "asin": "x1", "parent_asin": "x", "user_id": "a", ` +
		`"timestamp": 1588687728923}` + "\n" +
		`{"rating": 5.0, "title": "t", "text": "b", "parent_asin": "y", "asin": "y1", "user_id": "a", ` +
		`"timestamp": 1588687729923}` + "\n" +
		`{"rating": 5.0, "asin": "z", "user_id": "a", "timestamp": 1588687730000}` + "\n"
	opts := options(writeFile(t, "new.jsonl.gz", newer))
	opts.Metadata = writeFile(t, "meta.jsonl", strings.Join([]string{
		`{"parent_asin": "x", "title": "Soap &amp; <b>Brush</b>"}`,
		`{"parent_asin": "y", "title": ""}`,
		`{"parent_asin": "z", "title": "var aPageStart = (new Date()).getTime();"}`,
		`{"parent_asin": "q", "title": "Other"}`,
		`{"parent_`, "",
	}, "\n"))
	dir, sum := importInto(t, opts)
	d = read(t, dir)
	want := map[string][]string{"a": {"x", "y", "z"}}
	if diff := cmp.Diff(want, shopSequences(d)); diff != "" || sum.Titles != 1 || sum.BadTitles != 1 {
		t.Errorf("%s\n%+v", diff, sum)
	}
	if diff := cmp.Diff([]int64{1588687728, 1588687729, 1588687730}, d.Users[0].Times); diff != "" {
		t.Error(diff)
	}
	if got := d.Title(slices.Index(d.ItemIDs, "x") + 1); got != "Soap & Brush" {
		t.Errorf("title is %q", got)
	}
}

func TestGlobReadsFilesInOrder(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"b.json": jsonLines([]string{"a y 5", "a z 5"}), "a.json": jsonLines([]string{"a x 5"}), "c.txt": "not this",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, sum := importInto(t, options(filepath.Join(dir, "*.json")))
	want := map[string][]string{"a": {"x", "y", "z"}}
	if diff := cmp.Diff(want, shopSequences(read(t, out))); diff != "" || sum.Rows != 3 {
		t.Errorf("%s\n%+v", diff, sum)
	}
}
