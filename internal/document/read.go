package document

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// The limits of a document and an override. The parser's time and memory grow with the square of
// their nesting, and those that people write are smaller.
const (
	maxBytes     = 64 << 10
	maxOverride  = 4 << 10
	maxBrackets  = 1000 // opening brackets and braces, and dashes of lists in lists on one line
	maxOverrides = 1000
	maxKey       = 64 // bytes of a key that an error shows
	// maxDiagnostics and maxShown are how many problems an error lists, and the bytes of a text in
	// one.
	maxDiagnostics, maxShown = 100, 300
)

// unreadable returns why a text is not given to the parser; empty if it is.
func unreadable(text []byte, limit int) string {
	if len(text) > limit {
		return fmt.Sprintf("has %d bytes, the limit is %d", len(text), limit)
	}
	if n := bytes.Count(text, []byte("[")) + bytes.Count(text, []byte("{")); n > maxBrackets {
		return fmt.Sprintf("has %d brackets, the limit is %d", n, maxBrackets)
	}
	if n := nestedDashes(text); n > maxBrackets {
		return fmt.Sprintf("has %d lists that begin on the line of another, the limit is %d", n, maxBrackets)
	}
	return ""
}

// nestedDashes returns how many dashes follow another one on its line, with blanks between them.
func nestedDashes(text []byte) int {
	n, dashes, blank := 0, 0, true
	for _, c := range text {
		switch {
		case c == '-' && blank:
			n, dashes, blank = n+min(dashes, 1), dashes+1, false
		case c == ' ' || c == '\t':
			blank = true
		default:
			dashes, blank = 0, c == '\n'
		}
	}
	return n
}

// Document is a struct that is filled from a text.
type Document struct {
	file        string
	root        reflect.Value
	positions   map[string]position // by dotted key
	diagnostics []Diagnostic        // the first maxDiagnostics
	omitted     int                 // those after them
	overrides   int
	unreadable  bool // the whole text is unreadable: missing keys are not reported
}

// position is the line where a key was set.
type position struct {
	file string
	line int
}

// Read fills the struct that target points to from the YAML text of a file. Keys that the text
// omits keep their values. A nil pointer to a struct is filled with the defaults of its SetDefaults
// method, if it has one, before the text's values.
func Read(file string, text []byte, target any) *Document {
	d := New(file, target)
	if reason := unreadable(text, maxBytes); reason != "" {
		return d.reject(position{file: file}, reason)
	}
	parsed, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return d.syntax(err)
	}
	if len(parsed.Docs) > 1 && parsed.Docs[1].Body != nil {
		d.add(d.positionOfNode(parsed.Docs[1].Body), "", "starts a second document", "keep one document in a file")
	}
	if len(parsed.Docs) == 0 || parsed.Docs[0].Body == nil {
		return d.reject(position{file: file}, "is empty")
	}
	body := parsed.Docs[0].Body
	if _, ok := body.(ast.MapNode); !ok {
		return d.reject(d.positionOfNode(body), "must be a block of keys")
	}
	f := filler{Document: d, position: d.positionOfNode}
	f.block(body, d.root, "")
	return d
}

// New wraps a struct from another source, to be checked; diagnostics contain name as the file.
func New(name string, target any) *Document {
	return &Document{file: name, root: reflect.ValueOf(target).Elem(), positions: map[string]position{}}
}

// Set applies an override of the form key=value, whose value is YAML. An empty value means the
// type's zero, and a list may be written with commas alone.
func (d *Document) Set(override string) {
	if d.overrides++; d.overrides > maxOverrides {
		if d.overrides == maxOverrides+1 {
			reason := fmt.Sprintf("is given more than %d times", maxOverrides)
			d.add(position{file: "--set"}, "", reason, "write a spec")
		}
		return
	}
	if reason := unreadable([]byte(override), maxOverride); reason != "" {
		key, _, _ := strings.Cut(override[:min(len(override), maxKey)], "=")
		d.add(position{file: "--set " + key}, "", reason, "write it into the spec")
		return
	}
	source := "--set " + override
	dotted, text, ok := strings.Cut(override, "=")
	if !ok || dotted == "" {
		d.add(position{file: source}, "", "is not of the form key=value", "for example --set train.epochs=2")
		return
	}
	f := filler{Document: d, position: func(ast.Node) position { return position{file: source} }, override: true}
	target, key, store := f.lookup(dotted)
	if !target.IsValid() {
		return
	}
	defer store()
	d.positions[key] = position{file: source}
	if text == "" {
		target.SetZero()
		return
	}
	parsed, err := parser.ParseBytes([]byte(text), 0)
	if err != nil || len(parsed.Docs) != 1 || parsed.Docs[0].Body == nil {
		d.add(position{file: source}, key, "has a value that is not valid YAML", "quote it")
		return
	}
	f.value(parsed.Docs[0].Body, target, key)
}

// AddDiagnostic records a problem of a key, at the position where the key or the closest enclosing
// block was set.
func (d *Document) AddDiagnostic(key, reason, hint string) {
	if d.unreadable {
		return
	}
	pos := position{file: d.file}
	for at := key; at != ""; at = parent(at) {
		if found, ok := d.positions[at]; ok {
			pos = found
			break
		}
	}
	d.add(pos, key, reason, hint)
}

// Err returns all diagnostics as an [Error], or nil: those of the file by line, then those of the
// overrides.
func (d *Document) Err() error {
	if len(d.diagnostics) == 0 {
		return nil
	}
	slices.SortStableFunc(d.diagnostics, func(a, b Diagnostic) int {
		if a.File != d.file || b.File != d.file {
			return cmp.Compare(order(a.File == d.file), order(b.File == d.file))
		}
		return cmp.Compare(a.Line, b.Line)
	})
	if d.omitted > 0 {
		rest := Diagnostic{File: d.file, Reason: fmt.Sprintf("%d more problems", d.omitted)}
		return Error{append(d.diagnostics, rest)}
	}
	return Error{d.diagnostics}
}

// order sorts diagnostics of the file before those of overrides.
func order(inFile bool) int {
	if inFile {
		return 0
	}
	return 1
}

// parent removes the last part of a dotted key: "a.b[0]" -> "a.b" -> "a" -> "".
func parent(key string) string { return key[:max(0, strings.LastIndexAny(key, ".["))] }

// child appends a name to the key of its block.
func child(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

// add records a diagnostic with passwords removed.
func (d *Document) add(pos position, key, reason, hint string) {
	if len(d.diagnostics) == maxDiagnostics {
		d.omitted++
		return
	}
	d.diagnostics = append(d.diagnostics, Diagnostic{
		File: Redact(pos.file), Line: pos.line, Key: shown(Redact(key)), Reason: shown(Redact(reason)),
		Hint: Redact(hint),
	})
}

// shown returns a text, or its beginning if it is long.
func shown(text string) string {
	if len(text) <= maxShown {
		return text
	}
	return strings.ToValidUTF8(text[:maxShown], "") + "..."
}

// positionOfNode returns the position of a node.
func (d *Document) positionOfNode(node ast.Node) position { return d.positionOf(node.GetToken()) }

func (d *Document) positionOf(t *token.Token) position {
	if t == nil || t.Position == nil {
		return position{file: d.file}
	}
	return position{file: d.file, line: t.Position.Line}
}

// reject records that the whole text is unreadable.
func (d *Document) reject(pos position, reason string) *Document {
	d.add(pos, "", reason, "")
	d.unreadable = true
	return d
}

// syntax rejects a text with the parser's message, without its source excerpt.
func (d *Document) syntax(err error) *Document {
	var syntax yaml.Error
	if errors.As(err, &syntax) {
		return d.reject(d.positionOf(syntax.GetToken()), "is not YAML: "+syntax.GetMessage())
	}
	return d.reject(position{file: d.file}, "is not YAML: "+err.Error())
}
