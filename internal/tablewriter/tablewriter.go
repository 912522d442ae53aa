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

// Job is one table to write.
type Job struct {
	// Lines is the file to read, Out the file to write, Scratch a folder for data that exceeds the
	// memory limit.
	Lines, Out, Scratch string
	// Format is parquet or csv. Spreadsheet writes an apostrophe before each cell that a
	// spreadsheet would run: one that begins with =, +, -, @, a tab or a line break.
	Format      string
	Spreadsheet bool
}

// quotedColumn is a text with an apostrophe before it if a spreadsheet would run it.
const quotedColumn = `CASE WHEN regexp_matches("%[1]s", '^[=+\-@\t\r\n]') THEN '''' || "%[1]s" ELSE "%[1]s" END ` +
	`AS "%[1]s"`

// selected returns the columns to select.
func (j Job) selected() string {
	if !j.Spreadsheet {
		return "*"
	}
	var quoted []string
	for _, column := range []string{"user", "item", "title", "explanation"} {
		quoted = append(quoted, fmt.Sprintf(quotedColumn, column))
	}
	return "* REPLACE (" + strings.Join(quoted, ", ") + ")"
}

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

// Write writes the JSON lines of a file as a table.
func Write(ctx context.Context, job Job) (err error) {
	with, err := options(job.Format)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(job.Scratch, 0o750); err != nil {
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
		"SET temp_directory = " + sqlString(job.Scratch),
		"SET preserve_insertion_order = true",
		"SET autoinstall_known_extensions = false",
		"SET autoload_known_extensions = false",
		"SET allowed_directories = [" + sqlString(job.Scratch) + "]",
		"SET allowed_paths = [" + sqlString(job.Lines) + ", " + sqlString(job.Out) + "]",
		"SET enable_external_access = false",
		"SET lock_configuration = true",
		fmt.Sprintf("COPY (SELECT %s FROM read_json(%s, format = 'newline_delimited', columns = %s)) TO %s (%s)",
			job.selected(), sqlString(job.Lines), columns, sqlString(job.Out), with),
	} {
		if _, err := db.ExecContext(ctx, query); err != nil {
			return fmt.Errorf("write table as %s: %w", job.Format, err)
		}
	}
	return nil
}

// sqlString returns an SQL string literal.
func sqlString(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
