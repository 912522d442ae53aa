package style_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	architecture = "docs/architecture.md"
	module       = "rdrec/"
	gotch        = "github.com/sugarme/gotch"
	testSupport  = "test support" // the layer that only tests import
)

// pkg is a package of the project, without its tests.
type pkg struct {
	imports    map[string]bool // folders of the project's packages
	outside    map[string]bool // import paths of other modules
	interfaces []string
}

// packages parses every package that has more than tests, by its folder.
func packages(t *testing.T) map[string]pkg {
	t.Helper()
	all := map[string]pkg{}
	for _, file := range textFiles(t) {
		if path.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "tools/") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, read(t, file), parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		folder := path.Dir(file)
		p, ok := all[folder]
		if !ok {
			p = pkg{imports: map[string]bool{}, outside: map[string]bool{}}
		}
		for _, spec := range parsed.Imports {
			name := strings.Trim(spec.Path.Value, `"`)
			if inside, ok := strings.CutPrefix(name, module); ok {
				p.imports[inside] = true
			} else {
				p.outside[name] = true
			}
		}
		p.interfaces = append(p.interfaces, interfacesOf(parsed)...)
		all[folder] = p
	}
	return all
}

// interfacesOf returns the names of the interfaces that a file declares.
func interfacesOf(file *ast.File) []string {
	var names []string
	for _, declaration := range file.Decls {
		d, ok := declaration.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range d.Specs {
			if s, ok := spec.(*ast.TypeSpec); ok {
				if _, ok := s.Type.(*ast.InterfaceType); ok {
					names = append(names, s.Name.Name)
				}
			}
		}
	}
	return names
}

// layer is a row of the layer table of docs/architecture.md, from the top.
type layer struct {
	name     string
	packages []string
}

var codeSpan = regexp.MustCompile("`([^`]+)`")

// layers reads the layer table: its first column names the layer, its second the packages.
func layers(t *testing.T) []layer {
	t.Helper()
	_, table, ok := strings.Cut(read(t, architecture), "| layer | packages |")
	if !ok {
		t.Fatalf("%s has no table that begins with | layer | packages |", architecture)
	}
	var all []layer
	for i, line := range strings.Split(table, "\n") {
		if i < 2 {
			continue
		}
		if !strings.HasPrefix(line, "|") {
			break
		}
		row := cells(line)
		l := layer{name: row[0]}
		for _, m := range codeSpan.FindAllStringSubmatch(row[1], -1) {
			l.packages = append(l.packages, m[1])
		}
		all = append(all, l)
	}
	return all
}

func TestLayerTableNamesEveryPackage(t *testing.T) {
	inTable := map[string]bool{}
	for _, l := range layers(t) {
		for _, name := range l.packages {
			if inTable[name] {
				t.Errorf("%s: %s is in two layers", architecture, name)
			}
			inTable[name] = true
		}
	}
	onDisk := packages(t)
	for _, name := range slices.Sorted(maps.Keys(onDisk)) {
		if !inTable[name] {
			t.Errorf("%s: package %s is missing from the layer table", architecture, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(inTable)) {
		if _, ok := onDisk[name]; !ok {
			t.Errorf("%s: package %s of the layer table does not exist", architecture, name)
		}
	}
}

func TestImportsPointDown(t *testing.T) {
	level, name := map[string]int{}, map[string]string{}
	for i, l := range layers(t) {
		for _, p := range l.packages {
			level[p], name[p] = i, l.name
		}
	}
	all := packages(t)
	for _, from := range slices.Sorted(maps.Keys(all)) {
		for _, to := range slices.Sorted(maps.Keys(all[from].imports)) {
			if level[to] < level[from] {
				t.Errorf("%s (%s) imports %s (%s): imports point down only", from, name[from], to, name[to])
			}
			if name[to] == testSupport && name[from] != testSupport {
				t.Errorf("%s imports %s, which is for tests only", from, to)
			}
		}
	}
}

// seam finds the patterns of .golangci.yml's rule torch-seam that let a package import gotch.
var seam = regexp.MustCompile(`torch-seam:(?:\s+#.*)*\s+files: \[(.*)\]`)

func TestOnlyTheListedPackagesImportGotch(t *testing.T) {
	rule := seam.FindStringSubmatch(read(t, ".golangci.yml"))
	if rule == nil {
		t.Fatal(".golangci.yml has no rule torch-seam with a list of files")
	}
	var listed []string
	for _, m := range regexp.MustCompile(`"!\*\*/([^"*]+)/\*\*"`).FindAllStringSubmatch(rule[1], -1) {
		listed = append(listed, m[1])
	}
	slices.Sort(listed)
	if used := importersOf(t, gotch); !slices.Equal(listed, used) {
		t.Errorf(".golangci.yml lets %q import %s; %q do", listed, gotch, used)
	}
}

// importersOf returns the folders whose files, tests included, import a module.
func importersOf(t *testing.T, wanted string) []string {
	t.Helper()
	used := map[string]bool{}
	for _, file := range textFiles(t) {
		if path.Ext(file) != ".go" {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, read(t, file), parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range parsed.Imports {
			name := strings.Trim(spec.Path.Value, `"`)
			if name == wanted || strings.HasPrefix(name, wanted+"/") {
				used[path.Dir(file)] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(used))
}

func TestGeneratedPartsOfTheArchitecturePage(t *testing.T) {
	page := read(t, architecture)
	all := packages(t)
	want := page
	for name, text := range map[string]string{"packages": diagram(layers(t), all), "interfaces": interfaceTable(all)} {
		begin, end := "<!-- generated: "+name+" -->\n", "<!-- end: "+name+" -->"
		before, rest, ok := strings.Cut(want, begin)
		_, after, closed := strings.Cut(rest, end)
		if !ok || !closed {
			t.Fatalf("%s has no generated part %q", architecture, name)
		}
		want = before + begin + "\n" + text + "\n" + end + after
	}
	if want == page {
		return
	}
	if *update {
		if err := os.WriteFile(filepath.Join(root, architecture), []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("%s is out of date: run go test ./internal/style -run Architecture -update", architecture)
}

// diagram renders the packages as a Mermaid flowchart, one box for each layer. Test support is left
// out, and so is an import that follows from others.
func diagram(layers []layer, all map[string]pkg) string {
	var b strings.Builder
	b.WriteString("```mermaid\nflowchart TD\n")
	shown := map[string]bool{}
	count := 0
	for i, l := range layers {
		if l.name == testSupport {
			continue
		}
		fmt.Fprintf(&b, "    subgraph L%d[\"%s\"]\n", i+1, l.name)
		for _, name := range l.packages {
			fmt.Fprintf(&b, "        %s[\"%s\"]\n", node(name), strings.TrimPrefix(name, "internal/"))
			shown[name] = true
			count++
		}
		b.WriteString("    end\n")
	}
	for _, from := range slices.Sorted(maps.Keys(shown)) {
		for _, to := range slices.Sorted(maps.Keys(all[from].imports)) {
			if shown[to] && !follows(all, from, to) {
				fmt.Fprintf(&b, "    %s --> %s\n", node(from), node(to))
			}
		}
	}
	b.WriteString("```\n\n")
	fmt.Fprintf(&b, "%d packages in %d layers; an import that follows from other arrows is omitted.\n",
		count, len(layers)-1)
	return b.String()
}

func node(name string) string { return strings.NewReplacer("/", "_", "internal/", "").Replace(name) }

// follows reports whether from reaches to through another of its imports.
func follows(all map[string]pkg, from, to string) bool {
	seen := map[string]bool{}
	var reach func(at string) bool
	reach = func(at string) bool {
		if seen[at] {
			return false
		}
		seen[at] = true
		for next := range all[at].imports {
			if next == to || reach(next) {
				return true
			}
		}
		return false
	}
	for next := range all[from].imports {
		if next != to && reach(next) {
			return true
		}
	}
	return false
}

// interfaceTable lists the interfaces of the project by package.
func interfaceTable(all map[string]pkg) string {
	var b strings.Builder
	b.WriteString("| package | interfaces |\n| --- | --- |\n")
	count, declaring := 0, 0
	for _, name := range slices.Sorted(maps.Keys(all)) {
		names := slices.Sorted(slices.Values(all[name].interfaces))
		if len(names) == 0 {
			continue
		}
		count += len(names)
		declaring++
		fmt.Fprintf(&b, "| `%s` | `%s` |\n", name, strings.Join(names, "`, `"))
	}
	fmt.Fprintf(&b, "\n%d interfaces in %d packages.\n", count, declaring)
	return b.String()
}
