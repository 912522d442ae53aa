package review_test

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2"

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
		out, err := review.IngestSource(t.Context(), source, watermark, filepath.Join(dir, name))
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
		out, err := review.IngestSource(t.Context(), source, "", filepath.Join(dir, name))
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
	out, err := review.IngestSource(t.Context(), spec.Source{Path: path, Watermark: "batch"}, "", file)
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
		filepath.Join(t.TempDir(), "new.parquet"))
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
		_, err := review.IngestSource(t.Context(), c.source, "", filepath.Join(t.TempDir(), "new.parquet"))
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
	out, err := review.IngestSource(t.Context(), source, "", file)
	if err != nil || out.Rows != 60 {
		t.Fatalf("%+v, %v; want 60 rows", out, err)
	}
	_, sum := importInto(t, options(file))
	if sum.Rows != 60 || sum.Bad != 0 {
		t.Errorf("%+v", sum)
	}
}
