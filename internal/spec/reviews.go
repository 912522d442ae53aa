package spec

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
)

// Reviews configures how raw reviews become a dataset. docs/formats.md has the formats, and the
// settings that each needs.
type Reviews struct {
	// Path is a file, a folder or a glob: JSON, delimited text or Parquet, packed or not. It may be
	// the URL of a bucket (s3://, gs://, azblob://).
	Path string `json:"path" yaml:"path"`
	// Format is a row of [Formats]; "auto" detects it from the beginning of each file.
	Format string `json:"format" yaml:"format" validate:"format"`
	// Metadata is the shop's item file (titles), optional. It may be the URL of a bucket.
	Metadata string `json:"metadata,omitempty" yaml:"metadata,omitempty"`
	// Columns renames columns: it maps our names (user, item, time, rating, text, summary; title
	// for the metadata) to the file's, or to their positions from 1.
	Columns map[string]string `json:"columns,omitempty" yaml:"columns,omitempty" validate:"omitempty,dive,keys,column,endkeys,required"`
	// Header is whether the first line of delimited text has the columns' names; nil detects it.
	Header *bool `json:"header,omitempty" yaml:"header,omitempty"`
	// Delimiter, Quote, Escape and Encoding are those of delimited text; empty detects them. Quote
	// "none" means that quotes are plain characters. Encoding applies to JSON, too.
	Delimiter string `json:"delimiter,omitempty" yaml:"delimiter,omitempty" validate:"omitempty,delimiter"`
	Quote     string `json:"quote,omitempty" yaml:"quote,omitempty" validate:"omitempty,quote"`
	Escape    string `json:"escape,omitempty" yaml:"escape,omitempty" validate:"omitempty,quote"`
	Encoding  string `json:"encoding,omitempty" yaml:"encoding,omitempty" validate:"omitempty,encoding"`
	// TimeFormat is how times are written: "unix" (numbers, never dates), "dmy" or "mdy" (the order
	// of day and month), or a pattern of strptime; empty detects it.
	TimeFormat string `json:"time_format,omitempty" yaml:"time_format,omitempty" validate:"omitempty,time_format"`
	// MetadataTable is how Metadata is written, where it differs from the reviews.
	MetadataTable *Table `json:"metadata_table,omitempty" yaml:"metadata_table,omitempty"`
	// UserCore and ItemCore are the minimum number of interactions per user and per item (k-core;
	// at least 1).
	UserCore int `json:"user_core" yaml:"user_core" validate:"min=1"`
	ItemCore int `json:"item_core" yaml:"item_core" validate:"min=1"`
	// From and To bound the day of a review (YYYY-MM-DD, both inclusive); empty means unbounded.
	From string `json:"from,omitempty" yaml:"from,omitempty" validate:"omitempty,datetime=2006-01-02"`
	To   string `json:"to,omitempty" yaml:"to,omitempty" validate:"omitempty,datetime=2006-01-02"`
	// MinRating drops reviews with a lower rating, on the data's own scale; 0 keeps all.
	MinRating float64 `json:"min_rating" yaml:"min_rating" validate:"min=0"`
	// Extractor is a row of [Extractors]: how a review's explanation and feature are found.
	Extractor string `json:"extractor" yaml:"extractor" validate:"extractor"`
	// Language is the language of the reviews, a row of [Languages], whose word lists the extractor
	// uses; empty means English, or another one if the reviews are evidently not English.
	Language string `json:"language,omitempty" yaml:"language,omitempty" validate:"omitempty,language"`
	// MaxBad is the share of unreadable rows (0 to 1) above which the import fails instead of
	// quarantining them.
	MaxBad float64 `json:"max_bad" yaml:"max_bad" validate:"min=0,max=1"`
}

// SequenceTable is the name of the table of sequences, without its extension, by which a folder of
// Parquet tables is recognized (docs/formats.md).
const SequenceTable = "sequences"

// Table is how a file is written: the keys of the same names of [Reviews].
type Table struct {
	// Columns maps our names (item, title) to the file's, or to their positions from 1.
	Columns   map[string]string `json:"columns,omitempty" yaml:"columns,omitempty" validate:"omitempty,dive,keys,item_column,endkeys,required"`
	Header    *bool             `json:"header,omitempty" yaml:"header,omitempty"`
	Delimiter string            `json:"delimiter,omitempty" yaml:"delimiter,omitempty" validate:"omitempty,delimiter"`
	Quote     string            `json:"quote,omitempty" yaml:"quote,omitempty" validate:"omitempty,quote"`
	Escape    string            `json:"escape,omitempty" yaml:"escape,omitempty" validate:"omitempty,quote"`
	Encoding  string            `json:"encoding,omitempty" yaml:"encoding,omitempty" validate:"omitempty,encoding"`
}

// DefaultReviews returns the defaults of a reviews block; a YAML document overrides what it sets.
func DefaultReviews() Reviews {
	return Reviews{Format: "auto", UserCore: 5, ItemCore: 5, Extractor: "sentence", MaxBad: 0.01}
}

// SetDefaults makes a reviews block in a document start from [DefaultReviews].
func (r *Reviews) SetDefaults() { *r = DefaultReviews() }

// Table returns how the reviews' files are written.
func (r Reviews) Table() Table {
	return Table{
		Columns: r.Columns, Header: r.Header, Delimiter: r.Delimiter, Quote: r.Quote, Escape: r.Escape,
		Encoding: r.Encoding,
	}
}

// ForCopy returns the settings that read a copy of the rows as Parquet, in which the columns have
// our names or the settings' own.
func (r Reviews) ForCopy() Reviews {
	columns := map[string]string{}
	for name, column := range r.Columns {
		if _, err := strconv.Atoi(column); err != nil { // else it is a position in the original
			columns[name] = column
		}
	}
	r.Format, r.Columns, r.Header = "auto", columns, nil
	r.Delimiter, r.Quote, r.Escape, r.Encoding = "", "", "", ""
	return r
}

// Names of settings of a [Table] and of Reviews.TimeFormat.
const (
	NoQuote    = "none"
	Tab        = "tab"
	Space      = "space"
	UnixTime   = "unix"
	DayFirst   = "dmy"
	MonthFirst = "mdy"
)

// EncodingNamed returns an encoding by its name on the web, or by Python's.
func EncodingNamed(name string) (encoding.Encoding, error) {
	name = strings.ToLower(strings.ReplaceAll(name, "_", "-"))
	switch name {
	case "latin-1":
		name = "latin1"
	case "shift-jis":
		name = "shift_jis"
	case "cp936":
		name = "gbk"
	case "cp932":
		name = "shift_jis"
	case "cp949":
		name = "euc-kr"
	}
	return htmlindex.Get(name)
}

func isEncoding(name string) bool {
	_, err := EncodingNamed(name)
	return err == nil
}

// maxDelimiter is the length of the longest delimiter, in bytes.
const maxDelimiter = 3

func isDelimiter(text string) bool {
	return text == Tab || text == Space || len(text) <= maxDelimiter && !strings.ContainsAny(text, "\r\n\"")
}

func isQuote(text string) bool {
	return text == NoQuote || len(text) == 1 && !strings.ContainsAny(text, "\r\n\t ,;")
}

// timePattern matches a pattern of strptime that names at least a year.
var timePattern = regexp.MustCompile(`^([^%]|%-?[aAbBdmyYHIpMSfnzZj%])*%Y([^%]|%-?[aAbBdmyYHIpMSfnzZj%])*$`)

func isTimeFormat(text string) bool {
	return slices.Contains([]string{UnixTime, DayFirst, MonthFirst}, text) ||
		timePattern.MatchString(strings.ReplaceAll(text, "%y", "%Y"))
}

// reviewRules returns the rules for data.reviews.
func reviewRules() []rule {
	onReviews := func(violated func(Reviews) bool) func(Spec) bool {
		return func(s Spec) bool { return s.Data.Reviews != nil && violated(*s.Data.Reviews) }
	}
	delimitedOnly := func(r Reviews) bool {
		return r.Format != "auto" && r.Format != "csv" &&
			(r.Header != nil || r.Delimiter != "" || r.Quote != "" || r.Escape != "")
	}
	return []rule{
		{
			"data.reviews.from",
			onReviews(func(r Reviews) bool { return r.From != "" && r.To != "" && r.From > r.To }),
			"is later than data.reviews.to", "",
		},
		{
			"data.reviews.columns",
			onReviews(func(r Reviews) bool { return len(r.Columns) > 0 && strings.HasPrefix(r.Format, "amazon-") }),
			"applies to files of any names; the columns of this format are fixed",
			"remove it, or set data.reviews.format",
		},
		{
			"data.reviews.format", onReviews(delimitedOnly),
			"has neither header, delimiter, quote nor escape: they are of delimited " +
				"text", "set it to csv, or remove them",
		},
		{
			"data.reviews.metadata_table",
			onReviews(func(r Reviews) bool { return r.MetadataTable != nil && r.Metadata == "" }),
			"applies to data.reviews.metadata", "name the item file, or remove it",
		},
	}
}
