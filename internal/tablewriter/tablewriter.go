// Package tablewriter writes recommendations as Parquet or CSV. In: JSON lines of recommender.Row.
// Out: one file with the same rows, order and column names. DuckDB writes it out of core: its
// memory is bounded, whatever the number of users.
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

// memoryMB is DuckDB's memory limit in MB.
const memoryMB = 1024

// columns are the columns of the table and their types, in order: the fields of recommender.Row.
const columns = "{user: 'VARCHAR', rank: 'INTEGER', item: 'VARCHAR', title: 'VARCHAR', " +
	"score: 'DOUBLE', explanation: 'VARCHAR'}"

// options returns DuckDB's options for a format.
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

// Write writes the JSON lines of the file lines as a table to the file out; scratch is a folder for
// data that exceeds the memory limit.
func Write(ctx context.Context, lines, out, format, scratch string) (err error) {
	with, err := options(format)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(scratch, 0o750); err != nil {
		return fmt.Errorf("make the scratch folder of the table: %w", err)
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
		"SET autoinstall_known_extensions = false",
		"SET autoload_known_extensions = false",
		"SET allowed_directories = [" + sqlString(scratch) + "]",
		"SET allowed_paths = [" + sqlString(lines) + ", " + sqlString(out) + "]",
		"SET enable_external_access = false",
		"SET lock_configuration = true",
		fmt.Sprintf("COPY (SELECT * FROM read_json(%s, format = 'newline_delimited', columns = %s)) TO %s (%s)",
			sqlString(lines), columns, sqlString(out), with),
	} {
		if _, err := db.ExecContext(ctx, query); err != nil {
			return fmt.Errorf("write table as %s: %w", format, err)
		}
	}
	return nil
}

// sqlString returns an SQL string literal.
func sqlString(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
