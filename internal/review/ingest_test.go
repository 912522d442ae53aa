package review_test

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2"
	"github.com/google/go-cmp/cmp"

	"rdrec/internal/review"
	"rdrec/internal/spec"
)

// shopTable runs statements on a database file.
func shopTable(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("duckdb", path)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestIngestOnlyNewRows ingests a growing table three times: all rows, no new rows, the new rows.
func TestIngestOnlyNewRows(t *testing.T) {
	dir := t.TempDir()
	database := filepath.Join(dir, "shop.duckdb")
	shopTable(t, database,
		`CREATE TABLE reviews (who VARCHAR, what VARCHAR, written BIGINT, body VARCHAR, loaded TIMESTAMP)`,
		`INSERT INTO reviews SELECT 'u' || (i % 7), 'i' || (i % 5), i, 'Smells nice and fresh.',
			TIMESTAMP '2026-01-01 00:00:00.123456' + INTERVAL (i) SECOND FROM range(40) r(i)`,
		`INSERT INTO reviews VALUES ('u1', 'i1', 1, 'without a watermark', NULL)`)
	source := spec.Source{Path: database, Table: "reviews", Watermark: "loaded"}
	ingest := func(watermark, name string, rows int) spec.Ingested {
		t.Helper()
		out, err := review.IngestSource(t.Context(), source, watermark, filepath.Join(dir, name), review.Resources{})
		if err != nil || out.Rows != rows || out.WithoutWatermark != 1 {
			t.Fatalf("%+v, %v; want %d rows and one without a watermark", out, err, rows)
		}
		return out
	}
	first := ingest("", "first.parquet", 40)
	if first.Watermark != "2026-01-01 00:00:39.123456" {
		t.Errorf("watermark %q", first.Watermark)
	}
	if idle := ingest(first.Watermark, "idle.parquet", 0); idle.Watermark != "" {
		t.Errorf("no new rows have the watermark %q", idle.Watermark)
	}
	if _, err := os.Stat(filepath.Join(dir, "idle.parquet")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file was written for no rows: %v", err)
	}
	shopTable(t, database,
		`INSERT INTO reviews
			SELECT 'u9', 'i' || i, 100 + i, 'Lasts all day.', TIMESTAMP '2026-01-02' FROM range(5) r(i)`)
	if second := ingest(first.Watermark, "second.parquet", 5); second.Watermark != "2026-01-02 00:00:00" {
		t.Errorf("watermark %q", second.Watermark)
	}
	opts := spec.DefaultReviews()
	opts.Path, opts.Format, opts.UserCore, opts.ItemCore = filepath.Join(dir, "[fs]*.parquet"), "parquet", 3, 1
	opts.Columns = map[string]string{"user": "who", "item": "what", "time": "written", "text": "body"}
	if _, sum := importInto(t, opts); sum.Rows != 45 || sum.Bad != 0 || sum.Users != 8 {
		t.Errorf("the ingested rows import as %+v", sum)
	}
}

// TestIngestIsReproducible ingests the same rows from tables that were filled in different orders;
// several rows share a watermark.
func TestIngestIsReproducible(t *testing.T) {
	dir := t.TempDir()
	files := map[string]string{}
	for name, order := range map[string]string{"rising": "i", "falling": "i DESC", "mixed": "i % 11, i"} {
		database := filepath.Join(dir, name+".duckdb")
		shopTable(t, database,
			`CREATE TABLE reviews (who VARCHAR, what VARCHAR, written BIGINT, body VARCHAR, loaded TIMESTAMP)`,
			`INSERT INTO reviews SELECT 'u' || (i % 7), 'i' || (i % 5), i, 'Smells nice.',
				TIMESTAMP '2026-01-01' + INTERVAL (i // 10) HOUR FROM range(200) r(i) ORDER BY `+order)
		source := spec.Source{Path: database, Table: "reviews", Watermark: "loaded"}
		out, err := review.IngestSource(t.Context(), source, "", filepath.Join(dir, name), review.Resources{})
		if err != nil || out.Rows != 200 {
			t.Fatalf("%s: %+v, %v; want 200 rows", name, out, err)
		}
		files[name] = content(t, dir, name)
	}
	if files["falling"] != files["rising"] || files["mixed"] != files["rising"] {
		t.Error("the same rows in another order gave another file")
	}
}

// TestRowsWithoutWatermarkAreNotIngested: if no row has a watermark, the rows are counted and no
// file is written.
func TestRowsWithoutWatermarkAreNotIngested(t *testing.T) {
	path := writeFile(t, "reviews.csv", "user,item,time,batch\na,x,1,\na,y,2,\n")
	file := filepath.Join(t.TempDir(), "new.parquet")
	out, err := review.IngestSource(t.Context(), spec.Source{Path: path, Watermark: "batch"}, "", file,
		review.Resources{})
	if err != nil || out != (spec.Ingested{WithoutWatermark: 2}) {
		t.Errorf("%+v, %v; want two rows without a watermark", out, err)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file was written for no rows: %v", err)
	}
}

func content(t *testing.T, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestIngestByAnyOrderedColumn(t *testing.T) {
	path := writeFile(t, "reviews.csv", "user,item,time,batch\na,x,1,7\na,y,2,8\na,z,3,10\n")
	out, err := review.IngestSource(t.Context(), spec.Source{Path: path, Watermark: "batch"}, "8",
		filepath.Join(t.TempDir(), "new.parquet"), review.Resources{})
	if err != nil || out.Rows != 1 || out.Watermark != "10" {
		t.Errorf("%+v, %v; want the one row of batch 10", out, err)
	}
}

func TestInvalidSourceIsNamed(t *testing.T) {
	path := writeFile(t, "reviews.csv", "user,item,time\na,x,1\n")
	for _, c := range []struct {
		source spec.Source
		want   string
	}{
		{spec.Source{Path: path, Watermark: "loaded"}, "loaded"},
		{spec.Source{Path: filepath.Join(t.TempDir(), "none-*.parquet"), Watermark: "loaded"}, "none-*.parquet"},
		{
			spec.Source{Path: filepath.Join(t.TempDir(), "none.duckdb"), Table: "reviews", Watermark: "loaded"},
			"none.duckdb",
		},
	} {
		_, err := review.IngestSource(t.Context(), c.source, "", filepath.Join(t.TempDir(), "new.parquet"),
			review.Resources{})
		if !errors.Is(err, review.ErrSettings) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v; want ErrSettings that names %s", c.source, err, c.want)
		}
	}
}

// TestIngestKeepsPlainQuotes: a table with tabs whose quotes are plain characters loses no rows.
func TestIngestKeepsPlainQuotes(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "reviews.parquet")
	source := spec.Source{Path: filepath.Join(cases, "04-tsv-quotes", "silent.tsv"), Watermark: "review_id"}
	out, err := review.IngestSource(t.Context(), source, "", file, review.Resources{})
	if err != nil || out.Rows != 60 {
		t.Fatalf("%+v, %v; want 60 rows", out, err)
	}
	_, sum := importInto(t, options(file))
	if sum.Rows != 60 || sum.Bad != 0 {
		t.Errorf("%+v", sum)
	}
}

// TestIngestReadsWhatTheImportReads ingests inputs that people bring, and imports the rows: the
// same reviews as from the file itself.
func TestIngestReadsWhatTheImportReads(t *testing.T) {
	for name, c := range map[string]struct{ file, watermark, encoding string }{
		"lines of 2018":       {"00-baseline/reviews.json", "unixReviewTime", ""},
		"a JSON array":        {"01-json-array/reviews_array_amazon.json", "unixReviewTime", ""},
		"NaN":                 {"07-nan/reviews.json", "unixReviewTime", ""},
		"Latin-1":             {"08-encodings/latin1.csv", "time", "latin-1"},
		"UTF-16":              {"08-encodings/utf16.csv", "time", ""},
		"gzip in gzip":        {"09-packing/twice.json.gz", "unixReviewTime", ""},
		"zip":                 {"09-packing/reviews.json.zip", "unixReviewTime", ""},
		"Spark's folder":      {"23-spark-folder/out", "unixReviewTime", ""},
		"half surrogates":     {"26-odd-unicode/r.json", "unixReviewTime", ""},
		"Parquet with bytes":  {"29-parquet-types/blob.parquet", "time", ""},
		"tabs, plain quotes":  {"04-tsv-quotes/silent.tsv", "review_date", ""},
		"tabs, closed quotes": {"04-tsv-quotes/amazon_reviews_us.tsv", "review_date", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, file := filepath.Join(cases, c.file), filepath.Join(t.TempDir(), "new.parquet")
			source := spec.Source{Path: path, Watermark: c.watermark, Encoding: c.encoding}
			out, err := review.IngestSource(t.Context(), source, "", file, review.Resources{})
			if err != nil || out.Rows != 60 || out.Bad+out.Replaced+out.WithoutWatermark != 0 {
				t.Fatalf("%+v, %v; want 60 rows", out, err)
			}
			opts := options(path)
			opts.Encoding = c.encoding
			direct, _ := importInto(t, opts)
			ingested, sum := importInto(t, options(file))
			wantEvents, wantTexts := events(read(t, direct))
			gotEvents, gotTexts := events(read(t, ingested))
			if diff := cmp.Diff([][]string{wantEvents, wantTexts}, [][]string{gotEvents, gotTexts}); diff != "" {
				t.Errorf("%+v (-want +got):\n%s", sum, diff)
			}
		})
	}
}

func TestIngestRefusesOrCountsWhatItCannotRead(t *testing.T) {
	good := strings.Repeat("a,x,1,fine\n", 200)
	for name, c := range map[string]struct {
		file, text string
		want       string // of the error; none if empty
		counts     [3]int // rows, bad, replaced
	}{
		"Latin-1": {
			"r.csv", "user,item,time,text\n" + strings.Repeat("a,x,1,Gr\xf6\xdfe\n", 5),
			"r.csv:0: not UTF-8 (line 2): set encoding to the file's",
			[3]int{},
		},
		"a zip with an Excel sheet": {"r.csv", "PK\x03\x04 not a zip", "zip", [3]int{}},
		"ragged rows": {
			"r.csv", "user,item,time,text\na,x,1,fine\na,x\n",
			"r.csv:3: wrong number of fields",
			[3]int{},
		},
		"one ragged row":   {"r.csv", "user,item,time,text\n" + good + "a,x\n", "", [3]int{200, 1, 0}},
		"one damaged text": {"r.csv", "user,item,time,text\n" + good + "a,x,2,b\xe4d\n", "", [3]int{201, 0, 1}},
		"days first": {
			"r.csv", "user,item,time,text\na,x,31-01-2026,fine\n", "does not sort by time", [3]int{},
		},
		"not JSON": {"r.json", "{\"time\": 1}\n{\"time\": \n", "r.json:2: not a JSON object", [3]int{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := spec.Source{Path: writeFile(t, c.file, c.text), Watermark: "time"}
			out, err := review.IngestSource(t.Context(), source, "", filepath.Join(t.TempDir(), "new.parquet"),
				review.Resources{})
			if c.want != "" {
				if !errors.Is(err, review.ErrSettings) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v, want ErrSettings with %q", err, c.want)
				}
				return
			}
			if err != nil || [3]int{out.Rows, out.Bad, out.Replaced} != c.counts {
				t.Errorf("%+v, %v; want %v", out, err, c.counts)
			}
		})
	}
}

// TestIngestKeepsIDs: ids of delimited text that look like numbers keep their zeros, and watermarks
// are compared as what they are.
func TestIngestKeepsIDs(t *testing.T) {
	for name, c := range map[string]struct{ marks, after, want string }{
		"integers":  {"9,10,11", "9", "11"},
		"fractions": {"9.5,10.5,11", "9.5", "11.0"},
		"times": {
			"2026-01-02 03:04:05,2026-01-03,2026-01-10T00:00:00Z",
			"2026-01-02 03:04:05", "2026-01-10 00:00:00",
		},
		"texts": {"a,b,c", "a", "c"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := "user,item,time,batch\n"
			for i, mark := range strings.Split(c.marks, ",") {
				text += fmt.Sprintf("007,00%d,%d,%s\n", i, i, mark)
			}
			file := filepath.Join(t.TempDir(), "new.parquet")
			source := spec.Source{Path: writeFile(t, "r.csv", text), Watermark: "batch"}
			out, err := review.IngestSource(t.Context(), source, c.after, file, review.Resources{})
			if err != nil || out.Rows != 2 || out.Watermark != c.want {
				t.Fatalf("%+v, %v; want two rows up to %q", out, err, c.want)
			}
			db, err := sql.Open("duckdb", "")
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			var ids string
			query := `SELECT string_agg("user" || '/' || item, ' ' ORDER BY item) FROM read_parquet('` + file + "')"
			if err := db.QueryRowContext(t.Context(), query).Scan(&ids); err != nil || ids != "007/001 007/002" {
				t.Errorf("ids %q, %v", ids, err)
			}
		})
	}
}

// TestViewsOfAShopReadNothingElse ingests views of a table and of files of the worker. A view is
// read only if the spec names it as one.
func TestViewsOfAShopReadNothingElse(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret.csv")
	if err := os.WriteFile(secret, []byte("loaded\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	database := filepath.Join(dir, "shop.duckdb")
	shopTable(t, database,
		`CREATE TABLE reviews (who VARCHAR, loaded BIGINT)`, `INSERT INTO reviews VALUES ('u', 1), ('v', 2)`,
		`CREATE VIEW good AS SELECT * FROM reviews WHERE loaded > 1`,
		`CREATE VIEW csv AS SELECT * FROM read_csv('`+secret+`')`,
		`CREATE VIEW passwd AS SELECT content, 1 AS loaded FROM read_text('/etc/passwd')`,
		`CREATE VIEW names AS SELECT file, 1 AS loaded FROM glob('/etc/*')`,
		`CREATE VIEW joined AS SELECT r.who, r.loaded FROM reviews r, read_text('/etc/hostname')`)
	for _, c := range []struct {
		source spec.Source
		want   string // the error, or empty
		rows   int
	}{
		{spec.Source{Table: "reviews"}, "", 2},
		{spec.Source{View: "good"}, "", 1},
		{spec.Source{Table: "good"}, `"good" is a view`, 0},
		{spec.Source{Table: "GOOD"}, `"GOOD" is a view`, 0},
		{spec.Source{View: "csv"}, "disabled", 0},
		{spec.Source{View: "passwd"}, "disabled", 0},
		{spec.Source{View: "names"}, "disabled", 0},
		{spec.Source{View: "joined"}, "disabled", 0},
	} {
		c.source.Path, c.source.Watermark = database, "loaded"
		out := filepath.Join(t.TempDir(), "out.parquet")
		got, err := review.IngestSource(t.Context(), c.source, "", out, review.Resources{})
		if c.want == "" && (err != nil || got.Rows != c.rows) ||
			c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: got %+v, error %v, want %d rows, error %q", c.source, got, err, c.rows, c.want)
		}
		t.Logf("%s%s: %d rows, %v", c.source.Table, c.source.View, got.Rows, err)
		if _, err := os.Stat(out); (err == nil) != (c.rows > 0) {
			t.Errorf("%+v: file %v", c.source, err)
		}
	}
}

// TestPathsMayBeRelative imports and ingests with relative paths: the database is confined to them.
func TestPathsMayBeRelative(t *testing.T) {
	t.Chdir(t.TempDir())
	shopTable(t, "shop.duckdb", `CREATE TABLE reviews AS SELECT 'u' || (i % 4) AS "user", 'i' || (i % 5) AS item,
		i AS "time" FROM range(20) r(i)`)
	source := spec.Source{Path: "shop.duckdb", Table: "reviews", Watermark: "time"}
	if got, err := review.IngestSource(t.Context(), source, "", "a*b.parquet",
		review.Resources{}); err != nil || got.Rows != 20 {
		t.Fatalf("%+v, error %v", got, err)
	}
	options := options("a*b.parquet")
	options.ItemCore = 1
	if sum, err := review.Import(t.Context(), options, 1, "out"); err != nil || sum.Rows != 20 {
		t.Errorf("%+v, error %v", sum, err)
	}
}
