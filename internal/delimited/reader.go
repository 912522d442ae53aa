package delimited

import (
	"errors"
	"fmt"
	"io"
)

// Limits of a record.
const (
	maxBytes = 4 << 20
	maxLines = 10_000
)

// Lines returns the physical lines of a file, without their ends; long reports whether a line is
// cut. The text is valid until the next call.
type Lines func() (text []byte, long bool, err error)

// Record is one record, or the reason why it cannot be read.
type Record struct {
	// Line is the number of its first line, from 1.
	Line   int64
	Fields []string
	// Reason is empty for a record that can be read; then Text is its first line.
	Reason string
	Text   string
}

// Reader reads records.
type Reader struct {
	scanner
	// Fields is the number of fields of each record; 0 takes it from the first one.
	Fields int
	// IsRow reports whether the fields of a line alone make a row; nil means that none do.
	IsRow func(fields []string) bool
	// Swallowed counts the lines after the first in the records that have several.
	Swallowed int64

	lines   Lines
	pending []string // lines that were read ahead
	line    int64    // of the last line taken
	row     scanner
}

// NewReader returns a reader of a dialect.
func NewReader(lines Lines, dialect Dialect) *Reader {
	return &Reader{scanner: scanner{Dialect: dialect}, lines: lines, row: scanner{Dialect: dialect}}
}

// UnclosedError is the error of a quote that is closed neither on its line nor on a later one.
type UnclosedError struct {
	// Line is the line of the quote, Lines the number of lines that were searched.
	Line  int64
	Lines int
}

// Error names the lines.
func (u *UnclosedError) Error() string {
	return fmt.Sprintf("a quote opened here is never closed (%d lines searched): are quotes plain characters "+
		"(quote: none)?",
		u.Lines)
}

// errLong is the error of a line that is longer than the reader of lines allows.
var errLong = errors.New("line is too long")

// take returns the next line.
func (r *Reader) take() (string, error) {
	if len(r.pending) > 0 {
		text := r.pending[0]
		r.pending = r.pending[1:]
		r.line++
		return text, nil
	}
	text, long, err := r.lines()
	if err != nil {
		return "", err
	}
	r.line++
	if long {
		return string(text), errLong
	}
	return string(text), nil
}

// Read returns the next record that is not blank. An error is io.EOF, an [UnclosedError], or one of
// the lines.
func (r *Reader) Read() (Record, error) {
	for {
		text, err := r.take()
		if errors.Is(err, errLong) {
			return Record{Line: r.line, Reason: err.Error(), Text: text}, nil
		}
		if err != nil {
			return Record{}, err
		}
		if text != "" {
			return r.record(text)
		}
	}
}

// record reads the record that begins with a line.
func (r *Reader) record(first string) (Record, error) {
	record := Record{Line: r.line}
	r.reset()
	if r.scanner.line(first) {
		rest, closed, err := r.rest()
		if err != nil {
			return record, err
		}
		if !closed {
			r.line = record.Line
			r.pending = append(rest, r.pending...)
			record.Text = first
			record.Reason = fmt.Sprintf("a quote opened here is not closed before line %d, which is a row of its own",
				record.Line+int64(len(rest)))
			return record, nil
		}
		r.Swallowed += int64(len(rest))
	}
	record.Fields, record.Reason = r.check()
	if record.Reason == "" {
		return record, nil
	}
	record.Text = first
	if r.line > record.Line {
		record.Reason = fmt.Sprintf("%s (the record runs to line %d)", record.Reason, r.line)
	}
	return record, nil
}

// rest reads the further lines of a record until its quotes are closed, or until a line that is a
// row of its own. It returns these lines.
func (r *Reader) rest() (lines []string, closed bool, err error) {
	start, size := r.line, 0
	for {
		text, err := r.take()
		unclosed := errors.Is(err, io.EOF) && len(lines) > 0 || size > maxBytes || len(lines) >= maxLines
		switch {
		case unclosed:
			return lines, false, &UnclosedError{Line: start, Lines: len(lines)}
		case errors.Is(err, io.EOF):
			r.malformed = true
			r.endField()
			return nil, true, nil
		case err != nil && !errors.Is(err, errLong):
			return lines, false, err
		}
		lines, size = append(lines, text), size+len(text)
		if r.standsAlone(text) {
			return lines, false, nil
		}
		if !r.scanner.line(text) {
			return lines, true, nil
		}
	}
}

// standsAlone reports whether a line is a row by itself.
func (r *Reader) standsAlone(text string) bool {
	if r.IsRow == nil {
		return false
	}
	r.row.reset()
	if r.row.line(text) {
		// The line opens or closes a quote: what it looks like without quotes decides.
		r.row.reset()
		r.row.simple(text)
	}
	return len(r.row.fields) == r.Fields && r.IsRow(r.row.fields)
}

// check returns the fields of the record that was scanned, or the reason why it cannot be read.
func (r *Reader) check() (fields []string, reason string) {
	fields = r.fields
	if r.malformed {
		return nil, fmt.Sprintf("extraneous or missing %c in quoted-field", r.Quote)
	}
	if r.Fields == 0 {
		r.Fields = len(fields)
	}
	if len(fields) == r.Fields+1 && fields[r.Fields] == "" {
		fields = fields[:r.Fields] // a delimiter at the end of the line
	}
	if len(fields) != r.Fields {
		return nil, "wrong number of fields"
	}
	return fields, ""
}
