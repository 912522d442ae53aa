package review_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"rdrec/internal/review"
	"rdrec/internal/spec"
	"rdrec/internal/untrusted/untrustedtest"
)

// TestDepthAndCycles walks the files of an import: those that our own readers read, and those that
// DuckDB reads.
func TestDepthAndCycles(t *testing.T) {
	reviews := func(path string) error {
		_, err := review.Import(t.Context(), options(path), 1, filepath.Join(filepath.Dir(path), "out"))
		return err
	}
	parquet := untrustedtest.File("reviews.parquet", reviews, nil)
	untrustedtest.Walk(t, map[string]untrustedtest.Read{
		"reviews.json": untrustedtest.File("reviews.json", reviews, nil),
		"reviews.parquet": func(t *testing.T, data string) error {
			t.Helper()
			return parquet(t, "PAR1"+data)
		},
		"a shop's rows": untrustedtest.File("rows.json", source(t, spec.Source{Watermark: "time"}), nil),
		"a shop's database": untrustedtest.File("shop.duckdb", source(t, spec.Source{
			Watermark: "time", Table: "reviews",
		}), nil),
	}, func(name, _ string) bool { return name == "a shop's rows" }) // a source may have no new rows
}

// source returns a function that ingests a source.
func source(t *testing.T, from spec.Source) func(path string) error {
	t.Helper()
	return func(path string) error {
		from.Path = path
		out := filepath.Join(filepath.Dir(path), "out.parquet")
		_, err := review.IngestSource(t.Context(), from, "", out, review.Resources{MemoryMB: 256})
		return err
	}
}

// TestTruncatedFilesOfDuckDB cuts and damages a Parquet file and a database, which DuckDB reads.
func TestTruncatedFilesOfDuckDB(t *testing.T) {
	parquet := "../../testdata/cases/29-parquet-types/blob.parquet"
	reviews := func(path string) error {
		_, err := review.Import(t.Context(), options(path), 1, filepath.Join(filepath.Dir(path), "out"))
		return err
	}
	damaged := func(kind string) bool { return kind == "changed" } // its rows may still be whole
	untrustedtest.Truncate(t, parquet, untrustedtest.File("r.parquet", reviews, nil), damaged)

	shop := filepath.Join(t.TempDir(), "shop.duckdb")
	db, err := sql.Open("duckdb", shop)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), `CREATE TABLE reviews AS SELECT i AS "user", i AS item, i AS "time"
		FROM range(20000) t(i)`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	rows := source(t, spec.Source{Watermark: "time", Table: "reviews"})
	untrustedtest.Truncate(t, shop, untrustedtest.File("shop.duckdb", rows, nil), damaged)
}
