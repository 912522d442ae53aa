package document

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// filler copies nodes into a struct. It parses scalars from their text instead of the YAML parser's
// typed values, so that 5e-4, 010 and 2018-01-01 are read literally.
type filler struct {
	*Document
	position func(ast.Node) position
	override bool
}

func (f *filler) addDiagnostic(node ast.Node, key, reason, hint string) {
	f.add(f.position(node), key, reason, hint)
}

// value fills one value of any type.
func (f *filler) value(node ast.Node, target reflect.Value, key string) {
	if key != "" {
		f.positions[key] = f.position(node)
	}
	switch node.(type) {
	case *ast.AliasNode, *ast.AnchorNode, *ast.TagNode:
		f.addDiagnostic(node, key, "uses a YAML anchor, alias or tag", "write the value itself")
		return
	case *ast.NullNode:
		f.null(node, target, key)
		return
	}
	switch target.Kind() {
	case reflect.Pointer:
		f.pointer(node, target, key)
	case reflect.Struct:
		f.block(node, target, key)
	case reflect.Slice:
		f.list(node, target, key)
	case reflect.Map:
		f.table(node, target, key)
	default:
		f.scalar(node, target, key)
	}
}

// null resets a value that may be absent.
func (f *filler) null(node ast.Node, target reflect.Value, key string) {
	switch target.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		target.SetZero()
	default:
		f.addDiagnostic(node, key, "has no value", "remove the key to get the default")
	}
}

func (f *filler) pointer(node ast.Node, target reflect.Value, key string) {
	allocate(target)
	f.value(node, target.Elem(), key)
}

// allocate sets a nil pointer to a new value with its type's defaults.
func allocate(target reflect.Value) {
	if !target.IsNil() {
		return
	}
	target.Set(reflect.New(target.Type().Elem()))
	if d, ok := target.Interface().(interface{ SetDefaults() }); ok {
		d.SetDefaults()
	}
}

// pairs returns the entries of a mapping; for any other node, ok is false and a diagnostic is
// recorded.
func (f *filler) pairs(node ast.Node, key string) (entries []*ast.MappingValueNode, ok bool) {
	switch n := node.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	default:
		f.addDiagnostic(node, key, "must be a block of keys", "")
		return nil, false
	}
}

// block fills a struct.
func (f *filler) block(node ast.Node, target reflect.Value, key string) {
	entries, ok := f.pairs(node, key)
	if !ok {
		return
	}
	seen := map[string]bool{}
	for _, entry := range entries {
		name := entry.Key.GetToken().Value
		full := child(key, name)
		field := fieldOf(target, name)
		switch {
		case entry.Key.IsMergeKey():
			f.addDiagnostic(entry.Key, key, "uses a YAML merge key", "write the values themselves")
		case !field.IsValid():
			f.addDiagnostic(entry.Key, full, "is not a known key", Suggest(name, names(target.Type())))
		case seen[name]:
			f.addDiagnostic(entry.Key, full, "is a duplicate key", "keep one")
		default:
			f.value(entry.Value, field, full)
		}
		seen[name] = true
	}
}

// list fills a slice. An override may write a list as "a,b".
func (f *filler) list(node ast.Node, target reflect.Value, key string) {
	if text, _, ok := scalarText(node); ok && f.override {
		parts := strings.Split(text, ",")
		items := reflect.MakeSlice(target.Type(), len(parts), len(parts))
		for i, part := range parts {
			f.assign(node, items.Index(i), fmt.Sprintf("%s[%d]", key, i), part, false)
		}
		target.Set(items)
		return
	}
	sequence, ok := node.(*ast.SequenceNode)
	if !ok {
		f.addDiagnostic(node, key, "must be a list", fmt.Sprintf("write [%s]", node.GetToken().Value))
		return
	}
	items := reflect.MakeSlice(target.Type(), len(sequence.Values), len(sequence.Values))
	for i, item := range sequence.Values {
		f.value(item, items.Index(i), fmt.Sprintf("%s[%d]", key, i))
	}
	target.Set(items)
}

// table fills a map with string keys.
func (f *filler) table(node ast.Node, target reflect.Value, key string) {
	entries, ok := f.pairs(node, key)
	if !ok {
		return
	}
	target.Set(reflect.MakeMapWithSize(target.Type(), len(entries)))
	for _, entry := range entries {
		name := reflect.ValueOf(entry.Key.GetToken().Value)
		full := fmt.Sprintf("%s[%s]", key, name)
		if target.MapIndex(name).IsValid() {
			f.addDiagnostic(entry.Key, full, "is a duplicate key", "keep one")
			continue
		}
		value := reflect.New(target.Type().Elem()).Elem()
		f.value(entry.Value, value, full)
		target.SetMapIndex(name, value)
	}
}

// scalar fills a string, number, boolean or duration, or a field of type any with YAML's own value.
func (f *filler) scalar(node ast.Node, target reflect.Value, key string) {
	if target.Kind() == reflect.Interface {
		if err := yaml.NodeToValue(node, target.Addr().Interface()); err != nil {
			f.addDiagnostic(node, key, "has an unreadable value", "")
		}
		return
	}
	text, quoted, ok := scalarText(node)
	if !ok {
		f.addDiagnostic(node, key, "must be one value, not a list or a block", "")
		return
	}
	f.assign(node, target, key, text, quoted)
}

// assign parses a text into a field and records a diagnostic if that fails.
func (f *filler) assign(node ast.Node, target reflect.Value, key, text string, quoted bool) {
	if want, err := assign(target, text, quoted); err != nil {
		f.addDiagnostic(node, key, fmt.Sprintf("must be %s, not %q", want, text), "")
	}
}

// scalarText returns the text of a scalar node, and whether it was quoted.
func scalarText(node ast.Node) (text string, quoted, ok bool) {
	switch n := node.(type) {
	case *ast.LiteralNode:
		return n.Value.Value, true, true
	case ast.ScalarNode:
		t := n.GetToken()
		return t.Value, t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType, true
	default:
		return "", false, false
	}
}

// assign parses a text into a field, which keeps its value on failure. It returns the field's
// expected type for the error message.
func assign(target reflect.Value, text string, quoted bool) (want string, err error) {
	switch {
	case target.Type() == reflect.TypeFor[time.Duration]():
		return "a duration such as 90s or 720h", set(target.SetInt)(int64Of(time.ParseDuration(text)))
	case target.Kind() == reflect.String:
		target.SetString(text)
		return "a text", nil
	case quoted:
		return "a " + kindName(target) + " without quotes", strconv.ErrSyntax
	case target.Kind() == reflect.Bool:
		return "a " + kindName(target), set(target.SetBool)(strconv.ParseBool(text))
	case target.CanInt():
		return "a " + kindName(target), set(target.SetInt)(strconv.ParseInt(text, 10, target.Type().Bits()))
	default:
		return "a " + kindName(target), set(target.SetFloat)(finite(strconv.ParseFloat(text, 64)))
	}
}

// set returns a function that applies a setter to a value parsed without an error.
func set[T any](apply func(T)) func(T, error) error {
	return func(v T, err error) error {
		if err == nil {
			apply(v)
		}
		return err
	}
}

func int64Of(v time.Duration, err error) (int64, error) { return int64(v), err }

func finite(v float64, err error) (float64, error) {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return 0, strconv.ErrRange
	}
	return v, err
}

func kindName(target reflect.Value) string {
	switch {
	case target.Kind() == reflect.Bool:
		return "truth value (true or false)"
	case target.CanInt():
		return "whole number"
	default:
		return "number"
	}
}

// lookup returns the value at a dotted key, its key in diagnostics, and a function that stores it
// once it is filled: a map's value is stored under the rest of the key. If there is none, lookup
// records a diagnostic and returns the zero Value.
func (f *filler) lookup(dotted string) (target reflect.Value, key string, store func()) {
	target, done := f.root, ""
	for rest := dotted; rest != ""; {
		if target.Kind() == reflect.Pointer {
			allocate(target)
			target = target.Elem()
		}
		if target.Kind() == reflect.Map {
			table, value := target, reflect.New(target.Type().Elem()).Elem()
			return value, fmt.Sprintf("%s[%s]", done, rest), func() { setEntry(table, rest, value) }
		}
		if target.Kind() != reflect.Struct {
			f.add(f.position(nil), dotted, fmt.Sprintf("%q has no keys of its own", done), "")
			return reflect.Value{}, dotted, nil
		}
		name, after, _ := strings.Cut(rest, ".")
		field := fieldOf(target, name)
		if !field.IsValid() {
			f.add(f.position(nil), dotted, "is not a known key", Suggest(name, names(target.Type())))
			return reflect.Value{}, dotted, nil
		}
		target, done, rest = field, child(done, name), after
	}
	return target, dotted, func() {}
}

// setEntry stores a value of a map, which may be nil.
func setEntry(target reflect.Value, name string, value reflect.Value) {
	if target.IsNil() {
		target.Set(reflect.MakeMap(target.Type()))
	}
	target.SetMapIndex(reflect.ValueOf(name), value)
}

// fieldOf returns a struct's field by its YAML name. Fields named "-" can't be set by a document.
func fieldOf(target reflect.Value, name string) reflect.Value {
	if i := slices.Index(names(target.Type()), name); i >= 0 && name != "-" {
		return target.Field(i)
	}
	return reflect.Value{}
}

// names returns the YAML names of a struct's fields, in order.
func names(t reflect.Type) []string {
	all := make([]string, t.NumField())
	for i := range all {
		all[i] = yamlName(t.Field(i))
	}
	return all
}

func yamlName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
	return name
}
