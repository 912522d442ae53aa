package review

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"rdrec/internal/delimited"
	"rdrec/internal/spec"
)

// table reads delimited text. A record that spans several lines has the number of its first.
type table struct {
	*delimited.Reader
	source  *source
	layout  layouter
	header  bool
	at      []int // index of each column in a record, -1 for none
	values  []value
	skipped int64 // lines before the header
}

// beginning is what the first lines of delimited text tell.
type beginning struct {
	sample  []byte            // without the lines that are skipped
	dialect delimited.Dialect // without quotes
	first   []string          // the fields of the first record
	skipped int64             // lines before it
}

// begin reads the beginning of delimited text.
func (s *source) begin(settings spec.Table) (b beginning, err error) {
	b.sample = s.sample()
	b.dialect.Delimiter = delimiterOf(settings.Delimiter)
	if first, rest, _ := bytes.Cut(b.sample, []byte{'\n'}); bytes.HasPrefix(first, []byte("sep=")) { // Excel's
		b.sample, b.skipped = rest, 1
		if b.dialect.Delimiter == "" {
			b.dialect.Delimiter = strings.TrimSpace(string(first[len("sep="):]))
		}
	}
	if bytes.IndexByte(firstLine(b.sample), 0) >= 0 {
		return b, s.corrupt(1, errors.New("this is binary data of a kind that is not read"))
	}
	if b.dialect.Delimiter == "" {
		b.dialect.Delimiter = delimited.SniffDelimiter(b.sample)
	}
	if b.first, err = firstRecord(b.sample, b.dialect, settings); err != nil {
		return b, s.corrupt(1, fmt.Errorf("header: %w", err))
	}
	return b, nil
}

// detectTable finds the dialect and the columns of the file.
func (s *source) detectTable(l layouter) error {
	b, err := s.begin(l.table)
	if err != nil {
		return err
	}
	t := &table{source: s, layout: l, skipped: b.skipped}
	dialect, first := b.dialect, b.first
	if err := t.findColumns(dialect, first); err != nil {
		return fmt.Errorf("%s:%d: %w", s.name, 1+t.skipped, err)
	}
	dialect.Quote, dialect.Escape = quoteOf(l.table, func() (quote, escape byte) {
		return delimited.SniffQuote(b.sample, dialect.Delimiter, len(first), t.isRow)
	})
	t.Reader = delimited.NewReader(t.lines(), dialect)
	t.Fields, t.IsRow = len(first), t.isRow
	s.about = t.about(dialect, first)
	s.read = t.read
	return nil
}

func firstLine(sample []byte) []byte {
	line, _, _ := bytes.Cut(sample, []byte{'\n'})
	return line
}

// delimiterOf returns the delimiter of a setting.
func delimiterOf(setting string) string {
	switch setting {
	case spec.Tab:
		return "\t"
	case spec.Space:
		return delimited.Whitespace
	default:
		return setting
	}
}

// quoteOf returns the quote and the escape of the settings, or what sniff finds.
func quoteOf(settings spec.Table, sniff func() (quote, escape byte)) (quote, escape byte) {
	character := func(setting string) byte {
		if setting == "" || setting == spec.NoQuote {
			return 0
		}
		return setting[0]
	}
	switch {
	case settings.Quote == "" && settings.Escape == "":
		return sniff()
	case settings.Quote == "":
		return '"', character(settings.Escape)
	default:
		return character(settings.Quote), character(settings.Escape)
	}
}

// firstRecord returns the fields of the first record, without white space around them.
func firstRecord(sample []byte, dialect delimited.Dialect, settings spec.Table) ([]string, error) {
	dialect.Quote, dialect.Escape = quoteOf(settings, func() (quote, escape byte) {
		if bytes.HasPrefix(sample, []byte{'\''}) {
			return '\'', 0
		}
		return '"', 0
	})
	record, err := delimited.NewReader(linesFrom(sampleInput(sample)), dialect).Read()
	if err != nil {
		return nil, err
	}
	if record.Reason != "" {
		return nil, errors.New(record.Reason)
	}
	fields := slices.Clone(record.Fields)
	for i, field := range fields {
		fields[i] = strings.TrimSpace(field)
	}
	return fields, nil
}

// linesFrom returns the lines of an input.
func linesFrom(in *input) delimited.Lines {
	var buf []byte
	return func() ([]byte, bool, error) {
		text, long, err := in.line(buf)
		buf = text
		return text, long, err
	}
}

// lines returns the file's lines, without the one before the header.
func (t *table) lines() delimited.Lines {
	next, skip := linesFrom(t.source.input), t.skipped
	return func() ([]byte, bool, error) {
		for ; skip > 0; skip-- {
			if _, _, err := next(); err != nil {
				return nil, false, err
			}
		}
		return next()
	}
}

// findColumns finds the columns by the names in the first record, or by position where it has none.
func (t *table) findColumns(dialect delimited.Dialect, first []string) error {
	columns := t.source.columns
	resolve(columns, first)
	t.at = match(columns, first)
	named := missingColumns(columns, t.at, first)
	byPosition := positions(columns, t.at, len(first))
	switch header := t.layout.table.Header; {
	case header != nil:
		t.header = *header
	case named == nil:
		t.header = true
	case missingColumns(columns, byPosition, first) == nil:
		t.at = byPosition
		t.header = !t.isRow(first)
	default:
		t.header = dialect.Delimiter != "::" // MovieLens has no header
	}
	if t.header {
		t.at = byPosition
		return missingColumns(columns, t.at, first)
	}
	return t.numberColumns(len(first))
}

// numberColumns finds the columns of a table without a header: those that the spec names by
// position or, if it names none, the usual ones.
func (t *table) numberColumns(fields int) error {
	columns := t.source.columns
	t.at = positions(columns, nil, fields)
	if !slices.ContainsFunc(columns, func(c column) bool { return c.mapped }) {
		for i, c := range columns {
			if at := slices.Index(t.layout.positions, c.name); at < fields {
				t.at[i] = at
			}
		}
	}
	for i, c := range columns {
		if t.at[i] < 0 && (required(c.name) || c.mapped) {
			return fmt.Errorf(
				"%w: header is false, and columns.%s is not a position from 1 to %d", ErrData, c.name, fields,
			)
		}
	}
	return nil
}

// positions returns the indexes in at, and those of the columns that the spec names by position.
func positions(columns []column, at []int, fields int) []int {
	all := make([]int, len(columns))
	for i, c := range columns {
		all[i] = -1
		if at != nil {
			all[i] = at[i]
		}
		if all[i] >= 0 || !c.mapped {
			continue
		}
		if n, err := strconv.Atoi(c.keys[0]); err == nil && n >= 1 && n <= fields {
			all[i] = n - 1
		}
	}
	return all
}

// isRow reports whether fields make a row by themselves.
func (t *table) isRow(fields []string) bool { return t.layout.isRow(fields, t.at) }

// about describes how the table is read.
func (t *table) about(dialect delimited.Dialect, first []string) string {
	header := "header"
	if !t.header {
		header = "no header"
	}
	return fmt.Sprintf("table of %d columns, %s, %s, %s%s: %s", len(first), header, dialect, t.source.encoding,
		t.source.packing(), describe(t.source.columns, func(i int) string {
			switch at := t.at[i]; {
			case at < 0:
				return ""
			case t.header:
				return first[at]
			default:
				return strconv.Itoa(at + 1)
			}
		}))
}

// read passes all rows to a sink.
func (t *table) read(ctx context.Context, out sink) error {
	t.values = make([]value, len(t.source.columns))
	line := int64(0)
	for rows := 0; ; rows++ {
		if rows%1024 == 1 && ctx.Err() != nil {
			return ctx.Err()
		}
		record, err := t.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		var unclosed *delimited.UnclosedError
		if errors.As(err, &unclosed) {
			line = unclosed.Line
		}
		if err != nil {
			return t.source.corrupt(line+t.skipped, err)
		}
		line = record.Line
		if rows == 0 && t.header {
			continue
		}
		if err := t.emit(record, out); err != nil {
			return err
		}
	}
}

// emit passes one record, or the reason why it cannot be read, to a sink.
func (t *table) emit(record delimited.Record, out sink) error {
	line := record.Line + t.skipped
	if record.Reason != "" {
		return out.bad(line, "not CSV: "+record.Reason, []byte(record.Text))
	}
	for i, c := range t.source.columns {
		t.values[i] = value{}
		if t.at[i] < 0 || record.Fields[t.at[i]] == "" {
			continue
		}
		var reason string
		if t.values[i], reason = clean(c.keys[0], c.kind, record.Fields[t.at[i]]); reason != "" {
			return out.bad(line, reason, []byte(strings.Join(record.Fields, t.Delimiter)))
		}
		t.values[i].replaced = t.values[i].replaced ||
			t.source.decoded && strings.ContainsRune(t.values[i].text, utf8.RuneError)
	}
	return out.row(line, t.values)
}
