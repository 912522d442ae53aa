package review

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"rdrec/internal/fileset"
	"rdrec/internal/spec"
)

// maxIngestedBad is the share of a source's rows that may be unreadable or lose characters.
const maxIngestedBad = 0.01

// readers returns the SQL that reads files of each format without a guess at their form.
func readers() map[string]string {
	return map[string]string{
		"parquet": "SELECT * FROM read_parquet([%s], union_by_name = true)",
		"csv": `SELECT * FROM read_csv([%s], delim = ',', quote = '"', escape = '"', header = true, all_varchar = true,
			union_by_name = true)`,
		"json": "SELECT * FROM read_json([%s], format = 'newline_delimited', sample_size = -1, union_by_name = true, " +
			"maximum_object_size = " + fmt.Sprint(2*maxRecord) + ")",
	}
}

// files returns the SQL of the rows of the source's files. Parquet is read as it is. Delimited text
// and JSON are copied in UTF-8 and in one form first: DuckDB's own readers know neither the packing
// nor the encodings and dialects that the import reads.
func (d *ingestion) files(ctx context.Context, source spec.Source, out string) (string, error) {
	files, _, err := fileset.Find(source.Path)
	if err != nil {
		return "", err
	}
	if err := d.db.exec(ctx, givenSQL()); err != nil {
		return "", err
	}
	paths := map[string][]string{}
	var empty error
	for i, name := range files {
		format, path, err := d.copyFile(ctx, source, name, filepath.Join(d.scratch, fmt.Sprintf("copy-%d", i)))
		var corrupt *CorruptError
		if errors.As(err, &corrupt) && corrupt.empty {
			empty = err
			continue
		}
		if err != nil {
			return "", err
		}
		paths[format] = append(paths[format], quoted(path))
	}
	if len(paths) == 0 {
		return "", empty
	}
	if err := d.checkBad(source); err != nil {
		return "", err
	}
	if err := d.db.confine(ctx, append(files, out)...); err != nil {
		return "", err
	}
	return d.union(ctx, paths)
}

// checkBad returns an error if more rows than maxIngestedBad are bad or lost characters.
func (d *ingestion) checkBad(source spec.Source) error {
	limit := int(maxIngestedBad * float64(d.copied))
	switch {
	case d.Bad > limit:
		return fmt.Errorf("%d of %d rows cannot be read; the first is %s", d.Bad, d.copied, d.firstBad)
	case d.Replaced > limit:
		return fmt.Errorf("%d of %d rows have characters that are not %s: set nightly.source.encoding to the files' "+
			"encoding, such as windows-1252", d.Replaced, d.copied, cmp.Or(source.Encoding, "UTF-8"))
	default:
		return nil
	}
}

// union returns the SQL of the rows of all files. The watermarks of delimited text, whose columns
// are all text, get the first of the types integer, number and time that all of them have.
func (d *ingestion) union(ctx context.Context, paths map[string][]string) (string, error) {
	var parts []string
	for _, format := range slices.Sorted(maps.Keys(paths)) {
		part := fmt.Sprintf(readers()[format], strings.Join(paths[format], ", "))
		if format == "csv" {
			sqlType, err := d.textType(ctx, part)
			if err != nil {
				return "", err
			}
			part = fmt.Sprintf("SELECT * REPLACE (TRY_CAST(given(trim(%[1]s)) AS %[2]s) AS %[1]s) FROM (%[3]s)",
				d.column, sqlType, part)
		}
		parts = append(parts, part)
	}
	return "(" + strings.Join(parts, " UNION ALL BY NAME ") + ")", nil
}

// textType returns the type of the watermarks of delimited text.
func (d *ingestion) textType(ctx context.Context, rows string) (string, error) {
	var notWhole, notNumber, notTime int
	err := d.db.count(ctx, fmt.Sprintf(`SELECT count(*) FILTER (NOT regexp_full_match(v, '[+-]?[0-9]{1,18}')),
		count(*) FILTER (TRY_CAST(v AS DOUBLE) IS NULL), count(*) FILTER (TRY_CAST(v AS TIMESTAMP) IS NULL)
		FROM (SELECT nullif(given(trim(%s)), '') AS v FROM (%s)) WHERE v IS NOT NULL`, d.column, rows),
		&notWhole, &notNumber, &notTime)
	switch {
	case notWhole == 0:
		return "BIGINT", err
	case notNumber == 0:
		return "DOUBLE", err
	case notTime == 0:
		return "TIMESTAMP", err
	default:
		return "VARCHAR", err
	}
}
