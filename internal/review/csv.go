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

// readCSV reads a table with a header, between commas, tabs, semicolons or bars: whichever the
// header has most of. A record may run over several lines; its number is that of its first.
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

// table is a CSV file under way.
type table struct {
	*csv.Reader
	in      *input
	bound   *boundedReader
	columns []column
	at      []int // location of each column in a record, -1 for none
	values  []value
	last    *csv.ParseError // what was wrong with the record before, if anything
	line    int64           // of the last record
}

func newTable(in *input, columns []column) (*table, error) {
	bound := &boundedReader{r: in}
	t := &table{Reader: csv.NewReader(bound), in: in, bound: bound, columns: columns, values: make([]value, len(columns))}
	first, err := in.Peek(1 << 16) // shorter files give what they have
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

// emit hands one record on, or what is wrong with it; an error that is not the record's own ends
// the file.
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

// end refuses a file whose last quote was never closed and took whole lines with it: they would be
// lost without a word.
func (t *table) end() error {
	if t.last != nil && errors.Is(t.last.Err, csv.ErrQuote) && t.last.Line > t.last.StartLine {
		return t.in.corrupt(t.line, errors.New("a quote opened here is never closed"))
	}
	return nil
}

// separator is the mark that the header has most of; the comma wins ties.
func separator(header []byte) rune {
	best, count := ',', bytes.Count(header, []byte{','})
	for _, mark := range "\t;|" {
		if n := bytes.Count(header, []byte(string(mark))); n > count {
			best, count = mark, n
		}
	}
	return best
}

// boundedReader refuses to read further than maxRecord past the last record: one unclosed quote
// must not take the file into memory.
type boundedReader struct {
	r      io.Reader
	served int64
	mark   int64
}

// Read reads.
func (b *boundedReader) Read(p []byte) (int, error) {
	if b.served-b.mark > maxRecord {
		return 0, fmt.Errorf("a record is longer than %d bytes: is a quote not closed?", maxRecord)
	}
	n, err := b.r.Read(p)
	b.served += int64(n)
	return n, err
}
