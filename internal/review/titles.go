package review

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/duckdb/duckdb-go/v2"

	"rdrec/internal/dataset"
	"rdrec/internal/spec"
)

// titles reads the shop's metadata and keeps the titles of the dataset's items. Unreadable rows are
// counted and do not stop the import: reports can show an item without its title.
func (r *run) titles(ctx context.Context) error {
	if r.Options.Metadata == "" {
		return nil
	}
	files, err := r.find(r.Options.Metadata)
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
	r.sum.Sources = linesOf(r.sources)
	return r.db.exec(ctx, `CREATE TABLE title AS SELECT num, any_value(id) AS item, arg_min(title, row) AS title
		FROM meta JOIN itemnum ON itemnum.id = identity(meta.item) WHERE trim(given(title)) <> ''
		GROUP BY num ORDER BY num;
		DROP TABLE meta`)
}

// metadataLayout returns how the metadata's files are laid out. The reviews' names and encoding
// apply where the metadata has no settings of its own and they fit.
func (r *run) metadataLayout() layouter {
	own := spec.Table{}
	if r.Options.MetadataTable != nil {
		own = *r.Options.MetadataTable
	}
	return layouter{
		format: "auto", table: own, isRow: isTitle, positions: []string{"item", spec.TitleColumn},
		columns: func(string) ([]column, error) {
			columns := titleLayout()
			for i, c := range columns {
				if name, ok := r.Options.Columns[c.name]; ok {
					columns[i].keys = append([]string{name}, c.keys...)
				}
			}
			return withNames(columns, own.Columns), nil
		},
	}
}

// isTitle reports whether fields make an item with a title.
func isTitle(fields []string, at []int) bool {
	for _, index := range at {
		if index < 0 || index >= len(fields) || fields[index] == "" {
			return false
		}
	}
	const longestID = 64
	return len(fields[at[0]]) <= longestID
}

func (r *run) titleFile(ctx context.Context, index int64, name string) (err error) {
	layout := r.metadataLayout()
	s, err := openSource(name, layout)
	var corrupt *CorruptError
	if errors.As(err, &corrupt) && corrupt.notUTF8 {
		layout.table.Encoding = cmp.Or(layout.table.Encoding, r.Options.Encoding)
		s, err = openSource(name, layout)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if s.read == nil {
		query, err := r.parquet(ctx, index, s)
		if err != nil {
			return err
		}
		return r.db.exec(ctx, "INSERT INTO meta "+query)
	}
	r.sources = add(r.sources, name, s.about)
	return r.db.appendTo(ctx, func(tables []*duckdb.Appender) error {
		return s.read(ctx, &titleSink{rows: tables[0], base: index << lineBits, sum: &r.sum})
	}, "meta")
}

// titleSink is the sink that fills table meta.
type titleSink struct {
	rows *duckdb.Appender
	base int64
	sum  *dataset.ImportSummary
}

func (s *titleSink) row(line int64, values []value) error {
	if !values[0].ok || !values[1].ok {
		return nil // an item without a title
	}
	if values[1].replaced {
		s.sum.Replaced++
	}
	return s.rows.AppendRow(s.base|line, values[0].text, values[1].text)
}

func (s *titleSink) bad(int64, string, []byte) error {
	s.sum.BadTitles++
	return nil
}
