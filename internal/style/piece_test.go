package style_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// piece is a stretch of a file that the vocabulary applies to.
type piece struct {
	text       string
	line       int
	identifier bool // a declared name, split into lower-case words; otherwise prose
}

// words splits a name into its lower-case words: "maxHTTPRows2" gives "max http rows2".
func words(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			b.WriteByte(' ')
			continue
		}
		if i > 0 && unicode.IsUpper(r) {
			afterLower := unicode.IsLower(runes[i-1]) || unicode.IsDigit(runes[i-1])
			beforeLower := i+1 < len(runes) && unicode.IsLower(runes[i+1])
			if afterLower || beforeLower && unicode.IsUpper(runes[i-1]) {
				b.WriteByte(' ')
			}
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// pieces cuts a file into what the vocabulary applies to. The file's own name counts as an
// identifier.
func pieces(name, text string) ([]piece, error) {
	base := path.Base(name)
	all := []piece{{words(strings.TrimSuffix(base, path.Ext(base))), 1, true}}
	switch path.Ext(name) {
	case ".go":
		cut, err := goPieces(name, text)
		return append(all, cut...), err
	case ".yaml", ".yml", ".json":
		return append(all, append(keyPieces(text), piece{text: withoutMarkers(text), line: 1})...), nil
	case ".md":
		return append(all, piece{text: proseOfPage(name, text), line: 1}), nil
	default:
		return append(all, piece{text: withoutMarkers(text), line: 1}), nil
	}
}

var (
	commentMarker = regexp.MustCompile(`(?m)^\s*#+`)
	keyLine       = regexp.MustCompile(`^[\s-]*"?([A-Za-z][\w-]*)"?:`)
	keyLike       = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*([_.-][A-Za-z0-9]+)*$`)
	referenceFlag = regexp.MustCompile("`--[a-z_]+`")
)

// withoutMarkers blanks the markers of comments, so that a phrase may span lines.
func withoutMarkers(text string) string {
	return commentMarker.ReplaceAllStringFunc(text, func(s string) string { return strings.ReplaceAll(s, "#", " ") })
}

// keyPieces returns the keys of a YAML or JSON document.
func keyPieces(text string) []piece {
	var all []piece
	for i, line := range strings.Split(text, "\n") {
		if m := keyLine.FindStringSubmatch(line); m != nil {
			all = append(all, piece{words(m[1]), i + 1, true})
		}
	}
	return all
}

// proseOfPage is a page without what is not the project's own wording: the glossary's retired
// words, which are the last cells of its table, and the names of the reference's flags on the page
// about them.
func proseOfPage(name, text string) string {
	switch name {
	case "docs/glossary.md":
		lines := strings.Split(text, "\n")
		for i, line := range lines {
			if strings.HasPrefix(line, "|") {
				lines[i] = strings.Join(cells(line)[:min(3, len(cells(line)))], " | ")
			}
		}
		return strings.Join(lines, "\n")
	case "docs/paper-commands.md":
		return referenceFlag.ReplaceAllString(text, "")
	default:
		return text
	}
}

// cells returns the cells of a row of a Markdown table.
func cells(line string) []string {
	parts := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

// goPieces returns the declared names, comments and string literals of a Go file.
func goPieces(name, text string) ([]piece, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	c := collector{set: set}
	for _, group := range file.Comments {
		c.add(piece{text: commentText(group), line: c.line(group)})
	}
	c.declared(file.Name)
	ast.Inspect(file, c.visit)
	return c.all, nil
}

// comments returns the comments of a Go file.
func comments(name, text string) ([]piece, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var all []piece
	for _, group := range file.Comments {
		all = append(all, piece{text: commentText(group), line: set.Position(group.Pos()).Line})
	}
	return all, nil
}

// commentText is the text of a comment with each line in its place and without markers.
func commentText(group *ast.CommentGroup) string {
	lines := make([]string, len(group.List))
	for i, comment := range group.List {
		lines[i] = strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(comment.Text, "//"), "/*"), "*/")
	}
	return strings.Join(lines, "\n")
}

// collector gathers the pieces of one Go file.
type collector struct {
	set *token.FileSet
	all []piece
}

func (c *collector) add(p piece) { c.all = append(c.all, p) }

func (c *collector) line(n ast.Node) int { return c.set.Position(n.Pos()).Line }

func (c *collector) declared(names ...*ast.Ident) {
	for _, name := range names {
		if name != nil && name.Name != "_" {
			c.add(piece{words(name.Name), c.line(name), true})
		}
	}
}

// visit adds what a node declares, and its text if it is a string.
func (c *collector) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.ImportSpec:
		c.declared(n.Name)
		return false
	case *ast.FuncDecl:
		c.declared(n.Name)
	case *ast.TypeSpec:
		c.declared(n.Name)
	case *ast.ValueSpec:
		c.declared(n.Names...)
	case *ast.LabeledStmt:
		c.declared(n.Label)
	case *ast.Field:
		c.declared(n.Names...)
		c.tag(n.Tag)
		if n.Tag != nil {
			ast.Inspect(n.Type, c.visit)
			return false
		}
	case *ast.AssignStmt:
		if n.Tok == token.DEFINE {
			c.expressions(n.Lhs...)
		}
	case *ast.RangeStmt:
		if n.Tok == token.DEFINE {
			c.expressions(n.Key, n.Value)
		}
	case *ast.BasicLit:
		c.literal(n)
	}
	return true
}

func (c *collector) expressions(all ...ast.Expr) {
	for _, e := range all {
		if name, ok := e.(*ast.Ident); ok {
			c.declared(name)
		}
	}
}

// literal adds a string; one that looks like a key counts as a name too.
func (c *collector) literal(n *ast.BasicLit) {
	if n.Kind != token.STRING {
		return
	}
	if text, err := strconv.Unquote(n.Value); err == nil {
		c.text(text, c.line(n))
	}
}

func (c *collector) text(text string, line int) {
	c.add(piece{text: text, line: line})
	if keyLike.MatchString(text) && strings.ContainsAny(text, "_.-") {
		c.add(piece{words(text), line, true})
	}
}

var tagKeys = regexp.MustCompile(`(\w+):"`)

// tag adds the values of a struct tag: keys are names, help is prose.
func (c *collector) tag(n *ast.BasicLit) {
	if n == nil {
		return
	}
	text, err := strconv.Unquote(n.Value)
	if err != nil {
		return
	}
	for _, key := range tagKeys.FindAllStringSubmatch(text, -1) {
		value, ok := reflect.StructTag(text).Lookup(key[1])
		if !ok {
			continue
		}
		if key[1] == "json" || key[1] == "yaml" || key[1] == "name" {
			value, _, _ = strings.Cut(value, ",")
			c.add(piece{words(value), c.line(n), true})
			continue
		}
		c.text(value, c.line(n))
	}
}
