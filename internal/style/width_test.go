package style_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"strings"
	"testing"
	"unicode/utf8"
)

// The longest lines, in columns; a tab counts as four.
const (
	maxComment = 100
	maxCode    = 120
	tabWidth   = 4
)

func columns(line string) int {
	return utf8.RuneCountInString(line) + strings.Count(line, "\t")*(tabWidth-1)
}

// widthFindings returns the lines of a Go file that are too long. Left out are generated files,
// lines inside a raw string (data), and directives such as //go:generate and struct tags, which
// can't wrap.
func widthFindings(file, text string) ([]finding, error) {
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	if ast.IsGenerated(parsed) {
		return nil, nil
	}
	data := rawLines(set, parsed)
	var all []finding
	for i, line := range strings.Split(text, "\n") {
		limit, what, n := maxCode, "code", columns(line)
		trimmed := strings.TrimSpace(line)
		if strings.HasPrefix(trimmed, "//") {
			limit, what = maxComment, "comment"
		}
		if n > limit && !data[i+1] && !isDirective(trimmed) && !hasStructTag(trimmed) {
			all = append(all, finding{file, i + 1, fmt.Sprintf("%s of %d columns, limit %d", what, n, limit)})
		}
	}
	return all, nil
}

// isDirective reports whether a comment is addressed to a tool.
func isDirective(line string) bool {
	rest, ok := strings.CutPrefix(line, "//")
	return ok && rest != "" && rest[0] >= 'a' && rest[0] <= 'z' && strings.Contains(strings.Fields(rest)[0], ":")
}

// hasStructTag reports whether a line is a field of a struct with a tag.
func hasStructTag(line string) bool {
	return strings.HasSuffix(line, "`") && strings.Contains(line, " `json:\"")
}

// rawLines returns the lines inside a raw string of several lines.
func rawLines(set *token.FileSet, file *ast.File) map[int]bool {
	inside := map[int]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		literal, ok := n.(*ast.BasicLit)
		if ok && strings.HasPrefix(literal.Value, "`") && strings.Contains(literal.Value, "\n") {
			for line := set.Position(literal.Pos()).Line; line <= set.Position(literal.End()).Line; line++ {
				inside[line] = true
			}
		}
		return true
	})
	return inside
}

func TestLineLength(t *testing.T) {
	var all []finding
	for _, file := range textFiles(t) {
		if path.Ext(file) != ".go" {
			continue
		}
		found, err := widthFindings(file, read(t, file))
		if err != nil {
			t.Error(err)
		}
		all = append(all, found...)
	}
	report(t, all)
}
