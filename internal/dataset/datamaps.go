package dataset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// object walks one JSON object token by token, so that a key that stands twice is seen and every
// entry has its line.
type object struct {
	f     *file
	dec   *json.Decoder
	diags *diagnostics
}

func newObject(f *file, diags *diagnostics) *object {
	return &object{f: f, dec: json.NewDecoder(bytes.NewReader(f.data)), diags: diags}
}

// line is where the decoder stands: behind the last token it gave.
func (o *object) line() int { return o.f.line(max(0, o.dec.InputOffset()-1)) }

// next is the line of the value that comes next, past blanks and the comma or colon before it.
func (o *object) next() int {
	at := o.dec.InputOffset()
	for at < int64(len(o.f.data)) && strings.IndexByte(" \t\r\n,:", o.f.data[at]) >= 0 {
		at++
	}
	return o.f.line(at)
}

// syntax names a JSON error; false when the decoder cannot go on.
func (o *object) syntax(err error) bool {
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		o.diags.add(o.f.name, o.f.line(o.offset(syntax)), "not JSON: %v", err)
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		o.diags.add(o.f.name, o.f.line(int64(len(o.f.data))-1), "JSON ends in the middle, after %d bytes", len(o.f.data))
	default:
		o.diags.add(o.f.name, o.line(), "%v", err)
		return true
	}
	return false
}

// offset is where a JSON error is. The decoder's own count leaves out what it gave as tokens, so
// the value that it failed in is read anew; a token that may not be there is where the decoder
// stopped.
func (o *object) offset(failed *json.SyntaxError) int64 {
	start := o.dec.InputOffset()
	var value json.RawMessage
	var again *json.SyntaxError
	err := json.NewDecoder(bytes.NewReader(o.f.data[start:])).Decode(&value)
	if errors.As(err, &again) && again.Error() == failed.Error() {
		return start + again.Offset - 1
	}
	return start
}

// delim takes one delimiter; false, with a fault, when something else stands there.
func (o *object) delim(want json.Delim) bool {
	line := o.next()
	token, err := o.dec.Token()
	if err != nil {
		return o.syntax(err) && false
	}
	if token != want {
		o.diags.add(o.f.name, line, "want %q, got %s", want.String(), quote(fmt.Sprint(token)))
		return false
	}
	return true
}

// entries calls visit with each key of the object that comes next, and its line; visit takes the
// value. It stops when visit says false.
func (o *object) entries(visit func(key string, line int) bool) bool {
	if !o.delim('{') {
		return false
	}
	seen := map[string]int{}
	for o.dec.More() {
		line := o.next()
		token, err := o.dec.Token()
		if err != nil {
			return o.syntax(err) && false
		}
		key, ok := token.(string)
		if !ok {
			o.diags.add(o.f.name, line, "want a key, got %s", quote(fmt.Sprint(token)))
			return false
		}
		if first, twice := seen[key]; twice {
			o.diags.add(o.f.name, line, "key %s already appears on line %d", quote(key), first)
		} else {
			seen[key] = line
		}
		if !visit(key, line) {
			return false
		}
	}
	return o.delim('}')
}

// value takes the value that comes next into v; a value of another type is a fault and the walk
// goes on.
func (o *object) value(what string, v any) (ok, more bool) {
	line := o.next()
	err := o.dec.Decode(v)
	if err == nil {
		return true, true
	}
	var jsonType *json.UnmarshalTypeError
	if errors.As(err, &jsonType) {
		field := what
		if jsonType.Field != "" {
			field = strings.TrimPrefix(what+" field "+strconv.Quote(jsonType.Field), " ")
		}
		o.diags.add(o.f.name, line, "%s is a JSON %s, want %s", field, jsonType.Value, kindName(jsonType.Type.String()))
		return false, true
	}
	return false, o.syntax(err)
}

// kindName says a Go type in JSON's words.
func kindName(goType string) string {
	switch strings.TrimLeft(goType, "*") {
	case "int", "int64", "float64", "json.Number":
		return "a number"
	case "string":
		return "a string"
	default:
		return "an object"
	}
}

// datamaps reads datamaps.json: id2user and id2item (id -> the shop's id), or the reverse user2id
// and item2id, or all four, which must agree. The ids must be 1 to n without a gap: the templates
// and the tasks count on it.
func (r *reader) datamaps() {
	f := required(r.fsys, fileDatamaps, r.diags)
	if f == nil || len(f.data) == 0 {
		return
	}
	before := r.diags.count
	r.d.Indent = indentOf(f.data)
	maps := map[string]idMap{}
	o := newObject(f, r.diags)
	complete := o.entries(func(key string, _ int) bool {
		switch key {
		case "id2user", "id2item":
			m, ok := o.idMap(key, false)
			maps[key] = m
			return ok
		case "user2id", "item2id":
			m, ok := o.idMap(key, true)
			maps[key] = m
			return ok
		default:
			var skipped json.RawMessage
			_, more := o.value(key, &skipped)
			return more
		}
	})
	if !complete {
		return
	}
	r.d.UserIDs = r.ids(f, maps, "id2user", "user2id")
	r.d.ItemIDs = r.ids(f, maps, "id2item", "item2id")
	r.users, r.d.Items = len(r.d.UserIDs), len(r.d.ItemIDs)
	r.mapped = r.diags.count == before
}

// idMap is number -> the shop's id, with the line of each.
type idMap map[int]idEntry

type idEntry struct {
	id   string
	line int
}

// idMap takes an object of id -> name, or with flip of name -> id.
func (o *object) idMap(what string, flip bool) (idMap, bool) {
	m := idMap{}
	names := map[string]int{}
	ok := o.entries(func(key string, line int) bool {
		var raw scalar
		valid, more := o.value(what+" entry "+quote(key), &raw)
		if !valid {
			return more
		}
		id, name := key, string(raw)
		if flip {
			id, name = name, id
		}
		n, err := strconv.Atoi(id)
		if err != nil {
			o.diags.add(o.f.name, line, "%s: %s is not a number", what, quote(id))
			return true
		}
		if other, twice := names[name]; twice {
			o.diags.add(o.f.name, line, "%s: %s has two numbers, %d and %d", what, quote(name), other, n)
		}
		if first, twice := m[n]; twice && first.id != name {
			o.diags.add(o.f.name, line, "%s: number %d already appears on line %d", what, n, first.line)
		}
		names[name], m[n] = n, idEntry{name, line}
		return true
	})
	return m, ok
}

// scalar is a JSON string, or a number kept as it is written.
type scalar string

// UnmarshalJSON takes a string or a number and nothing else.
func (s *scalar) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err == nil && data[0] == '"' {
		*s = scalar(text)
		return nil
	}
	var number json.Number
	if err := json.Unmarshal(data, &number); err == nil && data[0] != 'n' {
		*s = scalar(number)
		return nil
	}
	return fmt.Errorf("%s is neither a string nor a number", quote(string(data)))
}

// ids lays one kind's map out as a slice, from the forward map or else the reverse one.
func (r *reader) ids(f *file, maps map[string]idMap, forward, reverse string) []string {
	m, key := maps[forward], forward
	back, both := maps[reverse]
	if m == nil {
		m, key = back, reverse
	} else if both {
		r.checkInverse(f, m, back, forward, reverse)
	}
	if len(m) == 0 {
		r.diags.add(f.name, 0, "%s (or %s) is missing or empty", forward, reverse)
		return nil
	}
	ids := make([]string, len(m))
	var absent []int
	for id := 1; id <= len(m); id++ {
		entry, ok := m[id]
		if !ok {
			absent = append(absent, id)
			continue
		}
		ids[id-1] = entry.id
	}
	reportMissing(r.diags, f.name, fmt.Sprintf("%s has %d entries, but not those of", key, len(m)), absent)
	return ids
}

func (r *reader) checkInverse(f *file, forward, back idMap, name, reverse string) {
	for id := range max(len(forward), len(back)) + 1 {
		a, b := forward[id], back[id]
		if a.id != b.id {
			r.diags.add(f.name, max(a.line, b.line), "%s has %s for %d, %s has %s", name, quote(a.id), id, reverse, quote(b.id))
		}
	}
}

// indentOf is how many blanks stand before the first key.
func indentOf(data []byte) int {
	_, rest, found := bytes.Cut(data, []byte("\n"))
	if !found {
		return 0
	}
	return len(rest) - len(bytes.TrimLeft(rest, " "))
}
