package review

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"rdrec/internal/spec"
)

// kind is the type of a column's values.
type kind int

const (
	kindID     kind = iota // a string or a number, not blank
	kindNumber             // a number, or a string that timeSQL or a cast parses
	kindText               // a string
)

// column is one of our columns, with its names in files in order of precedence.
type column struct {
	name string
	keys []string
	kind kind
}

// layout has the names of our columns in one format.
type layout struct {
	format  string
	columns []column // in the order of spec.Columns
}

// review returns the layout with the names of its six columns, in the order of spec.Columns; names
// of one column are separated by spaces.
func review(format string, names [6]string) layout {
	kinds := [6]kind{kindID, kindID, kindNumber, kindNumber, kindText, kindText}
	l := layout{format: format}
	for i, column := range spec.Columns() {
		l.columns = append(l.columns, newColumn(column, names[i], kinds[i]))
	}
	return l
}

func newColumn(name, keys string, kind kind) column {
	return column{name, strings.Fields(keys), kind}
}

// layouts is the table of formats. CSV and Parquet files may use our names or those of any dump.
func layouts() []layout {
	return []layout{
		review("amazon-2014", [6]string{
			"reviewerID", "asin", "unixReviewTime reviewTime", "overall", "reviewText", "summary",
		}),
		review("amazon-2018", [6]string{
			"reviewerID", "asin", "unixReviewTime reviewTime", "overall", "reviewText", "summary",
		}),
		review("amazon-2023", [6]string{
			"user_id", "parent_asin asin", "timestamp sort_timestamp", "rating", "text", "title",
		}),
		anyNames("csv"),
		anyNames("parquet"),
	}
}

func anyNames(format string) layout {
	return review(format, [6]string{
		"user reviewerID user_id userId customer_id", "item parent_asin asin item_id itemId product_id",
		"time unixReviewTime timestamp reviewTime date review_date", "rating overall stars star_rating",
		"text reviewText review_body review", "summary title review_headline",
	})
}

// titleLayout returns the columns of metadata files of all formats.
func titleLayout() []column {
	return []column{
		{"item", []string{"parent_asin", "asin", "item", "item_id", "product_id"}, kindID},
		{"title", []string{"title", "name"}, kindText},
	}
}

func known(name string) bool { return slices.Contains(spec.Columns(), name) }

// columnsFor returns the columns of a format; names overrides the names in files.
func columnsFor(format string, names map[string]string) ([]column, error) {
	for _, l := range layouts() {
		if l.format != format {
			continue
		}
		for i, c := range l.columns {
			if name, ok := names[c.name]; ok {
				l.columns[i].keys = []string{name}
			}
		}
		return l.columns, nil
	}
	return nil, fmt.Errorf("format %q is not one of %s", format, strings.Join(spec.Formats(), ", "))
}

// required reports whether a file must have a column.
func required(name string) bool { return name == "user" || name == "item" || name == "time" }

// match returns each column's index in a header, -1 where it is absent.
func match(columns []column, header []string) []int {
	at := make([]int, len(columns))
	for i, c := range columns {
		at[i] = -1
		for _, key := range c.keys {
			if found := slices.Index(header, key); found >= 0 {
				at[i] = found
				break
			}
		}
	}
	return at
}

// missingColumns returns an error that names the first required column that a header lacks.
func missingColumns(columns []column, at []int, header []string) error {
	for i, c := range columns {
		if at[i] < 0 && (required(c.name) || c.name == "title") {
			return fmt.Errorf("%w: no column for %s: looked for %s among %s (key columns maps names)",
				ErrData, c.name, strings.Join(c.keys, ", "), columnNames(header))
		}
	}
	return nil
}

// Limits of a column name, in bytes and words: anything longer is a value.
const (
	maxColumnName  = 40
	maxColumnWords = 4
)

// columnNames returns the names of a file's columns for a message. The first line of a file without
// a header is a row, and may have a customer's review.
func columnNames(header []string) string {
	isValue := func(name string) bool {
		_, err := strconv.ParseFloat(name, 64)
		return err == nil || len(name) > maxColumnName || len(strings.Fields(name)) > maxColumnWords
	}
	if slices.ContainsFunc(header, isValue) {
		return fmt.Sprintf("%d columns, but the first line is not a header", len(header))
	}
	return strings.Join(header, ", ")
}
