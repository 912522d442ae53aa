package style_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The functions that make a path from a name in a manifest, an archive or an index.
var joiners = []string{
	"activities/ingest.go: ingestFile", "internal/torch/weights.go: add", "starter/export_student.go: fetchStudent",
	"storage/artifact.go: Artifact", "storage/artifact.go: GetFolder", "storage/checkpoint.go: restoreOne",
	"storage/export.go: Export",
	"storage/remote/fetch.go: name", "storage/remote/find.go: folderName", "storage/remote/find.go: identify",
}

// TestUntrustedNamesAreJoinedByOneFunction lists the callers of untrusted.Join, and finds names of
// records (a field Name) that are joined to a folder in another way.
func TestUntrustedNamesAreJoinedByOneFunction(t *testing.T) {
	t.Parallel()
	var callers []string
	for _, file := range textFiles(t) {
		if path.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "setup/") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, read(t, file), parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, declaration := range parsed.Decls {
			function, ok := declaration.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(function, func(n ast.Node) bool {
				switch name, args := called(n); {
				case name == "untrusted.Join":
					callers = append(callers, fmt.Sprintf("%s: %s", file, function.Name.Name))
				case name == "filepath.Join" && slices.ContainsFunc(args, isRecordName):
					t.Errorf("%s: %s joins a name of a record: use untrusted.Join", file, function.Name.Name)
				}
				return true
			})
		}
	}
	slices.Sort(callers)
	if diff := cmp.Diff(joiners, slices.Compact(callers)); diff != "" {
		t.Errorf("callers of untrusted.Join (-want +got):\n%s", diff)
	}
}

// called returns the function of a package that a node calls, and its arguments.
func called(n ast.Node) (name string, args []ast.Expr) {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return "", nil
	}
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return "", nil
	}
	if of, ok := selector.X.(*ast.Ident); ok {
		return of.Name + "." + selector.Sel.Name, call.Args
	}
	return "", nil
}

// isRecordName reports whether an expression is a field Name, or contains one as an argument.
func isRecordName(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.SelectorExpr:
		return e.Sel.Name == "Name"
	case *ast.CallExpr:
		return slices.ContainsFunc(e.Args, isRecordName)
	default:
		return false
	}
}
