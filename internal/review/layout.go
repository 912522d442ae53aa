package review

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"rdrec/internal/spec"
)

// kind is the type of a column's values.
type kind int

const (
	kindID     kind = iota // a string or a number, not blank
	kindNumber             // a number, or a string that is read as a time or a number
	kindText               // a string
)

// column is one of our columns, with its names in files in order of precedence.
type column struct {
	name string
	keys []string
	kind kind
	// mapped is set if the spec names the column; keys is that name then, or a position.
	mapped bool
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
	return column{name: name, keys: strings.Fields(keys), kind: kind}
}

// layouts is the table of formats. Files of the last three may use our names or those of any dump.
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
		anyNames("json"),
		anyNames("csv"),
		anyNames("parquet"),
	}
}

// itemKeys are the less common names of an item's id.
const itemKeys = "item_id itemId product_id movieId business_id gmap_id book_id isbn " +
	"anime_id game_id app_id recipe_id track_id song_id artist_id hotel_id beer_id listing_id sku"

// anyNames returns the layout of a format whose files have names of many origins. A name also
// stands for its spellings (userId, User ID, USER_ID).
func anyNames(format string) layout {
	return review(format, [6]string{
		"user reviewerID user_id userId customer_id reviewer_id member_id author_id uid username reviewer customer",
		"item parent_asin asin " + itemKeys,
		"time unixReviewTime timestamp reviewTime date review_date review_time datetime created_at date_added " +
			"date_created submitted posted publish_date review/time",
		"rating overall stars star_rating score review_rating review_score user_rating review/score review/overall",
		"text reviewText review_body review review_text content comment comments body review/text",
		"summary title review_headline headline review_title review_summary review/summary",
	})
}

// titleLayout returns the columns of metadata files of all formats.
func titleLayout() []column {
	return []column{
		newColumn("item", "parent_asin asin item "+itemKeys, kindID),
		newColumn(spec.TitleColumn, "title name item_name product_title product_name movie_title book_title", kindText),
	}
}

func known(name string) bool {
	return name == spec.TitleColumn || slices.Contains(spec.Columns(), name)
}

// columnsFor returns the columns of a format; names overrides the names in files.
func columnsFor(format string, names map[string]string) ([]column, error) {
	for _, l := range layouts() {
		if l.format == format {
			return withNames(l.columns, names), nil
		}
	}
	return nil, fmt.Errorf("format %q is not one of %s", format, strings.Join(spec.Formats(), ", "))
}

// withNames sets the names of the columns that the spec names.
func withNames(columns []column, names map[string]string) []column {
	for i, c := range columns {
		if name, ok := names[c.name]; ok {
			columns[i].keys, columns[i].mapped = []string{name}, true
		}
	}
	return columns
}

// required reports whether a file must have a column.
func required(name string) bool {
	return name == "user" || name == "item" || name == "time" || name == spec.TitleColumn
}

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

// resolve replaces the names of a column by a name of the header that is spelled differently, if
// none of them is in the header itself.
func resolve(columns []column, header []string) {
	for i, at := range match(columns, header) {
		if at >= 0 {
			continue
		}
		for _, key := range columns[i].keys {
			found := slices.IndexFunc(header, func(name string) bool { return spelling(name) == spelling(key) })
			if found >= 0 {
				columns[i].keys = []string{header[found]}
				break
			}
		}
	}
}

// spelling returns the letters and digits of a name, in lower case.
func spelling(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, name)
}

// missingColumns returns an error that names the required columns that a header lacks, and the
// setting that names them. Where one name only is known, it is in the error.
func missingColumns(columns []column, at []int, header []string) error {
	var missing, settings []string
	for i, c := range columns {
		if at[i] >= 0 || !required(c.name) {
			continue
		}
		name := c.name
		if len(c.keys) == 1 {
			name += fmt.Sprintf(" (looked for %s)", c.keys[0])
		}
		missing, settings = append(missing, name), append(settings, c.name+": NAME")
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("%w: no column for %s among %s",
		ErrData, strings.Join(missing, ", "), columnNames(header, strings.Join(settings, ", ")))
}

// Limits of a column name, in bytes and words: anything longer is a value. An error shows at most
// maxColumns names.
const (
	maxColumnName  = 40
	maxColumnWords = 4
	maxColumns     = 40
)

// columnNames returns the names of a file's columns for a message, and the settings that name
// columns. The first line of a file without a header is a row, and may have a customer's review.
func columnNames(header []string, settings string) string {
	isValue := func(name string) bool {
		_, err := strconv.ParseFloat(name, 64)
		return err == nil || len(name) > maxColumnName || len(strings.Fields(name)) > maxColumnWords
	}
	if slices.ContainsFunc(header, isValue) {
		return fmt.Sprintf("%d columns, but the first line is not a header (--set data.reviews.header=false "+
			"--set data.reviews.columns='{user: 1, item: 2, rating: 3, time: 4}' reads such a table)", len(header))
	}
	return fmt.Sprintf("%s (--set data.reviews.columns='{%s}' names them)",
		strings.Join(header[:min(len(header), maxColumns)], ", "), settings)
}
