package review

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"rdrec/internal/delimited"
	"rdrec/internal/fileset"
	"rdrec/internal/spec"
)

// IngestSource writes the rows of a source above a watermark (all rows if it is empty) into a
// Parquet file, if there are any. The same rows give the same file. A source that does not match
// its settings gives an error that is [ErrSettings].
func IngestSource(ctx context.Context, source spec.Source, watermark, file string) (out spec.Ingested, err error) {
	scratch, err := os.MkdirTemp(filepath.Dir(file), ".ingest-")
	if err != nil {
		return out, fmt.Errorf("ingest %q: %w", source.Path, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	db, err := openStore(ctx, scratch, defaultMemoryMB)
	if err != nil {
		return out, fmt.Errorf("ingest %q: %w", source.Path, err)
	}
	defer func() { err = errors.Join(err, db.close()) }()
	d := &ingestion{db: db, column: identifier(source.Watermark)}
	if err := d.open(ctx, source, watermark); err != nil {
		return out, fmt.Errorf("ingest %q by %q: %w: %w", source.Path, source.Watermark, ErrSettings, err)
	}
	if err := d.write(ctx, file); err != nil {
		return d.Ingested, fmt.Errorf("ingest %q by %q: %w", source.Path, source.Watermark, diskFull(err))
	}
	return d.Ingested, nil
}

// ingestion is a running [IngestSource].
type ingestion struct {
	spec.Ingested
	db *store
	// column is the watermark's column, bounds the SQL condition of new rows.
	column, bounds string
}

// open creates the view "source" and sets the bounds of the new rows. Their upper bound is the
// greatest watermark at this time, so rows that are inserted meanwhile wait for the next run.
func (d *ingestion) open(ctx context.Context, source spec.Source, watermark string) error {
	var table string
	if source.IsDatabase() {
		if _, err := os.Stat(source.Path); err != nil {
			return err
		}
		if err := d.db.exec(ctx, "ATTACH "+quoted(source.Path)+" AS shop (READ_ONLY)"); err != nil {
			return err
		}
		table = "shop." + identifier(source.Table)
	} else {
		var err error
		if table, err = fileTable(source.Path); err != nil {
			return err
		}
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
	d.Watermark = greatest.String
	d.bounds = fmt.Sprintf("%s <= CAST(%s AS %s)", d.column, quoted(d.Watermark), sqlType)
	if watermark != "" {
		d.bounds += fmt.Sprintf(" AND %s > CAST(%s AS %s)", d.column, quoted(watermark), sqlType)
	}
	return nil
}

// fileTable returns the SQL of the rows of files. DuckDB detects the format of a file by its name;
// the dialect of delimited text is the one that package delimited finds, so that quotes which are
// plain characters lose no rows.
func fileTable(path string) (table string, err error) {
	files, _, err := fileset.Find(path)
	if err != nil {
		return "", err
	}
	in, err := openInput(files[0], "")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	sample := in.sample()
	text := bytes.TrimSpace(sample)
	if len(text) == 0 || in.starts("PAR1") || text[0] == '{' || text[0] == '[' {
		return quoted(path), nil
	}
	dialect := delimited.Dialect{Delimiter: delimited.SniffDelimiter(sample)}
	first, err := firstRecord(sample, dialect, spec.Table{})
	if err != nil {
		return "", in.corrupt(1, err)
	}
	dialect.Quote, dialect.Escape = delimited.SniffQuote(sample, dialect.Delimiter, len(first), nil)
	quote, escape := "", ""
	if dialect.Quote != 0 {
		quote = string(dialect.Quote)
		escape = quote
	}
	if dialect.Escape != 0 {
		escape = string(dialect.Escape)
	}
	return fmt.Sprintf("read_csv(%s, delim = %s, quote = %s, escape = %s, header = true)",
		quoted(path), quoted(dialect.Delimiter), quoted(quote), quoted(escape)), nil
}

func (d *ingestion) write(ctx context.Context, file string) error {
	count := fmt.Sprintf("SELECT count(*) FILTER (%s), count(*) FILTER (%s IS NULL) FROM source", d.bounds, d.column)
	if err := d.db.count(ctx, count, &d.Rows, &d.WithoutWatermark); err != nil || d.Rows == 0 {
		d.Watermark = ""
		return err
	}
	export := "COPY (SELECT * FROM source WHERE %s ORDER BY ALL) TO %s (FORMAT parquet)"
	return d.db.exec(ctx, fmt.Sprintf(export, d.bounds, quoted(file)))
}
