package review

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// value is a column's value in one row; ok is false where the row has none.
type value struct {
	text string
	ok   bool
}

// sink receives the rows of a reader: the values in the order of the columns, or the text of an
// unreadable row with the reason.
type sink interface {
	row(line int64, values []value) error
	bad(line int64, reason string, text []byte) error
}

// readJSON reads JSON lines. A line that is not JSON may be a printed Python dict, as in the dumps
// of
// 2014.
func readJSON(ctx context.Context, in *input, columns []column, out sink) error {
	values := make([]value, len(columns))
	var buf []byte
	for line := int64(1); ; line++ {
		if line%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		text, long, err := in.line(buf)
		buf = text
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return in.corrupt(line-1, err)
		}
		if text = bytes.TrimSpace(text); len(text) == 0 {
			continue
		}
		reason := fmt.Sprintf("line is longer than %d bytes", maxRecord)
		if !long {
			reason = parseJSON(text, columns, values)
		}
		if reason != "" {
			err = out.bad(line, reason, text)
		} else {
			err = out.row(line, values)
		}
		if err != nil {
			return err
		}
	}
}

// parseJSON fills values from one line, or returns the reason why it cannot. gjson reads the values
// (six of about thirty) without decoding the rest; the standard library, which limits the depth,
// decides whether the line is JSON at all.
func parseJSON(text []byte, columns []column, values []value) (reason string) {
	if !json.Valid(text) {
		converted, ok := fromPython(text)
		if !ok || !json.Valid(converted) {
			return notJSON(text)
		}
		text = converted
	}
	if text[0] != '{' {
		return "row is not an object"
	}
	clear(values)
	rank := make([]int, len(columns))
	gjson.ParseBytes(text).ForEach(func(key, got gjson.Result) bool {
		for i, c := range columns {
			at := indexOf(c.keys, key.Str)
			if at < 0 || got.Type == gjson.Null || (values[i].ok && at > rank[i]) {
				continue
			}
			rank[i] = at
			var why string
			values[i], why = convert(key.Str, c.kind, got)
			if why != "" && reason == "" {
				reason = why
			}
		}
		return true
	})
	return reason
}

func indexOf(keys []string, key string) int {
	for i, k := range keys {
		if k == key {
			return i
		}
	}
	return -1
}

// convert returns a JSON value as text, or the reason why its type does not fit the column.
func convert(key string, k kind, got gjson.Result) (value, string) {
	switch got.Type {
	case gjson.String:
		return clean(key, k, got.Str)
	case gjson.Number:
		return value{got.Raw, true}, ""
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
		return value{text, true}, ""
	}
	if k == kindID {
		return value{}, fmt.Sprintf("%q is not UTF-8", key)
	}
	return value{string(bytes.ToValidUTF8([]byte(text), []byte("\uFFFD"))), true}, ""
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
