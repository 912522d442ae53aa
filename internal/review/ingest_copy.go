package review

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"rdrec/internal/delimited"
	"rdrec/internal/spec"
)

// copyFile copies the rows of a file that is not Parquet, and returns the format and the path of
// the file that DuckDB reads: the copy, or the Parquet file itself.
func (d *ingestion) copyFile(
	ctx context.Context, from spec.Source, name, path string,
) (format, readable string, err error) {
	in, err := openInput(name, from.Encoding)
	if err != nil {
		return "", "", err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	s := &source{input: in}
	sample := s.sample()
	if format, err = s.formatOf(sample, nil); err != nil {
		return "", "", err
	}
	if format == "parquet" {
		readable, err = plainName(name, d.scratch)
		return format, readable, err
	}
	file, err := os.Create(path) //nolint:gosec // in our own folder
	if err != nil {
		return "", "", err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	out := bufio.NewWriterSize(file, bufferSize)
	if format == "csv" {
		err = d.copyTable(ctx, s, from.Watermark, out)
	} else {
		format, err = "json", d.copyObjects(ctx, s, out)
	}
	return format, path, errors.Join(err, out.Flush())
}

// bad counts a row that is not copied.
func (d *ingestion) bad(s *source, line int64, reason string) {
	d.copied++
	d.Bad++
	if d.firstBad == "" {
		d.firstBad = fmt.Sprintf("%s:%d: %s", s.name, line, reason)
	}
}

// valid returns a text of a row as UTF-8, and whether it has characters that were replaced.
func (s *source) valid(text string) (string, bool) {
	if !utf8.ValidString(text) {
		return strings.ToValidUTF8(text, "\uFFFD"), true
	}
	return text, s.decoded && strings.ContainsRune(text, utf8.RuneError)
}

// copyTable copies delimited text with commas and double quotes.
func (d *ingestion) copyTable(ctx context.Context, s *source, watermark string, out io.Writer) error {
	b, err := s.begin(spec.Table{})
	if err != nil {
		return err
	}
	at := slices.Index(b.first, watermark)
	isRow := func(fields []string) bool { return at >= 0 && looksLikeTime(strings.TrimSpace(fields[at])) }
	b.dialect.Quote, b.dialect.Escape = delimited.SniffQuote(b.sample, b.dialect.Delimiter, len(b.first), isRow)
	t := &table{source: s, skipped: b.skipped}
	t.Reader = delimited.NewReader(t.lines(), b.dialect)
	t.Fields, t.IsRow = len(b.first), isRow
	w := csv.NewWriter(out)
	for rows := 0; ; rows++ {
		if rows%1024 == 1023 && ctx.Err() != nil {
			return ctx.Err()
		}
		record, err := t.Read()
		if errors.Is(err, io.EOF) {
			w.Flush()
			return w.Error()
		}
		if err != nil {
			return s.corrupt(record.Line+t.skipped, err)
		}
		switch {
		case rows == 0:
			err = w.Write(b.first)
		case record.Reason != "":
			d.bad(s, record.Line+t.skipped, record.Reason)
		default:
			err = d.copyRecord(s, record.Fields, w)
		}
		if err != nil {
			return err
		}
	}
}

func (d *ingestion) copyRecord(s *source, fields []string, w *csv.Writer) error {
	d.copied++
	lost := false
	for i, field := range fields {
		text, replaced := s.valid(field)
		fields[i], lost = text, lost || replaced
	}
	if lost {
		d.Replaced++
	}
	return w.Write(fields)
}

// copyObjects copies JSON objects, one a line.
func (d *ingestion) copyObjects(ctx context.Context, s *source, out *bufio.Writer) error {
	next := jsonLines(s.input)
	if hasElements(s.sample()) {
		next = (&elements{in: s.input}).next
	}
	for rows := 1; ; rows++ {
		if rows%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		number, text, long, err := next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		object, ok := toJSON(text)
		if long || !ok || object[0] != '{' {
			d.bad(s, number, "not a JSON object")
			continue
		}
		if err := d.copyObject(s, string(object), out); err != nil {
			return err
		}
	}
}

// copyObject writes a JSON object on one line.
func (d *ingestion) copyObject(s *source, object string, out *bufio.Writer) error {
	d.copied++
	valid, replaced := s.valid(object)
	if replaced {
		d.Replaced++
	}
	var line bytes.Buffer
	if err := json.Compact(&line, pairSurrogates([]byte(valid))); err != nil {
		return err
	}
	line.WriteByte('\n')
	_, err := out.Write(line.Bytes())
	return err
}

// pairSurrogates replaces the escapes of half surrogate pairs in valid JSON, which DuckDB rejects,
// by those of U+FFFD.
func pairSurrogates(text []byte) []byte {
	if !bytes.Contains(text, []byte(`\ud`)) && !bytes.Contains(text, []byte(`\uD`)) {
		return text
	}
	escape := func(at int) rune {
		if at+6 > len(text) || text[at] != '\\' || text[at+1] != 'u' {
			return 0
		}
		r, err := strconv.ParseUint(string(text[at+2:at+6]), 16, 16)
		if err != nil {
			return 0
		}
		return rune(r)
	}
	for at := 0; at < len(text); at++ {
		if text[at] != '\\' {
			continue
		}
		r := escape(at)
		switch {
		case !utf16.IsSurrogate(r):
			at++ // the escaped character
		case utf16.DecodeRune(r, escape(at+6)) != utf8.RuneError:
			at += 11
		default:
			copy(text[at+2:], "fffd")
			at += 5
		}
	}
	return text
}
