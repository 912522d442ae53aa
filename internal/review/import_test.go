package review_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
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

// importInto imports into a new folder. The summary is without the description of the sources,
// which names files.
func importInto(t *testing.T, opts spec.Reviews) (string, dataset.ImportSummary) {
	t.Helper()
	dir := t.TempDir()
	sum, err := review.Import(context.Background(), opts, 1, dir)
	if err != nil {
		t.Fatal(err)
	}
	sum.Sources = nil
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

// writeParquet runs a query of DuckDB that writes a file.
func writeParquet(t *testing.T, query string) {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := db.Exec(query); err != nil {
		t.Fatal(err)
	}
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
	db, dir := openDuckDB(t), t.TempDir()
	few := fewReviews(t)
	first, sum := importInto(t, options(few))
	want := digests(t, first)
	for _, resources := range []review.Resources{{}, {MemoryMB: 256, Threads: 5}, {Threads: 1}} {
		again := t.TempDir()
		importer := review.Importer{Options: options(few), Seed: 1, Dir: again, Resources: resources}
		if _, err := importer.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, digests(t, again)); diff != "" {
			t.Errorf("a second import with %+v: %s", resources, diff)
		}
	}
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
			export := fmt.Sprintf("COPY (SELECT %s FROM %s) TO '%s' (%s)", columns, readJSON(few), file, format)
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
			files := digests(t, out)
			files["import.json"] = want["import.json"] // it describes the source
			if diff := cmp.Diff(want, files); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSeedChangesOnlyIDs(t *testing.T) {
	few := fewReviews(t)
	one, sum := importInto(t, options(few))
	dir := t.TempDir()
	other, err := review.Import(context.Background(), options(few), 2, dir)
	if err != nil {
		t.Fatal(err)
	}
	other.Sources = nil
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

// openDuckDB returns a database in memory.
func openDuckDB(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// fewReviews writes the first 1500 of the demo's reviews, for tests with many imports: one of all
// reviews takes seconds.
func fewReviews(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "few.json")
	query := fmt.Sprintf("COPY (SELECT * FROM %s LIMIT 1500) TO '%s' (FORMAT json)", readJSON(beauty), file)
	if _, err := openDuckDB(t).ExecContext(t.Context(), query); err != nil {
		t.Fatal(err)
	}
	return file
}

// readJSON reads JSON lines in a query.
func readJSON(path string) string {
	return fmt.Sprintf("read_json('%s', format = 'newline_delimited', ignore_errors = false)", path)
}

// TestNoExtractor imports the same sequences without explanations.
func TestNoExtractor(t *testing.T) {
	opts := options(fewReviews(t))
	explained, _ := importInto(t, opts)
	opts.Extractor = spec.NoExtractor
	plain, sum := importInto(t, opts)
	want, got := read(t, explained), read(t, plain)
	want.Explanations = dataset.Splits{}
	want.Name = got.Name
	if diff := cmp.Diff(want, got); diff != "" || sum.Texts != 0 || sum.Language != "" {
		t.Errorf("%d texts in %q (-want +got):\n%s", sum.Texts, sum.Language, diff)
	}
	if _, err := os.Stat(filepath.Join(plain, "explanation.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file of explanations: %v", err)
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
