package review

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// readCSV reads a table with a header. The separator is the comma, tab, semicolon or bar, whichever
// is most frequent in the header. A record that spans several lines has the number of its first.
func readCSV(ctx context.Context, in *input, columns []column, out sink) error {
	t, err := newTable(in, columns)
	if err != nil {
		return err
	}
	for rows := 1; ; rows++ {
		if rows%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		t.bound.mark = t.InputOffset()
		record, err := t.Read()
		if errors.Is(err, io.EOF) {
			return t.end()
		}
		if err := t.emit(record, err, out); err != nil {
			return err
		}
	}
}

// table is the state of reading a CSV file.
type table struct {
	*csv.Reader
	in      *input
	bound   *boundedReader
	columns []column
	at      []int // index of each column in a record, -1 for none
	values  []value
	last    *csv.ParseError // of the previous record; nil if it was valid
	line    int64           // of the last record
}

func newTable(in *input, columns []column) (*table, error) {
	bound := &boundedReader{r: in}
	t := &table{
		Reader: csv.NewReader(bound), in: in, bound: bound,
		columns: columns, values: make([]value, len(columns)),
	}
	first, err := in.Peek(1 << 16) // of a shorter file, all bytes and io.EOF
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, in.corrupt(0, err)
	}
	first, _, _ = bytes.Cut(first, []byte{'\n'})
	t.Comma = separator(first)
	t.ReuseRecord = true
	header, err := t.Read()
	if err != nil {
		return nil, in.corrupt(1, fmt.Errorf("header: %w", err))
	}
	header = slices.Clone(header)
	for i, name := range header {
		header[i] = strings.TrimSpace(name)
	}
	t.at = match(columns, header)
	if err := missingColumns(columns, t.at, header); err != nil {
		return nil, fmt.Errorf("%s:1: %w", in.name, err)
	}
	return t, nil
}

// emit passes one record, or the reason why it is invalid, to out. An error that is not the
// record's own ends the file.
func (t *table) emit(record []string, err error, out sink) error {
	t.last = nil
	if err != nil {
		if !errors.As(err, &t.last) {
			return t.in.corrupt(t.line, err)
		}
		t.line = int64(t.last.StartLine)
		reason := "not CSV: " + t.last.Err.Error()
		if t.last.Line > t.last.StartLine {
			reason = fmt.Sprintf("%s (the record runs to line %d)", reason, t.last.Line)
		}
		return out.bad(t.line, reason, []byte(strings.Join(record, string(t.Comma))))
	}
	line, _ := t.FieldPos(0)
	t.line = int64(line)
	for i, c := range t.columns {
		t.values[i] = value{}
		if t.at[i] < 0 || record[t.at[i]] == "" {
			continue
		}
		var reason string
		if t.values[i], reason = clean(c.keys[0], c.kind, record[t.at[i]]); reason != "" {
			return out.bad(t.line, reason, []byte(strings.Join(record, string(t.Comma))))
		}
	}
	return out.row(t.line, t.values)
}

// end returns an error if the last quote was never closed and spans several lines, which would be
// lost silently.
func (t *table) end() error {
	if t.last != nil && errors.Is(t.last.Err, csv.ErrQuote) && t.last.Line > t.last.StartLine {
		return t.in.corrupt(t.line, errors.New("a quote opened here is never closed"))
	}
	return nil
}

// separator returns the most frequent separator of the header, the comma in a tie.
func separator(header []byte) rune {
	best, count := ',', bytes.Count(header, []byte{','})
	for _, mark := range "\t;|" {
		if n := bytes.Count(header, []byte(string(mark))); n > count {
			best, count = mark, n
		}
	}
	return best
}

// boundedReader fails once it has read more than maxRecord bytes past the last record, so that an
// unclosed quote does not read the whole file into memory.
type boundedReader struct {
	r      io.Reader
	served int64
	mark   int64
}

// Read implements [io.Reader].
func (b *boundedReader) Read(p []byte) (int, error) {
	if b.served-b.mark > maxRecord {
		return 0, fmt.Errorf("a record is longer than %d bytes: is a quote not closed?", maxRecord)
	}
	n, err := b.r.Read(p)
	b.served += int64(n)
	return n, err
}
