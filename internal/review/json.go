package review

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// value is a column's value in one row; ok is false where the row has none. replaced is set if
// invalid characters of it were replaced.
type value struct {
	text         string
	ok, replaced bool
}

// sink receives the rows of a reader: the values in the order of the columns, or the text of an
// unreadable row with the reason.
type sink interface {
	row(line int64, values []value) error
	bad(line int64, reason string, text []byte) error
}

// sampleInput returns an input of a text in memory.
func sampleInput(text []byte) *input {
	none := &counter{}
	return &input{Reader: bufio.NewReaderSize(bytes.NewReader(text), bufferSize), packed: none, unpacked: none}
}

// keysOf returns the keys of objects, in order of appearance.
func keysOf(objects [][]byte) (keys []string) {
	for _, object := range objects {
		gjson.ParseBytes(object).ForEach(func(key, _ gjson.Result) bool {
			if !slices.Contains(keys, key.Str) {
				keys = append(keys, key.Str)
			}
			return true
		})
	}
	return keys
}

// detectJSON finds out how the objects of the file are written, and whether they have the columns.
// Objects without a required column may hold a list of rows, such as a user's reviews.
func (s *source) detectJSON(sample []byte, objects [][]byte) error {
	next, shape := jsonLines(s.input), "JSON lines"
	if hasElements(sample) {
		next, shape = (&elements{in: s.input}).next, "JSON values"
	}
	reader := &jsonReader{columns: s.columns, next: next, name: s.name}
	if len(objects) > 0 {
		if err := reader.findKeys(objects); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	if reader.list != "" {
		shape += " with a row for each of " + reader.list
	}
	s.read = reader.read
	keys := keysOf(objects)
	for _, list := range reader.inner(objects) {
		keys = append(keys, keysOf([][]byte{list})...)
	}
	s.about = fmt.Sprintf("%s (%s), %s%s: %s", shape, s.format, s.encoding, s.packing(),
		describe(s.columns, func(i int) string { return firstOf(s.columns[i].keys, keys) }))
	return nil
}

// firstOf returns the first name that is among keys; "" if none is.
func firstOf(names, keys []string) string {
	for _, name := range names {
		if slices.Contains(keys, name) || strings.Contains(name, ".") {
			return name
		}
	}
	return ""
}

// jsonReader reads the rows of a JSON file.
type jsonReader struct {
	columns []column
	next    records
	name    string
	// list is the key of a list with a row in each of its objects; "" if the objects are the rows.
	list   string
	number int64 // of the last row of a list
	values []value
	row    []value
}

// findKeys replaces names of columns that no object has by similar keys that some have, and finds
// the list of rows. It fails if a required column is in no object.
func (j *jsonReader) findKeys(objects [][]byte) error {
	outer := keysOf(objects)
	resolve(j.columns, outer)
	at := match(j.columns, outer)
	for i, c := range j.columns {
		if at[i] < 0 && slices.ContainsFunc(objects, func(o []byte) bool { return pathOf(c, o).Exists() }) {
			at[i] = 0
		}
	}
	missing := missingColumns(j.columns, at, outer)
	if missing == nil {
		return nil
	}
	for _, key := range outer {
		j.list = key
		rows := j.inner(objects)
		keys := keysOf(rows)
		inner := slices.Clone(j.columns)
		resolve(inner, keys)
		both := match(inner, keys)
		for i := range both {
			both[i] = max(both[i], at[i])
		}
		if len(rows) > 0 && missingColumns(inner, both, keys) == nil {
			copy(j.columns, inner)
			return nil
		}
	}
	j.list = ""
	return missing
}

// inner returns the objects of the lists with rows.
func (j *jsonReader) inner(objects [][]byte) (rows [][]byte) {
	if j.list == "" {
		return nil
	}
	for _, object := range objects {
		member(object, j.list).ForEach(func(_, row gjson.Result) bool {
			if row.IsObject() {
				rows = append(rows, []byte(row.Raw))
			}
			return true
		})
	}
	return rows
}

// member returns the value of a key, whatever characters it contains.
func member(object []byte, name string) (found gjson.Result) {
	gjson.ParseBytes(object).ForEach(func(key, got gjson.Result) bool {
		if key.Str == name {
			found = got
		}
		return found.Raw == ""
	})
	return found
}

// pathOf returns the value of a column whose name is a path, such as "author.id".
func pathOf(c column, object []byte) gjson.Result {
	if !c.mapped || !strings.Contains(c.keys[0], ".") {
		return gjson.Result{}
	}
	return gjson.GetBytes(object, c.keys[0])
}

// read passes all rows to a sink.
func (j *jsonReader) read(ctx context.Context, out sink) error {
	j.values = make([]value, len(j.columns))
	for count := 1; ; count++ {
		if count%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		number, text, long, err := j.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch {
		case long:
			err = out.bad(number, fmt.Sprintf("line is longer than %d bytes", maxRecord), text)
		case j.list != "":
			err = j.readList(number, text, out)
		default:
			err = j.readObject(number, text, out)
		}
		if err != nil {
			return err
		}
	}
}

// readObject passes one object to a sink.
func (j *jsonReader) readObject(number int64, text []byte, out sink) error {
	if reason := parseJSON(text, j.columns, j.values); reason != "" {
		return out.bad(number, reason, text)
	}
	return out.row(number, j.values)
}

// readList passes the rows of an object's list to a sink. Keys of the object apply to each of them.
func (j *jsonReader) readList(number int64, text []byte, out sink) error {
	converted, ok := toJSON(text)
	if !ok || converted[0] != '{' {
		j.number++
		return out.bad(j.number, fmt.Sprintf("record %d: %s", number, notJSON(text)), text)
	}
	clear(j.values)
	outerReason := fill(converted, j.columns, j.values)
	var err error
	member(converted, j.list).ForEach(func(_, got gjson.Result) bool {
		j.number++
		j.row = append(j.row[:0], j.values...)
		reason := outerReason
		if reason == "" {
			reason = fill([]byte(got.Raw), j.columns, j.row)
		}
		if reason != "" {
			err = out.bad(j.number, fmt.Sprintf("record %d: %s", number, reason), []byte(got.Raw))
		} else {
			err = out.row(j.number, j.row)
		}
		return err == nil
	})
	return err
}

// parseJSON fills values from one object, or returns the reason why it cannot. gjson reads the
// values (six of about thirty) without decoding the rest; the standard library, which limits the
// depth, decides whether the text is JSON at all.
func parseJSON(text []byte, columns []column, values []value) (reason string) {
	converted, ok := toJSON(text)
	if !ok {
		return notJSON(text)
	}
	if converted[0] != '{' {
		return "row is not an object"
	}
	clear(values)
	return fill(converted, columns, values)
}

// toJSON returns a text as JSON: itself, or what Python printed in its place.
func toJSON(text []byte) ([]byte, bool) {
	if json.Valid(text) {
		return text, len(text) > 0
	}
	converted, ok := fromPython(text)
	return converted, ok && json.Valid(converted)
}

// fill sets the values of the columns that an object has.
func fill(object []byte, columns []column, values []value) (reason string) {
	set := func(i int, key string, got gjson.Result) {
		var why string
		values[i], why = convert(key, columns[i].kind, got)
		if why != "" && reason == "" {
			reason = why
		}
	}
	fillByKey(object, columns, values, set)
	for i, c := range columns {
		if got := pathOf(c, object); !values[i].ok && got.Exists() && got.Type != gjson.Null {
			set(i, c.keys[0], got)
		}
	}
	return reason
}

// fillByKey sets the values of the columns whose keys an object has.
func fillByKey(object []byte, columns []column, values []value, set func(i int, key string, got gjson.Result)) {
	rank := make([]int, len(columns))
	for i := range rank {
		rank[i] = len(columns[i].keys)
	}
	gjson.ParseBytes(object).ForEach(func(key, got gjson.Result) bool {
		for i, c := range columns {
			at := slices.Index(c.keys, key.Str)
			if at < 0 || got.Type == gjson.Null || at > rank[i] {
				continue
			}
			if set(i, key.Str, got); values[i].ok {
				rank[i] = at
			}
		}
		return true
	})
}

// convert returns a JSON value as text, or the reason why its type does not fit the column.
func convert(key string, k kind, got gjson.Result) (value, string) {
	switch got.Type {
	case gjson.String:
		return clean(key, k, got.Str)
	case gjson.Number:
		return value{text: got.Raw, ok: true}, ""
	case gjson.True, gjson.False:
		return value{}, fmt.Sprintf("%q is a boolean", key)
	default:
		if k == kindText {
			return value{}, "" // some shops list several texts; the row has none then
		}
		return value{}, fmt.Sprintf("%q is a list or an object", key)
	}
}

// clean replaces invalid UTF-8 in a text; an id with invalid UTF-8 gives a reason instead.
func clean(key string, k kind, text string) (value, string) {
	if utf8.ValidString(text) {
		return value{text: text, ok: true}, ""
	}
	if k == kindID {
		return value{}, fmt.Sprintf("%q is not UTF-8", key)
	}
	return value{text: strings.ToValidUTF8(text, "\uFFFD"), ok: true, replaced: true}, ""
}

// notJSON returns the standard library's error as the reason.
func notJSON(text []byte) string {
	var v any
	err := json.Unmarshal(text, &v)
	if err == nil {
		return "not JSON"
	}
	return "not JSON: " + err.Error()
}
