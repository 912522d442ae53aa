package dataset

import (
	"bufio"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonWriter writes JSON as Python's json.dump(indent=n) does, byte for byte (ASCII only, no
// newline at the end), because the existing folders were written this way and encoding/json escapes
// other characters. It keeps its first error and writes nothing after it.
type jsonWriter struct {
	w      *bufio.Writer
	indent int
	depth  int
	empty  bool // the innermost bracket has no element yet
	text   []byte
	err    error
}

func newJSON(w *bufio.Writer, indent int) *jsonWriter {
	return &jsonWriter{w: w, indent: indent, empty: true}
}

func (j *jsonWriter) raw(text []byte) {
	if j.err == nil {
		_, j.err = j.w.Write(text)
	}
}

func (j *jsonWriter) newline() {
	j.text = append(j.text[:0], '\n')
	for range j.depth * j.indent {
		j.text = append(j.text, ' ')
	}
	j.raw(j.text)
}

func (j *jsonWriter) open(bracket byte) {
	j.raw([]byte{bracket})
	j.depth++
	j.empty = true
}

func (j *jsonWriter) close(bracket byte) {
	j.depth--
	if !j.empty {
		j.newline()
	}
	j.raw([]byte{bracket})
	j.empty = false
}

// item starts the next element of the innermost bracket.
func (j *jsonWriter) item() {
	if !j.empty {
		j.raw([]byte{','})
	}
	j.newline()
	j.empty = false
}

func (j *jsonWriter) key(name string) {
	j.item()
	j.string(name)
	j.raw([]byte(": "))
}

func (j *jsonWriter) number(n int) { j.raw(strconv.AppendInt(j.text[:0], int64(n), 10)) }

// string writes a string as Python's ensure_ascii does.
func (j *jsonWriter) string(s string) {
	out := append(j.text[:0], '"')
	for _, r := range s {
		out = appendRune(out, r)
	}
	j.text = append(out, '"')
	j.raw(j.text)
}

func appendRune(out []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(out, '\\', byte(r))
	case '\n':
		return append(out, `\n`...)
	case '\r':
		return append(out, `\r`...)
	case '\t':
		return append(out, `\t`...)
	case '\b':
		return append(out, `\b`...)
	case '\f':
		return append(out, `\f`...)
	}
	if r >= ' ' && r <= '~' {
		return append(out, byte(r))
	}
	if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
		return fmt.Appendf(out, `\u%04x\u%04x`, high, low)
	}
	return fmt.Appendf(out, `\u%04x`, r)
}

// datamaps writes {"id2user": {"1": ...}, "id2item": {...}}.
func (s Source) datamaps(j *jsonWriter) error {
	j.open('{')
	j.key("id2user")
	if err := j.idObject(s.UserIDs); err != nil {
		return err
	}
	j.key("id2item")
	if err := j.idObject(s.ItemIDs); err != nil {
		return err
	}
	j.close('}')
	return j.err
}

// idObject writes an object with the keys 1, 2, ... and the stream's strings as values.
func (j *jsonWriter) idObject(ids func(func(string, error) bool)) error {
	j.open('{')
	n := 0
	for id, err := range ids {
		if err != nil {
			return err
		}
		n++
		j.key(strconv.Itoa(n))
		j.string(id)
	}
	j.close('}')
	return j.err
}

func (s Source) titles(j *jsonWriter) error {
	j.open('{')
	for pair, err := range s.Titles {
		if err != nil {
			return err
		}
		j.key(pair[0])
		j.string(pair[1])
	}
	j.close('}')
	return j.err
}

// explanations writes the three splits. With rationales, each record has the rationale's two
// fields, empty if there is no rationale, because the reference reads them unconditionally.
func (s Source) explanations(j *jsonWriter, rationales bool) error {
	j.open('{')
	for _, split := range []struct {
		name string
		list func(func(Explanation, error) bool)
	}{{"train", s.Train}, {"val", s.Val}, {"test", s.Test}} {
		j.key(split.name)
		j.open('[')
		for e, err := range split.list {
			if err != nil {
				return err
			}
			j.item()
			j.explanation(e, rationales)
		}
		j.close(']')
	}
	j.close('}')
	return j.err
}

func (j *jsonWriter) explanation(e Explanation, rationales bool) {
	j.open('{')
	j.key("user")
	j.number(e.User)
	j.key("item")
	j.number(e.Item)
	j.key("explanation")
	j.string(e.Explanation)
	j.key("feature")
	j.string(e.Feature)
	if rationales {
		j.key("user_preference")
		j.string(e.Preference)
		j.key("item_attribution")
		j.string(e.Attribution)
	}
	if e.Rating != "" {
		j.key("rating")
		j.raw([]byte(e.Rating))
	}
	j.close('}')
}
