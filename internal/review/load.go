package review

import (
	"context"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/duckdb/duckdb-go/v2"

	"rdrec/internal/fileset"
	"rdrec/internal/pseudonym"
	"rdrec/internal/spec"
)

// load creates the view "source" of all files' rows (row, user, item, time, rating, text, summary;
// all text but the row's number). Our readers copy JSON and delimited text, with line numbers, into
// a table; each query reads Parquet directly from its files.
func (r *run) load(ctx context.Context) error {
	files, err := r.find(r.Options.Path)
	if err != nil {
		return err
	}
	r.files = files
	if err := r.confine(ctx); err != nil {
		return err
	}
	for _, step := range []string{
		`CREATE TABLE bad (row BIGINT, reason VARCHAR, text VARCHAR)`,
		`CREATE TABLE staged (row BIGINT, "user" VARCHAR, item VARCHAR, "time" VARCHAR, rating VARCHAR,
			"text" VARCHAR, summary VARCHAR)`,
		givenSQL(),
		identitySQL,
	} {
		if err := r.db.exec(ctx, step); err != nil {
			return err
		}
	}
	for name, do := range map[string]func([]string) string{
		"utf8_of": textOfHex, "pseudonym": func(ids []string) string { return userOf(r.UserKey, ids[0]) },
	} {
		if err := r.db.function(name, 1, do); err != nil {
			return err
		}
	}
	parts, err := r.loadFiles(ctx, files)
	if err != nil {
		return err
	}
	r.sum.Sources = linesOf(r.sources)
	return r.db.exec(ctx, `CREATE VIEW source AS SELECT row, identity("user") AS "user", identity(item) AS item,
		given("time") AS "time", given(rating) AS rating, given("text") AS "text", given(summary) AS summary
		FROM (`+strings.Join(parts, " UNION ALL ")+`)`)
}

// confine lets the database read the files of the import alone. A problem with the metadata's path
// is reported once it is read.
func (r *run) confine(ctx context.Context) error {
	files := slices.Clone(r.files)
	if r.Options.Metadata != "" {
		if metadata, _, err := fileset.Find(r.Options.Metadata); err == nil {
			files = append(files, metadata...)
		}
	}
	if r.Copy != "" {
		files = append(files, r.Copy)
	}
	return r.db.confine(ctx, files...)
}

// find returns the files of a path and notes those that it passes over.
func (r *run) find(path string) ([]string, error) {
	files, passedOver, err := fileset.Find(path)
	if err != nil {
		return nil, err
	}
	if len(files) > maxFiles {
		return nil, fmt.Errorf("path %q: %d files, but one import reads at most %d", path, len(files), maxFiles)
	}
	r.sum.PassedOver = append(r.sum.PassedOver, passedOver...)
	return files, nil
}

// loadFiles returns the queries of the files' rows. Of several files, those without any bytes are
// passed over.
func (r *run) loadFiles(ctx context.Context, files []string) ([]string, error) {
	parts := []string{"SELECT * FROM staged"}
	var empty error
	rows := 0
	for i, name := range files {
		part, err := r.loadFile(ctx, int64(i), name)
		var corrupt *CorruptError
		if errors.As(err, &corrupt) && corrupt.empty {
			r.sum.PassedOver = append(r.sum.PassedOver, filepath.Base(name)+" (empty)")
			empty = err
			continue
		}
		if err != nil {
			return nil, err
		}
		rows++
		if part != "" {
			parts = append(parts, part)
		}
	}
	if rows == 0 {
		return nil, empty
	}
	return parts, nil
}

// reviewLayout returns how the reviews' files are laid out.
func (r *run) reviewLayout() layouter {
	return layouter{
		format: r.Options.Format, table: r.Options.Table(), isRow: r.isReview,
		positions: []string{"user", "item", "rating", "time"}, // MovieLens, Amazon's ratings of 2014
		columns: func(format string) ([]column, error) {
			return columnsFor(format, r.Options.Columns)
		},
	}
}

// isReview reports whether fields make a review: a user, an item, a time, and a number for a
// rating.
func (r *run) isReview(fields []string, at []int) bool {
	for i, name := range spec.Columns() {
		if at[i] < 0 || at[i] >= len(fields) {
			continue
		}
		switch field := strings.TrimSpace(fields[at[i]]); {
		case required(name) && field == "":
			return false
		case name == "time" && !looksLikeTime(field):
			return false
		case name == "rating" && field != "":
			if _, err := strconv.ParseFloat(strings.ReplaceAll(field, ",", "."), 64); err != nil {
				return false
			}
		}
	}
	return true
}

// loadFile copies one file into table staged, or returns the query that reads a Parquet file.
func (r *run) loadFile(ctx context.Context, index int64, name string) (query string, err error) {
	s, err := openSource(name, r.reviewLayout())
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if s.read == nil {
		return r.parquet(ctx, index, s)
	}
	staged := &stager{base: index << lineBits, key: r.UserKey, progress: r.progress}
	err = r.db.appendTo(ctx, func(tables []*duckdb.Appender) error {
		staged.rows, staged.rejected = tables[0], tables[1]
		return s.read(ctx, staged)
	}, "staged", "bad")
	if err != nil {
		return "", err
	}
	if staged.count == 0 {
		return "", s.corrupt(0, fmt.Errorf("file has no rows: %w", errEmpty))
	}
	r.sum.Replaced += staged.replaced
	r.sources = add(r.sources, name, s.about)
	return "", nil
}

// stager is the sink that fills the tables staged and bad.
type stager struct {
	base     int64
	key      pseudonym.Key
	rows     *duckdb.Appender
	rejected *duckdb.Appender
	cells    []driver.Value
	count    int
	replaced int // rows with a text that lost characters
	progress func(step string, rows int)
}

func (s *stager) row(line int64, values []value) error {
	s.cells = append(s.cells[:0], s.base|line)
	replaced := false
	for i, v := range values {
		if i == userColumn && v.ok {
			v.text = userOf(s.key, v.text)
		}
		replaced = replaced || v.replaced
		if v.ok {
			s.cells = append(s.cells, v.text)
		} else {
			s.cells = append(s.cells, nil)
		}
	}
	if replaced {
		s.replaced++
	}
	s.advance()
	return s.rows.AppendRow(s.cells...)
}

func (s *stager) bad(line int64, reason string, text []byte) error {
	s.advance()
	if !s.key.IsZero() {
		text = nil
	}
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
func (r *run) parquet(ctx context.Context, index int64, s *source) (string, error) {
	name, err := plainName(s.name, r.scratch)
	if err != nil {
		return "", err
	}
	header, types, err := r.header(ctx, name)
	if err != nil {
		return "", s.corrupt(0, err)
	}
	resolve(s.columns, header)
	at := positions(s.columns, match(s.columns, header), len(header))
	if err := missingColumns(s.columns, at, header); err != nil {
		return "", fmt.Errorf("%s: %w", s.name, err)
	}
	s.about += ": " + describe(s.columns, func(i int) string {
		if at[i] < 0 {
			return ""
		}
		return header[at[i]]
	})
	selected := []string{fmt.Sprintf("%d + file_row_number + 1 AS row", index<<lineBits)}
	for i, c := range s.columns {
		from := "NULL"
		if at[i] >= 0 {
			from = textSQL(identifier(header[at[i]]), types[at[i]], c.kind)
		}
		from = fmt.Sprintf("CAST(%s AS VARCHAR)", from)
		if i == userColumn && !r.UserKey.IsZero() {
			from = "pseudonym(" + from + ")"
		}
		selected = append(selected, from+" AS "+identifier(c.name))
	}
	query := fmt.Sprintf("SELECT %s FROM read_parquet(%s, file_row_number = true)",
		strings.Join(selected, ", "), quoted(name))
	r.sources = add(r.sources, s.name, s.about)
	return query, r.countReplaced(ctx, query, s.columns, at, types)
}

// countReplaced counts the rows of a Parquet file whose texts are bytes that are not UTF-8. Other
// texts of Parquet are UTF-8.
func (r *run) countReplaced(ctx context.Context, query string, columns []column, at []int, types []string) error {
	var conditions []string
	for i, c := range columns {
		if at[i] >= 0 && types[at[i]] == "BLOB" && c.kind == kindText {
			conditions = append(conditions, fmt.Sprintf("contains(%s, chr(65533))", identifier(c.name)))
		}
	}
	if len(conditions) == 0 {
		return nil
	}
	var replaced int
	err := r.db.count(
		ctx, fmt.Sprintf("SELECT count(*) FROM (%s) WHERE %s", query, strings.Join(conditions, " OR ")), &replaced,
	)
	r.sum.Replaced += replaced
	return err
}

// textSQL returns the SQL of a Parquet column's value as text. Older writers mark strings as bytes,
// pandas makes ids floats, and lists are no texts.
func textSQL(name, sqlType string, k kind) string {
	isFloat := sqlType == "DOUBLE" || sqlType == "FLOAT"
	switch {
	case sqlType == "BLOB":
		return fmt.Sprintf("utf8_of(hex(%s))", name)
	case k == kindID && isFloat:
		return fmt.Sprintf("coalesce(CAST(CASE WHEN %[1]s = floor(%[1]s) THEN try_cast(%[1]s AS HUGEINT) END AS "+
			"VARCHAR), "+
			"CAST(%[1]s AS VARCHAR))", name)
	case k == kindText && (strings.HasSuffix(sqlType, "]") || strings.HasPrefix(sqlType, "STRUCT") ||
		strings.HasPrefix(sqlType, "MAP")):
		return "NULL"
	default:
		return name
	}
}

// textOfHex returns the text of bytes in hexadecimal; invalid UTF-8 is replaced.
func textOfHex(args []string) string {
	text, err := hex.DecodeString(args[0])
	if err != nil {
		return args[0]
	}
	return strings.ToValidUTF8(string(text), "\uFFFD")
}

// header returns the names and the types of a Parquet file's columns.
func (r *run) header(ctx context.Context, name string) (names, types []string, err error) {
	if names, types, err = r.db.columnsOf(ctx, "read_parquet("+quoted(name)+")"); err != nil {
		return nil, nil, fmt.Errorf("not a complete Parquet file: %s", withoutValues(err.Error()))
	}
	return names, types, nil
}
