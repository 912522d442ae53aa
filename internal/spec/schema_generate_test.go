package spec_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"rdrec/internal/document"
	"rdrec/internal/spec"
)

// schemaGenerator makes a JSON Schema from Go types.
type schemaGenerator struct {
	source source
	tags   map[string]document.Rule
}

// source is what the package's source says about its types.
type source struct {
	// types are the comments of types, fields those of their fields, by type and field.
	types  map[string]string
	fields map[string]map[string]string
	// constants are the values of constants.
	constants map[string]string
}

// node is a part of a JSON Schema.
type node map[string]any

// generateSchema returns the schema of a spec.
func generateSchema(t *testing.T) node {
	t.Helper()
	g := schemaGenerator{source: readSource(t), tags: map[string]document.Rule{}}
	for _, rule := range spec.Tags() {
		g.tags[rule.Tag] = rule
	}
	root := g.object(reflect.ValueOf(spec.Default()))
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "rdrec spec"
	return root
}

// readSource parses the package.
func readSource(t *testing.T) source {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := source{map[string]string{}, map[string]map[string]string{}, map[string]string{}}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, text, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, declaration := range parsed.Decls {
			if group, ok := declaration.(*ast.GenDecl); ok {
				for _, each := range group.Specs {
					found.add(group, each)
				}
			}
		}
	}
	return found
}

// add adds a type or a constant.
func (s source) add(group *ast.GenDecl, each ast.Spec) {
	switch each := each.(type) {
	case *ast.TypeSpec:
		if fields, ok := each.Type.(*ast.StructType); ok {
			s.types[each.Name.Name] = oneLine(group.Doc.Text())
			s.fields[each.Name.Name] = fieldComments(fields)
		}
	case *ast.ValueSpec:
		for i, name := range each.Names {
			if i < len(each.Values) {
				if literal, ok := each.Values[i].(*ast.BasicLit); ok && name.IsExported() {
					s.constants[name.Name] = strings.ReplaceAll(literal.Value, "_", "")
				}
			}
		}
	}
}

// fieldComments returns the comments of the fields of a struct. A field without one has the comment
// of another field that names it.
func fieldComments(of *ast.StructType) map[string]string {
	comments := map[string]string{}
	var texts []string
	for _, field := range of.Fields.List {
		if text := oneLine(field.Doc.Text()); text != "" {
			texts = append(texts, text)
			comments[field.Names[0].Name] = text
		}
	}
	for _, field := range of.Fields.List {
		for _, name := range field.Names {
			for _, text := range texts {
				if comments[name.Name] == "" && regexp.MustCompile(`\b`+name.Name+`\b`).MatchString(text) {
					comments[name.Name] = text
				}
			}
		}
	}
	return comments
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// object returns the schema of a struct; the value holds the defaults.
func (g schemaGenerator) object(value reflect.Value) node {
	properties, required := node{}, []string{}
	for i := range value.NumField() {
		field := value.Type().Field(i)
		key, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if key == "-" {
			continue
		}
		rules := strings.Split(field.Tag.Get("validate"), ",")
		n := g.value(value.Field(i), rules)
		n["description"] = g.description(value.Type(), field)
		properties[key] = n
		if rules[0] == "required" {
			required = append(required, key)
		}
	}
	n := node{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		n["required"] = required
	}
	return n
}

// Names in comments.
var (
	table = regexp.MustCompile(`\b(rows? of) \[(\w+)\]`)
	link  = regexp.MustCompile(`\[([A-Za-z.]+)\]`)
)

// description returns a field's comment in the words of a spec: with keys in the place of fields,
// and values in the place of constants. A field without a comment has that of its type, or of the
// type that it is in.
func (g schemaGenerator) description(of reflect.Type, field reflect.StructField) string {
	text := g.source.fields[of.Name()][field.Name]
	if text == "" {
		text = g.source.types[field.Type.Name()]
	}
	if text == "" {
		text = g.source.types[of.Name()]
	}
	text = table.ReplaceAllStringFunc(text, func(match string) string {
		return strings.Replace(strings.ToLower(match), " [", " the table [", 1)
	})
	text = link.ReplaceAllStringFunc(text, func(name string) string {
		name = strings.Trim(name, "[]")
		if value, ok := g.source.constants[name]; ok {
			return value
		}
		return name
	})
	text = inKeys(text, of)
	if field.Type.Kind() == reflect.Struct {
		text = inKeys(text, field.Type)
	}
	return regexp.MustCompile(`\bnil\b`).ReplaceAllString(text, "null")
}

// inKeys replaces the names of a struct's fields by their keys.
func inKeys(text string, of reflect.Type) string {
	for i := range of.NumField() {
		if key, _, _ := strings.Cut(of.Field(i).Tag.Get("yaml"), ","); key != "-" {
			text = regexp.MustCompile(`\b`+of.Field(i).Name+`\b`).ReplaceAllString(text, key)
		}
	}
	return text
}

// value returns the schema of a field; the value is its default, and the rules are its validate
// tags.
func (g schemaGenerator) value(value reflect.Value, rules []string) node {
	if value.Kind() == reflect.Pointer {
		return g.pointer(value, rules)
	}
	own, inner := rules, []string(nil)
	if i := slices.Index(rules, "dive"); i >= 0 {
		own, inner = rules[:i], rules[i+1:]
	}
	var n node
	switch value.Kind() {
	case reflect.Struct:
		return g.object(value)
	case reflect.Slice:
		n = node{"type": "array", "items": g.value(reflect.New(value.Type().Elem()).Elem(), inner)}
	case reflect.Map:
		n = g.mapping(value.Type(), inner)
	case reflect.String:
		n = node{"type": "string"}
	case reflect.Bool:
		n = node{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		n = node{"type": "integer"}
	case reflect.Float64:
		n = node{"type": "number"}
	case reflect.Interface:
		return node{}
	default:
		panic("a spec has a " + value.Kind().String())
	}
	for _, rule := range own {
		g.apply(n, value.Kind(), rule, slices.Contains(own, "omitempty"))
	}
	if !value.IsZero() {
		n["default"] = value.Interface()
	}
	return n
}

// pointer returns the schema of an optional value. A block starts from the defaults of its method
// SetDefaults.
func (g schemaGenerator) pointer(value reflect.Value, rules []string) node {
	target := reflect.New(value.Type().Elem())
	if block, ok := target.Interface().(interface{ SetDefaults() }); ok {
		block.SetDefaults()
	}
	n := g.value(target.Elem(), rules)
	n["type"] = []any{n["type"], "null"}
	return n
}

// mapping returns the schema of a map. The rules between keys and endkeys are those of its keys.
func (g schemaGenerator) mapping(of reflect.Type, rules []string) node {
	n := node{"type": "object"}
	if len(rules) > 0 && rules[0] == "keys" {
		end := slices.Index(rules, "endkeys")
		key := node{"type": "string"}
		for _, rule := range rules[1:end] {
			g.apply(key, reflect.String, rule, false)
		}
		n["propertyNames"], rules = key, rules[end+1:]
	}
	element := reflect.New(of.Elem()).Elem()
	n["additionalProperties"] = g.value(element, rules)
	if of.Elem().Kind() == reflect.String { // a position is a number
		n["additionalProperties"] = node{"type": []string{"string", "integer"}}
	}
	return n
}

// apply adds a validate tag to a schema.
func (g schemaGenerator) apply(n node, kind reflect.Kind, rule string, optional bool) {
	name, parameter, _ := strings.Cut(rule, "=")
	choices := strings.Fields(parameter)
	if own, ok := g.tags[name]; ok && own.Accept == nil {
		name, choices = "oneof", own.Choices
	}
	switch name {
	case "min", "max", "gt", "lt":
		n[boundOf(kind, name)] = json.Number(parameter)
	case "unique":
		n["uniqueItems"] = true
	case "required":
		if kind == reflect.String {
			n["minLength"] = 1
		}
	case "oneof":
		n["enum"] = choices
		if optional {
			n["enum"] = append([]string{""}, choices...)
		}
	case "slug":
		n["pattern"] = "^[a-z0-9][a-z0-9._-]*$"
	}
}

// boundOf returns the schema's word for a bound.
func boundOf(kind reflect.Kind, name string) string {
	prefix := map[string]string{"min": "min", "max": "max", "gt": "exclusiveMin", "lt": "exclusiveMax"}[name]
	switch kind {
	case reflect.String:
		return prefix + "Length"
	case reflect.Slice:
		return prefix + "Items"
	default:
		return prefix + "imum"
	}
}

// TestBoundOf checks the names of bounds.
func TestBoundOf(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		"minimum": boundOf(reflect.Int, "min"), "exclusiveMaximum": boundOf(reflect.Float64, "lt"),
		"maxLength": boundOf(reflect.String, "max"), "minItems": boundOf(reflect.Slice, "min"),
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
