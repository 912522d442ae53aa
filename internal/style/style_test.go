// Package style_test checks the project's text: its vocabulary, the length of its lines, what
// comments cite, and what docs/architecture.md and docs/glossary.md claim. In: every text file of
// the repository; out: one failure for each violation, with file, line and the term to use. The
// checks read files and parse Go; they compile nothing.
package style_test

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// root is the repository, seen from this package.
const root = "../.."

var update = flag.Bool("update", false, "write the package diagram of docs/architecture.md")

// finding is one violation.
type finding struct {
	file    string
	line    int
	message string
}

func (f finding) String() string { return fmt.Sprintf("%s:%d: %s", f.file, f.line, f.message) }

// report fails the test once for each finding, in the order of files and lines.
func report(t *testing.T, findings []finding) {
	t.Helper()
	slices.SortStableFunc(findings, func(a, b finding) int {
		if a.file != b.file {
			return strings.Compare(a.file, b.file)
		}
		return a.line - b.line
	})
	for _, f := range findings {
		t.Error(f)
	}
	if len(findings) > 0 {
		t.Logf("%d findings", len(findings))
	}
}

// skipFolder reports whether a folder holds no text of the project: hidden folders, built programs
// and test data, which includes the goldens of other tools.
func skipFolder(name string) bool {
	return strings.HasPrefix(name, ".") && name != "." && name != ".." || name == "bin" || name == "testdata"
}

// isText reports whether a file holds text that people of the project write.
func isText(name string) bool {
	switch path.Ext(name) {
	case ".go", ".md", ".yaml", ".yml", ".html", ".tmpl", ".json":
		return true
	default:
		return path.Base(name) == "Makefile"
	}
}

// textFiles returns the path of every text file, relative to the repository and with slashes.
func textFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name != root && skipFolder(entry.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		relative, err := filepath.Rel(root, name)
		if err == nil && isText(name) {
			files = append(files, filepath.ToSlash(relative))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 100 {
		t.Fatalf("only %d text files were found in %s", len(files), root)
	}
	return files
}

// read returns the text of a file of the repository.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
