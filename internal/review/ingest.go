package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"rdrec/internal/pseudonym"
	"rdrec/internal/spec"
)

// Ingester copies new rows of sources.
type Ingester struct {
	Resources
	// UserKey, unless zero, replaces user ids by pseudonyms; Columns are the spec's names of
	// columns, by which the user's is found.
	UserKey pseudonym.Key
	Columns map[string]string
}

// Ingest writes the rows of a source above a watermark (all rows if it is empty) into a Parquet
// file, if there are any. The same rows give the same file. A source that does not match its
// settings gives an error that is [ErrSettings].
func (i Ingester) Ingest(
	ctx context.Context, source spec.Source, watermark, file string,
) (out spec.Ingested, err error) {
	scratch, err := os.MkdirTemp(filepath.Dir(file), ".ingest-")
	if err != nil {
		return out, fmt.Errorf("ingest %q: %w", source.Path, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	db, err := openStore(ctx, scratch, i.Resources)
	if err != nil {
		return out, fmt.Errorf("ingest %q: %w", source.Path, err)
	}
	defer func() { err = errors.Join(err, db.close()) }()
	d := &ingestion{Ingester: i, db: db, column: identifier(source.Watermark), scratch: scratch}
	if err := d.open(ctx, source, watermark, file); err != nil {
		return out, fmt.Errorf("ingest %q by %q: %w: %w", source.Path, source.Watermark, ErrSettings, err)
	}
	if err := d.write(ctx, file); err != nil {
		return d.Ingested, fmt.Errorf("ingest %q by %q: %w", source.Path, source.Watermark, diskFull(err))
	}
	return d.Ingested, nil
}

// ingestion is a running [Ingester.Ingest].
type ingestion struct {
	Ingester
	spec.Ingested
	db *store
	// column is the watermark's column, bounds the SQL condition of new rows.
	column, bounds string
	scratch        string // a folder for copies of files
	copied         int    // rows of copied files
	firstBad       string // the first bad row and its reason
}

// open creates the view "source" and sets the bounds of the new rows. Their upper bound is the
// greatest watermark at this time, so rows that are inserted meanwhile wait for the next run. The
// only file that is written is out.
func (d *ingestion) open(ctx context.Context, source spec.Source, watermark, out string) error {
	table, err := d.rows(ctx, source, out)
	if err != nil {
		return err
	}
	if table, err = d.pseudonymous(ctx, table); err != nil {
		return err
	}
	if err := d.db.exec(ctx, "CREATE VIEW source AS SELECT * FROM "+table); err != nil {
		return err
	}
	var sqlType string
	var greatest sql.NullString
	query := fmt.Sprintf("SELECT any_value(typeof(%[1]s)), CAST(max(%[1]s) AS VARCHAR) FROM source", d.column)
	if err := d.db.conn.QueryRowContext(ctx, query).Scan(&sqlType, &greatest); err != nil {
		return queryError(err, query)
	}
	if !greatest.Valid {
		d.bounds = "false"
		return nil
	}
	if sqlType == "VARCHAR" && unordered(greatest.String) {
		return fmt.Errorf("the watermark %q is a text that does not sort by time: name a column of numbers, "+
			"or of times such as 2026-01-31 12:00:00", greatest.String)
	}
	d.Watermark = greatest.String
	d.bounds = fmt.Sprintf("%s <= CAST(%s AS %s)", d.column, quoted(d.Watermark), sqlType)
	if watermark != "" {
		d.bounds += fmt.Sprintf(" AND %s > CAST(%s AS %s)", d.column, quoted(watermark), sqlType)
	}
	return nil
}

// rows returns the SQL of a source's rows. From then on, the database reads and writes nothing but
// the source and out: a view of a shop's database cannot read other files of the worker.
func (d *ingestion) rows(ctx context.Context, source spec.Source, out string) (string, error) {
	if !source.IsDatabase() {
		return d.files(ctx, source, out)
	}
	if _, err := os.Stat(source.Path); err != nil {
		return "", err
	}
	if err := d.db.exec(ctx, "ATTACH "+quoted(source.Path)+" AS shop (READ_ONLY, TYPE duckdb)"); err != nil {
		return "", err
	}
	if err := d.db.confine(ctx, out); err != nil {
		return "", err
	}
	if source.View != "" {
		return "shop." + identifier(source.View), nil
	}
	views := 0
	if err := d.db.count(ctx, "SELECT count(*) FROM duckdb_views() WHERE database_name = 'shop' AND "+
		"lower(view_name) = lower("+quoted(source.Table)+")", &views); err != nil {
		return "", err
	}
	if views > 0 {
		return "", fmt.Errorf("%q is a view, which runs a query of the database: name it as nightly.source.view "+
			"instead of table to allow that", source.Table)
	}
	return "shop." + identifier(source.Table), nil
}

// unordered reports whether a text is a time in a form that does not sort by time, such as
// 31-01-2026.
func unordered(text string) bool {
	_, err := strconv.ParseFloat(text, 64)
	return err != nil && looksLikeTime(text) && !strings.HasPrefix(text, "20") && !strings.HasPrefix(text, "19")
}

func (d *ingestion) write(ctx context.Context, file string) error {
	count := fmt.Sprintf("SELECT count(*) FILTER (%s), count(*) FILTER (%s IS NULL) FROM source", d.bounds, d.column)
	if err := d.db.count(ctx, count, &d.Rows, &d.WithoutWatermark); err != nil || d.Rows == 0 {
		d.Watermark = ""
		return err
	}
	export := "COPY (SELECT * FROM source WHERE %s ORDER BY ALL) TO %s %s"
	return d.db.exec(ctx, fmt.Sprintf(export, d.bounds, quoted(file), plainParquet))
}

// pseudonymous returns the SQL of rows with pseudonyms, if there is a key.
func (d *ingestion) pseudonymous(ctx context.Context, table string) (string, error) {
	if d.UserKey.IsZero() {
		return table, nil
	}
	err := d.db.function("pseudonym", 1, func(ids []string) string { return userOf(d.UserKey, ids[0]) })
	if err != nil {
		return "", err
	}
	columns, err := columnsFor("parquet", d.Columns)
	if err != nil {
		return "", err
	}
	header, types, err := d.db.columnsOf(ctx, table)
	if err != nil {
		return "", err
	}
	resolve(columns, header)
	at := match(columns, header)[userColumn]
	if at < 0 {
		return "", fmt.Errorf("no column for user among %s", columnNames(header, "user: NAME"))
	}
	user := identifier(header[at])
	return fmt.Sprintf("(SELECT * REPLACE (pseudonym(CAST(%s AS VARCHAR)) AS %s) FROM %s)",
		textSQL(user, types[at], kindID), user, table), nil
}
