package review

import (
	"context"
	"errors"
	"fmt"

	"github.com/duckdb/duckdb-go/v2"
)

// titles reads the shop's metadata and keeps the titles of the dataset's items. Unreadable rows are
// counted and do not stop the import: reports can show an item without its title.
func (r *run) titles(ctx context.Context) error {
	if r.Options.Metadata == "" {
		return nil
	}
	files, err := find(r.Options.Metadata)
	if err != nil {
		return fmt.Errorf("metadata: %w", err)
	}
	if err := r.db.exec(ctx, `CREATE TABLE meta (row BIGINT, item VARCHAR, title VARCHAR)`); err != nil {
		return err
	}
	for i, name := range files {
		if err := r.titleFile(ctx, int64(i), name); err != nil {
			return fmt.Errorf("metadata: %w", err)
		}
	}
	return r.db.exec(ctx, `CREATE TABLE title AS SELECT num, any_value(id) AS item, arg_min(title, row) AS title
		FROM meta JOIN itemnum ON itemnum.id = trim(meta.item) WHERE trim(title) <> '' GROUP BY num ORDER BY num;
		DROP TABLE meta`)
}

func (r *run) titleFile(ctx context.Context, index int64, name string) (err error) {
	format, err := sniff(name)
	if err != nil {
		return err
	}
	if format == "parquet" {
		query, err := r.parquet(ctx, index, name, titleLayout())
		if err != nil {
			return err
		}
		return r.db.exec(ctx, "INSERT INTO meta "+query)
	}
	read := readJSON
	if format == "csv" {
		read = readCSV
	}
	in, err := openInput(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	return r.db.appendTo(ctx, func(tables []*duckdb.Appender) error {
		sink := &titleSink{rows: tables[0], base: index << lineBits, bads: &r.sum.BadTitles}
		return read(ctx, in, titleLayout(), sink)
	}, "meta")
}

// titleSink is the sink that fills table meta.
type titleSink struct {
	rows *duckdb.Appender
	base int64
	bads *int
}

func (s *titleSink) row(line int64, values []value) error {
	if !values[0].ok || !values[1].ok {
		return nil // an item without a title
	}
	return s.rows.AppendRow(s.base|line, values[0].text, values[1].text)
}

func (s *titleSink) bad(int64, string, []byte) error {
	*s.bads++
	return nil
}
