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

// object reads one JSON object token by token, so that duplicate keys are detected and every entry
// has its line.
type object struct {
	f     *file
	dec   *json.Decoder
	diags *diagnostics
}

func newObject(f *file, diags *diagnostics) *object {
	return &object{f: f, dec: json.NewDecoder(f), diags: diags}
}

// line returns the decoder's line: that of the last token it returned.
func (o *object) line() int { return o.f.lineAt(o.dec.InputOffset() - 1) }

// next returns the line of the next value, after blanks and the comma or colon before it, and
// forgets what is before these.
func (o *object) next() int {
	o.f.release(o.dec.InputOffset())
	return o.f.lineAt(o.ahead())
}

// ahead returns the offset of the next value.
func (o *object) ahead() int64 {
	at := o.dec.InputOffset()
	for b, ok := o.f.at(at); ok && strings.IndexByte(" \t\r\n,:", b) >= 0; b, ok = o.f.at(at) {
		at++
	}
	return at
}

// syntax records a JSON error. It returns false if the decoder cannot continue.
func (o *object) syntax(err error) bool {
	var syntax *json.SyntaxError
	switch {
	case o.f.damage() != nil: // closing the file reports it
	case errors.As(err, &syntax):
		o.diags.add(o.f.name, o.f.lineAt(o.offset(syntax)), "not JSON: %v", err)
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		o.diags.add(o.f.name, o.f.lineAt(o.f.end()-1), "JSON is truncated after %d bytes", o.f.end())
	default:
		o.diags.add(o.f.name, o.line(), "%v", err)
		return true
	}
	return false
}

// offset returns the offset of a JSON error. The decoder's own count omits the tokens it returned,
// so the value with the error is decoded again; for a misplaced token it is where the decoder
// stopped.
func (o *object) offset(failed *json.SyntaxError) int64 {
	start := o.dec.InputOffset()
	var value json.RawMessage
	var again *json.SyntaxError
	err := json.NewDecoder(bytes.NewReader(o.f.from(start))).Decode(&value)
	if errors.As(err, &again) && again.Error() == failed.Error() {
		return start + again.Offset - 1
	}
	return start
}

// delim reads one delimiter. It returns false and records a diagnostic if the next token is
// something else.
func (o *object) delim(want json.Delim) bool {
	line := o.next()
	token, err := o.dec.Token()
	if err != nil {
		return o.syntax(err) && false
	}
	if token != want {
		o.diags.add(o.f.name, line, "want %q, got %s", want.String(), quoteNumber(fmt.Sprint(token)))
		return false
	}
	return true
}

// entries calls visit with each key of the next object and its line; visit reads the value. It
// stops if visit returns false.
func (o *object) entries(visit func(key string, line int) bool) bool {
	seen := map[string]int{}
	return o.keys(func(key string, line int) bool {
		if first, twice := seen[key]; twice {
			o.duplicate(key, line, first)
		} else {
			seen[key] = line
		}
		return visit(key, line)
	})
}

// duplicate reports a key that appears twice.
func (o *object) duplicate(key string, line, first int) {
	o.diags.add(o.f.name, line, "key %s already appears on line %d", quote(key), first)
}

// keys is [object.entries] for a visit that detects duplicate keys itself.
func (o *object) keys(visit func(key string, line int) bool) bool {
	if !o.delim('{') {
		return false
	}
	for o.dec.More() {
		line := o.next()
		token, err := o.dec.Token()
		if err != nil {
			return o.syntax(err) && false
		}
		key, ok := token.(string)
		if !ok {
			o.diags.add(o.f.name, line, "want a key, got %s", quoteNumber(fmt.Sprint(token)))
			return false
		}
		if !visit(key, line) {
			return false
		}
	}
	return o.delim('}')
}

// value reads the next value into v. A value of another type is recorded as a diagnostic, and
// reading continues.
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

// kindName returns JSON's name of a Go type, with its article.
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
// and the tasks rely on it.
func (r *reader) datamaps() {
	f := required(r.fsys, fileDatamaps, r.diags)
	if f == nil {
		return
	}
	defer f.close()
	if f.failed {
		return
	}
	before := r.diags.count
	r.d.Indent = f.indent()
	maps := map[string]*idMap{}
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
	r.d.UserIDs = r.namesOf(f, maps, "id2user", "user2id")
	r.d.ItemIDs = r.namesOf(f, maps, "id2item", "item2id")
	r.users, r.d.Items = len(r.d.UserIDs), len(r.d.ItemIDs)
	r.mapped = r.diags.count == before
}

// idMap maps an id to the shop's id and its line. The ids 1, 2, ... in this order take the least
// memory.
type idMap struct {
	dense []idEntry
	other map[int]idEntry
}

type idEntry struct {
	id   string
	line int
}

// get returns the entry of an id.
func (m *idMap) get(id int) (idEntry, bool) {
	if m == nil {
		return idEntry{}, false
	}
	if id >= 1 && id <= len(m.dense) {
		return m.dense[id-1], true
	}
	entry, ok := m.other[id]
	return entry, ok
}

// set sets the entry of an id.
func (m *idMap) set(id int, entry idEntry) {
	switch {
	case id >= 1 && id <= len(m.dense):
		m.dense[id-1] = entry
	case id == len(m.dense)+1 && len(m.other) == 0:
		m.dense = append(m.dense, entry)
	default:
		if m.other == nil {
			m.other = map[int]idEntry{}
		}
		m.other[id] = entry
	}
}

// len returns the number of ids.
func (m *idMap) len() int {
	if m == nil {
		return 0
	}
	return len(m.dense) + len(m.other)
}

// idMap reads an object of id -> name, or with flip of name -> id.
func (o *object) idMap(what string, flip bool) (*idMap, bool) {
	m := &idMap{}
	names := map[string]int{}
	visit := func(key string, line int) bool {
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
		switch first, twice := m.get(n); {
		case twice && !flip:
			o.duplicate(key, line, first.line)
		case twice && first.id != name:
			o.diags.add(o.f.name, line, "%s: id %d already appears on line %d", what, n, first.line)
		}
		if other, twice := names[name]; twice && (flip || other != n) {
			o.diags.add(o.f.name, line, "%s: %s has two ids, %d and %d", what, quote(name), other, n)
		}
		names[name] = n
		m.set(n, idEntry{name, line})
		return true
	}
	if flip {
		return m, o.entries(visit)
	}
	return m, o.keys(visit)
}

// scalar is a JSON string, or a number as it is written.
type scalar string

// UnmarshalJSON accepts a string or a number and nothing else.
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

// namesOf converts the map of users or items to a slice, from the forward map if there is one,
// otherwise from the reverse map.
func (r *reader) namesOf(f *file, maps map[string]*idMap, forward, reverse string) []string {
	m, key := maps[forward], forward
	back, both := maps[reverse]
	if m == nil {
		m, key = back, reverse
	} else if both {
		r.checkInverse(f, m, back, forward, reverse)
	}
	if m.len() == 0 {
		r.diags.add(f.name, 0, "%s (or %s) is missing or empty", forward, reverse)
		return nil
	}
	ids := make([]string, m.len())
	var absent []int
	for id := 1; id <= len(ids); id++ {
		entry, ok := m.get(id)
		if !ok {
			absent = append(absent, id)
			continue
		}
		ids[id-1] = entry.id
	}
	reportMissing(r.diags, f.name, fmt.Sprintf("%s has %d entries, but none for", key, len(ids)), absent)
	return ids
}

func (r *reader) checkInverse(f *file, forward, back *idMap, name, reverse string) {
	for id := range max(forward.len(), back.len()) + 1 {
		a, _ := forward.get(id)
		b, _ := back.get(id)
		if a.id != b.id {
			r.diags.add(
				f.name, max(a.line, b.line), "%s has %s for %d, %s has %s", name, quote(a.id), id, reverse, quote(b.id),
			)
		}
	}
}

// indent returns the number of spaces before the first key, on the second line.
func (f *file) indent() int {
	at := int64(0)
	for b, ok := f.at(at); ok && b != '\n' && at < readSize; b, ok = f.at(at) {
		at++
	}
	spaces := -1
	for b := byte(' '); b == ' '; spaces++ {
		at++
		b, _ = f.at(at)
	}
	return spaces
}
