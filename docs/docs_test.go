// Package docs_test holds the documents to what they promise.
package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// tests returns the folder of every test of the project by its name, "package.TestName", the
// package without its _test.
func tests(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != ".." && strings.HasPrefix(entry.Name(), ".") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, declaration := range file.Decls {
			if f, ok := declaration.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				found[strings.TrimSuffix(file.Name.Name, "_test")+"."+f.Name.Name] = filepath.Dir(path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

var testName = regexp.MustCompile("`([a-z0-9]+\\.Test\\w+)`")

func TestDeviationsArePinned(t *testing.T) {
	text, err := os.ReadFile("deviations.md")
	if err != nil {
		t.Fatal(err)
	}
	known := tests(t)
	rows := 0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| ---") ||
			strings.HasPrefix(line, "| # |") || strings.HasPrefix(line, "| reference |") {
			continue
		}
		rows++
		names := testName.FindAllStringSubmatch(line, -1)
		if len(names) == 0 {
			t.Errorf("no test pins this row: %s", line)
		}
		for _, name := range names {
			if known[name[1]] == "" {
				t.Errorf("test %s does not exist; the row that it pins: %s", name[1], line)
			}
		}
	}
	if rows < 30 {
		t.Errorf("only %d rows were found: the table is read wrongly", rows)
	}
}

// TestHowTosAreTested finds a test in each section of docs/howto.md.
func TestHowTosAreTested(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("howto.md")
	if err != nil {
		t.Fatal(err)
	}
	known := tests(t)
	sections := strings.Split(string(text), "\n## ")[1:]
	for _, section := range sections {
		title, body, _ := strings.Cut(section, "\n")
		_, line, found := strings.Cut(body, "\nTest: ")
		names := testName.FindAllStringSubmatch(line, -1)
		if !found || len(names) == 0 {
			t.Errorf("howto.md: %q names no test", title)
		}
		for _, name := range names {
			if known[name[1]] == "" {
				t.Errorf("howto.md: %q: no test %s", title, name[1])
			}
		}
	}
	if len(sections) < 14 {
		t.Errorf("howto.md has %d sections", len(sections))
	}
}
