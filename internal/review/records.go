package review

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// records returns the JSON values of a file one by one, each with its number; long reports whether
// the text is cut. The text is valid until the next call.
type records func() (number int64, text []byte, long bool, err error)

// jsonLines returns the records of a file with one value on each line. They are numbered by line.
func jsonLines(in *input) records {
	var buf []byte
	var line int64
	return func() (int64, []byte, bool, error) {
		for {
			text, long, err := in.line(buf)
			buf = text
			if err != nil && !errors.Is(err, io.EOF) {
				return line, nil, false, in.corrupt(line, err)
			}
			if err != nil {
				return line, nil, false, err
			}
			line++
			if text = bytes.TrimSpace(text); len(text) > 0 {
				return line, bytes.TrimSuffix(text, []byte{','}), long, nil
			}
		}
	}
}

// elements returns the records of JSON arrays, and of objects that span several lines. They are
// numbered from 1.
type elements struct {
	in           *input
	buf          []byte
	number, line int64
	depth        int // of arrays that are open
}

// next implements [records].
func (e *elements) next() (number int64, text []byte, long bool, err error) {
	for {
		c, err := e.byte()
		if errors.Is(err, io.EOF) && e.depth > 0 {
			return e.number, nil, false, e.in.corrupt(
				e.line+1, errors.New("the JSON array is not closed: file is truncated"),
			)
		}
		if err != nil {
			return e.number, nil, false, err
		}
		switch c {
		case ' ', '\t', '\r', '\n', ',', ';':
			continue
		case '[':
			e.depth++
			continue
		case ']':
			e.depth--
			continue
		}
		e.number++
		e.buf = append(e.buf[:0], c)
		if c == '{' {
			err = e.object()
		} else {
			err = e.scalar(c)
		}
		return e.number, e.buf, false, err
	}
}

// byte returns the next byte and counts lines.
func (e *elements) byte() (byte, error) {
	c, err := e.in.ReadByte()
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, e.in.corrupt(e.line, err)
	}
	if c == '\n' {
		e.line++
	}
	return c, err
}

// nesting is the place within a JSON value.
type nesting struct {
	depth   int
	quote   byte
	escaped bool
}

// next moves past a character. Strings are enclosed in either kind of quotes, since Python prints
// them so.
func (n *nesting) next(c byte) {
	switch {
	case n.escaped:
		n.escaped = false
	case n.quote != 0:
		n.escaped = c == '\\'
		if c == n.quote {
			n.quote = 0
		}
	case c == '"' || c == '\'':
		n.quote = c
	case c == '{' || c == '[':
		n.depth++
	case c == '}' || c == ']':
		n.depth--
	}
}

// object reads an object to its closing brace.
func (e *elements) object() error {
	start := e.line + 1
	for at := (nesting{depth: 1}); at.depth > 0; {
		c, err := e.byte()
		if errors.Is(err, io.EOF) {
			return e.in.corrupt(start, errors.New("the JSON object that begins here is not closed: file is truncated"))
		}
		if err != nil {
			return err
		}
		e.buf = append(e.buf, c)
		if len(e.buf) > maxRecord {
			return e.in.corrupt(
				start, fmt.Errorf("the JSON object that begins here is longer than %d bytes", maxRecord),
			)
		}
		at.next(c)
	}
	return nil
}

// scalar reads a value that is not an object, up to the next separator.
func (e *elements) scalar(first byte) error {
	quoted := first == '"'
	for len(e.buf) < maxSnippet {
		c, err := e.byte()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !quoted && bytes.IndexByte([]byte(",[]{}\n"), c) >= 0 {
			if c == '\n' {
				e.line--
			}
			return e.in.UnreadByte()
		}
		e.buf = append(e.buf, c)
		if quoted && c == '"' {
			return nil
		}
	}
	return nil
}

// hasElements reports whether a sample of JSON has to be read as elements: it begins with an array,
// or with an object that goes on beyond its line.
func hasElements(sample []byte) bool {
	text := bytes.TrimSpace(sample)
	if len(text) == 0 || text[0] == '[' {
		return len(text) > 0
	}
	first, rest, _ := bytes.Cut(text, []byte{'\n'})
	if isObject(bytes.TrimSpace(first)) {
		return false
	}
	rest = bytes.TrimSpace(rest)
	return len(rest) > 0 && rest[0] != '{'
}

// isObject reports whether a text is one whole JSON object or Python dict.
func isObject(text []byte) bool {
	converted, ok := toJSON(text)
	return ok && len(converted) > 0 && converted[0] == '{'
}

// maxSampled is the number of objects of a sample that are looked at.
const maxSampled = 50

// objectsOf returns the first objects of a sample of JSON, as JSON.
func objectsOf(sample []byte) [][]byte {
	text := bytes.TrimSpace(sample)
	if len(text) == 0 || text[0] != '{' && text[0] != '[' {
		return nil
	}
	in := sampleInput(text)
	next := jsonLines(in)
	if hasElements(text) {
		next = (&elements{in: in}).next
	}
	var objects [][]byte
	for range maxSampled {
		_, record, _, err := next()
		if err != nil {
			break
		}
		if converted, ok := toJSON(record); ok && converted[0] == '{' {
			objects = append(objects, bytes.Clone(converted))
		}
	}
	return objects
}
