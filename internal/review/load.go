package review

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/duckdb/duckdb-go/v2"
)

// load creates the view "source" of all files' rows (row, user, item, time, rating, text, summary;
// all text but the row's number). Our readers copy JSON and CSV, with line numbers, into a table;
// each query reads Parquet directly from its files.
func (r *run) load(ctx context.Context) error {
	files, err := find(r.Options.Path)
	if err != nil {
		return err
	}
	r.files = files
	if err := r.db.exec(ctx, `CREATE TABLE bad (row BIGINT, reason VARCHAR, text VARCHAR)`); err != nil {
		return err
	}
	if err := r.db.exec(ctx, `CREATE TABLE staged (row BIGINT, "user" VARCHAR, item VARCHAR, "time" VARCHAR,
		rating VARCHAR, "text" VARCHAR, summary VARCHAR)`); err != nil {
		return err
	}
	parts := []string{"SELECT * FROM staged"}
	for i, name := range files {
		part, err := r.loadFile(ctx, int64(i), name)
		if err != nil {
			return err
		}
		if part != "" {
			parts = append(parts, part)
		}
	}
	return r.db.exec(ctx, "CREATE VIEW source AS "+strings.Join(parts, " UNION ALL "))
}

// loadFile copies one file into table staged, or returns the query that reads a Parquet file.
func (r *run) loadFile(ctx context.Context, index int64, name string) (query string, err error) {
	detected, err := sniff(name)
	if err != nil {
		return "", err
	}
	format := r.Options.Format
	if format == "auto" {
		format = detected
	} else if (format == "parquet") != (detected == "parquet") {
		return "", fmt.Errorf("%w: %s: format is %s, but the file is %s", ErrData, name, format, detected)
	}
	columns, err := columnsFor(format, r.Options.Columns)
	if err != nil {
		return "", err
	}
	if format == "parquet" {
		return r.parquet(ctx, index, name, columns)
	}
	read := readJSON
	if format == "csv" {
		read = readCSV
	}
	in, err := openInput(name)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	staged := &stager{base: index << lineBits, progress: r.progress}
	err = r.db.appendTo(ctx, func(tables []*duckdb.Appender) error {
		staged.rows, staged.rejected = tables[0], tables[1]
		return read(ctx, in, columns, staged)
	}, "staged", "bad")
	if err != nil {
		return "", err
	}
	if staged.count == 0 {
		return "", in.corrupt(0, errors.New("file has no rows"))
	}
	return "", nil
}

// stager is the sink that fills the tables staged and bad.
type stager struct {
	base     int64
	rows     *duckdb.Appender
	rejected *duckdb.Appender
	cells    []driver.Value
	count    int
	progress func(step string, rows int)
}

func (s *stager) row(line int64, values []value) error {
	s.cells = append(s.cells[:0], s.base|line)
	for _, v := range values {
		if v.ok {
			s.cells = append(s.cells, v.text)
		} else {
			s.cells = append(s.cells, nil)
		}
	}
	s.advance()
	return s.rows.AppendRow(s.cells...)
}

func (s *stager) bad(line int64, reason string, text []byte) error {
	s.advance()
	return s.rejected.AppendRow(s.base|line, reason, snippet(text))
}

func (s *stager) advance() {
	s.count++
	if s.count%progressRows == 0 && s.progress != nil {
		s.progress("load", s.count)
	}
}

// snippet returns the beginning of a bad row as valid UTF-8.
func snippet(text []byte) string {
	return strings.ToValidUTF8(string(text[:min(len(text), maxSnippet)]), "\uFFFD")
}

// parquet returns the query that reads a Parquet file as text columns.
func (r *run) parquet(ctx context.Context, index int64, name string, columns []column) (string, error) {
	header, err := r.header(ctx, name)
	if err != nil {
		return "", err
	}
	at := match(columns, header)
	if err := missingColumns(columns, at, header); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	selected := []string{fmt.Sprintf("%d + file_row_number + 1 AS row", index<<lineBits)}
	for i, c := range columns {
		from := "NULL"
		if at[i] >= 0 {
			from = identifier(header[at[i]])
		}
		selected = append(selected, fmt.Sprintf("CAST(%s AS VARCHAR) AS %s", from, identifier(c.name)))
	}
	query := "SELECT %s FROM read_parquet(%s, file_row_number = true)"
	return fmt.Sprintf(query, strings.Join(selected, ", "), quoted(name)), nil
}

// header returns the names of a Parquet file's columns.
func (r *run) header(ctx context.Context, name string) ([]string, error) {
	found, err := r.db.conn.QueryContext(ctx, "SELECT * FROM read_parquet("+quoted(name)+") LIMIT 0")
	if err != nil {
		return nil, &CorruptError{File: name, Reason: "not a complete Parquet file: " + withoutValues(err.Error())}
	}
	header, err := found.Columns()
	if err := errors.Join(err, found.Err(), found.Close()); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(name), err)
	}
	return header, nil
}
