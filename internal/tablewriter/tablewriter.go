// Package table writes recommendations as Parquet or CSV. In: JSON lines of [advice.Row]; out: one
// file with a row a line, in their order, under the same names. DuckDB does it, out of core: it
// holds no more than its memory limit, whatever the number of users.
package tablewriter

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/duckdb/duckdb-go/v2"
)

// memoryMB bounds what DuckDB holds.
const memoryMB = 1024

// columns are the fields of a line and their types; the order is the table's. They are those of
// advice.Row.
const columns = `{user: 'VARCHAR', rank: 'INTEGER', item: 'VARCHAR', title: 'VARCHAR', score: 'DOUBLE', explanation: 'VARCHAR'}`

// options are DuckDB's for each format.
func options(format string) (string, error) {
	switch format {
	case "parquet":
		return "FORMAT parquet, COMPRESSION zstd", nil
	case "csv":
		return "FORMAT csv, HEADER true", nil
	default:
		return "", fmt.Errorf("table format %q: want parquet or csv", format)
	}
}

// Write turns the JSON lines at lines into the file out; scratch is a folder for what does not fit
// into memory.
func Write(ctx context.Context, lines, out, format, scratch string) (err error) {
	with, err := options(format)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(scratch, 0o750); err != nil {
		return fmt.Errorf("make folder for the table: %w", err)
	}
	connector, err := duckdb.NewConnector("", nil)
	if err != nil {
		return fmt.Errorf("open DuckDB: %w", err)
	}
	db := sql.OpenDB(connector)
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, query := range []string{
		fmt.Sprintf("SET memory_limit = '%dMB'", memoryMB),
		"SET temp_directory = " + sqlString(scratch),
		"SET preserve_insertion_order = true",
		fmt.Sprintf("COPY (SELECT * FROM read_json(%s, format = 'newline_delimited', columns = %s)) TO %s (%s)",
			sqlString(lines), columns, sqlString(out), with),
	} {
		if _, err := db.ExecContext(ctx, query); err != nil {
			return fmt.Errorf("write table as %s: %w", format, err)
		}
	}
	return nil
}

// sqlString is an SQL string.
func sqlString(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
