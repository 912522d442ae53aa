package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"rdrec/internal/dataset"
	"rdrec/internal/spec"
)

// Import runs an [Importer] with random ids.
func Import(ctx context.Context, opts spec.Reviews, seed int64, dir string) (dataset.ImportSummary, error) {
	return Importer{Options: opts, Seed: seed, Dir: dir}.Run(ctx)
}

// IngestSource runs an [Ingester] that keeps the ids.
func IngestSource(
	ctx context.Context, source spec.Source, watermark, file string, resources Resources,
) (spec.Ingested, error) {
	return Ingester{Resources: resources}.Ingest(ctx, source, watermark, file)
}

// Row is a reader's result for one line.
type Row struct {
	Line   int64
	Values map[string]string
	Reason string
}

type collector struct {
	columns []column
	rows    []Row
}

func (c *collector) row(line int64, values []value) error {
	r := Row{Line: line, Values: map[string]string{}}
	for i, v := range values {
		if v.ok {
			r.Values[c.columns[i].name] = v.text
		}
	}
	c.rows = append(c.rows, r)
	return nil
}

func (c *collector) bad(line int64, reason string, _ []byte) error {
	c.rows = append(c.rows, Row{Line: line, Reason: reason})
	return nil
}

// ReadFile reads all rows of a file of a format.
func ReadFile(name, format string) (rows []Row, err error) {
	return ReadRows(name, spec.Reviews{Format: format})
}

// ReadRows reads all rows of a file with the options.
func ReadRows(name string, opts spec.Reviews) (rows []Row, err error) {
	r := &run{Importer: Importer{Options: opts}}
	s, err := openSource(name, r.reviewLayout())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	c := &collector{columns: s.columns}
	err = s.read(context.Background(), c)
	return c.rows, err
}

// ParseJSON reads one line of the 2018 dump.
func ParseJSON(line []byte) (map[string]string, string) {
	columns := layouts()[1].columns
	values := make([]value, len(columns))
	if reason := parseJSON(line, columns, values); reason != "" {
		return nil, reason
	}
	c := &collector{columns: columns}
	if err := c.row(1, values); err != nil {
		return nil, err.Error()
	}
	return c.rows[0].Values, ""
}

// FromPython converts a printed Python dict into JSON.
func FromPython(text []byte) ([]byte, bool) { return fromPython(text) }

// Title cleans a title.
func Title(raw string) string { return newCleaner().title(raw) }

// Sentences cleans and splits a text.
func Sentences(raw string) []string { return sentences(newCleaner().text(raw)) }

// MethodNames returns the extractors of the table.
func MethodNames() []string {
	var names []string
	for _, m := range methods() {
		names = append(names, m.name)
	}
	return names
}

// LanguageNames returns the languages of the table, and the one without lists.
func LanguageNames() []string {
	var names []string
	for _, l := range languages() {
		names = append(names, l.name)
	}
	return append(names, spec.OtherLanguage)
}

// FormatNames returns "auto" and the formats of the table.
func FormatNames() []string {
	names := []string{"auto"}
	for _, l := range layouts() {
		names = append(names, l.format)
	}
	return names
}

// FeatureWords returns the words of a text that could name a feature.
func FeatureWords(text string) []string { return newScorer(languages()[0], nil).featureWords(text) }

// Pages fetches the numbers 1 to last from a store in dir, page by page.
func Pages(ctx context.Context, dir string, last, step int) (numbers []int, err error) {
	db, err := openStore(ctx, dir, Resources{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.close()) }()
	scan := func(row *sql.Rows) (n int, err error) { return n, row.Scan(&n) }
	query := fmt.Sprintf(`SELECT n FROM range(1, %d) t(n) WHERE n BETWEEN ? AND ? ORDER BY n`, last+1)
	for n, err := range pages(ctx, db, scan, [2]int{last, step}, query) {
		if err != nil {
			return nil, err
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}
