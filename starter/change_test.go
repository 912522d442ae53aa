package main

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// change is a scripted change: the edits that a row of README's "Where to change what" names.
type change struct {
	row   string // the row's first cell
	edits []edit
	shows string // the new name in the output of starter tables
}

// edit copies a row of a table in Go and replaces the name in the copy.
type edit struct {
	file  string
	table string   // the function that returns the table; "" searches the file
	from  string   // text that identifies the row
	to    string   // its replacement in the copy
	also  []string // further pairs of text and replacement
}

// changes has an entry for each row of README that names a table.
func changes() []change {
	const settings = "internal/spec/table.go"
	return []change{
		{"a format of raw reviews", []edit{
			{settings, "Formats", `"amazon-2014"`, `"amazon-2030"`, nil},
			{"internal/review/layout.go", "", `"amazon-2014"`, `"amazon-2030"`, nil},
		}, "amazon-2030"},
		{"how a review's explanation is found", []edit{
			{settings, "Extractors", `"summary"`, `"last-sentence"`, nil},
			{"internal/review/extract.go", "", `"summary"`, `"last-sentence"`, nil},
		}, "last-sentence"},
		{"an item indexing", []edit{
			{settings, "Indexings", "Name: Random", `Name: "by-price"`, nil},
			{"internal/indexing/indexing.go", "", "spec.Random", `"by-price"`, nil},
		}, "by-price"},
		{"a switch of the protocols", []edit{
			{settings, "Switches", `"mask_cross"`, `"label_smoothing"`, []string{"p.MaskCross", "p.LabelSmoothing"}},
			{settings, "Protocol", "MaskCross", "LabelSmoothing", []string{"mask_cross", "label_smoothing"}},
		}, "label_smoothing"},
		{"a task's texts (templates)", []edit{
			{"internal/task/template_set.go", "TemplateSets", `"pod"`, `"terse"`, nil},
		}, "terse"},
		{"a teacher", []edit{{settings, "Teachers", `"gguf:"`, `"grpc:"`, nil}}, "grpc:"},
		{"a size of student", []edit{{settings, "Sizes", `"t5-tiny"`, `"t5-nano"`, nil}}, "t5-nano"},
		{"a method (which tasks, which prompts)", []edit{{settings, "Methods", `"rdrec"`, `"openp5"`, nil}}, "openp5"},
		{"a metric", []edit{{"internal/metric/table.go", "Table", `"HR@1"`, `"HR@3"`, nil}}, "HR@3"},
		{"a baseline", []edit{
			{"internal/baseline/baseline.go", "Table", "Name: Popularity", `Name: "bpr"`, nil},
			{settings, "Baselines", `"popularity"`, `"bpr"`, nil},
		}, "bpr"},
	}
}

// changeRow is a row of README's table.
type changeRow struct{ what, edit string }

func changeRows(t *testing.T) []changeRow {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "## Where to change what")
	section, _, _ = strings.Cut(section, "\n## ")
	var rows []changeRow
	for _, line := range strings.Split(section, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) == 4 && !strings.Contains(line, "---") && !strings.Contains(line, "to add or change") {
			rows = append(rows, changeRow{strings.TrimSpace(cells[1]), strings.TrimSpace(cells[2])})
		}
	}
	if len(rows) < 15 {
		t.Fatalf("README's table has %d rows: it is read incorrectly", len(rows))
	}
	return rows
}

var codeSpan = regexp.MustCompile("`([^`]+)`")

// TestWhereToChangeWhatNamesWhatExists checks the files and folders of every row, and that a row
// about a table has a scripted change of exactly the tables and files that it names.
func TestWhereToChangeWhatNamesWhatExists(t *testing.T) {
	t.Parallel()
	scripted := map[string]change{}
	for _, c := range changes() {
		scripted[c.row] = c
	}
	for _, row := range changeRows(t) {
		c, ok := scripted[row.what]
		delete(scripted, row.what)
		if aboutTable := strings.Contains(row.edit, "a row of `"); aboutTable != ok {
			t.Errorf("row %q: names a table: %t, has a scripted change: %t", row.what, aboutTable, ok)
		}
		for _, m := range codeSpan.FindAllStringSubmatch(row.edit, -1) {
			if !strings.Contains(m[1], "/") {
				continue
			}
			if _, err := os.Stat(filepath.Join("..", m[1])); err != nil {
				t.Errorf("row %q: %v", row.what, err)
			}
		}
		for _, e := range c.edits {
			if !strings.Contains(row.edit, "`"+e.file+"`") || !strings.Contains(row.edit, e.table) {
				t.Errorf("row %q does not name %s in %s: %s", row.what, e.table, e.file, row.edit)
			}
		}
	}
	for row := range scripted {
		t.Errorf("README has no row %q", row)
	}
}

// TestWhereToChangeWhatCompilesAndShowsUp builds the starter and the edited packages with an
// overlay of all scripted changes, and checks that starter tables prints every new name.
func TestWhereToChangeWhatCompilesAndShowsUp(t *testing.T) {
	t.Parallel()
	program := buildChanged(t)
	out, err := exec.Command(program, "tables", "--json").Output()
	if err != nil {
		t.Fatalf("starter tables: %v", err)
	}
	var tables map[string][]map[string]string
	if err := json.Unmarshal(out, &tables); err != nil {
		t.Fatalf("starter tables --json: %v", err)
	}
	cells := map[string]bool{}
	for _, rows := range tables {
		for _, row := range rows {
			for _, cell := range row {
				cells[cell] = true
			}
		}
	}
	for _, c := range changes() {
		if !cells[c.shows] {
			t.Errorf("after a change of %s, starter tables does not list %q", c.row, c.shows)
		}
	}
}

// buildChanged builds the starter with all changes and returns its path.
func buildChanged(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	replace, build := map[string]string{}, map[string]bool{"./starter": true}
	for _, c := range changes() {
		for _, e := range c.edits {
			original := filepath.Join(root, e.file)
			changed, ok := replace[original]
			if !ok {
				changed = filepath.Join(folder, strings.ReplaceAll(e.file, "/", "_"))
				replace[original] = changed
				build["./"+filepath.ToSlash(filepath.Dir(e.file))] = true
				copyFile(t, original, changed)
			}
			e.apply(t, changed)
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	into := folder + string(filepath.Separator)
	args := []string{"build", "-buildvcs=false", "-ldflags=-s -w", "-overlay", file, "-o", into}
	for name := range build {
		args = append(args, name)
	}
	command := exec.Command("go", args...)
	command.Dir = root
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("building with all changes: %v\n%s", err, out)
	}
	return filepath.Join(folder, "starter")
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// apply edits a copy of the file.
func (e edit) apply(t *testing.T, name string) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	ast.Inspect(file, func(n ast.Node) bool {
		if found || n == nil || e.table != "" && n != ast.Node(file) && !e.within(file, n) {
			return false
		}
		for _, row := range copyable(n) {
			source := string(text[set.Position(row.Pos()).Offset:set.Position(row.End()).Offset])
			if !strings.Contains(source, e.from) {
				continue
			}
			at := set.Position(row.Pos()).Offset
			added := strings.NewReplacer(append([]string{e.from, e.to}, e.also...)...).Replace(source)
			if _, ok := row.(*ast.Field); !ok {
				added += ","
			}
			added += "\n"
			text = []byte(string(text[:at]) + added + string(text[at:]))
			found = true
			return false
		}
		return true
	})
	if !found {
		t.Fatalf("%s: %s has no row with %s", e.file, e.table, e.from)
	}
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// within reports whether a node belongs to the declaration of the edit's table.
func (e edit) within(file *ast.File, n ast.Node) bool {
	for _, declaration := range file.Decls {
		if n.Pos() < declaration.Pos() || n.End() > declaration.End() {
			continue
		}
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			return d.Recv == nil && d.Name.Name == e.table
		case *ast.GenDecl:
			s, ok := d.Specs[0].(*ast.TypeSpec)
			return ok && s.Name.Name == e.table
		}
	}
	return false
}

// copyable returns the rows of a literal table, or the fields of a struct.
func copyable(n ast.Node) []ast.Node {
	var rows []ast.Node
	switch n := n.(type) {
	case *ast.CompositeLit:
		switch n.Type.(type) {
		case *ast.ArrayType, *ast.MapType:
			for _, row := range n.Elts {
				rows = append(rows, row)
			}
		}
	case *ast.StructType:
		for _, field := range n.Fields.List {
			rows = append(rows, field)
		}
	}
	return rows
}
