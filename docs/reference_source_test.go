package docs_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// programFiles returns the parsed files of a package without its tests and comments.
func programFiles(t *testing.T, folder string) []*ast.File {
	t.Helper()
	return parsedFiles(t, filepath.Join("..", folder), parser.SkipObjectResolution)
}

// commentedFiles returns the parsed files of a folder without its tests.
func commentedFiles(t *testing.T, folder string) []*ast.File {
	t.Helper()
	return parsedFiles(t, folder, parser.SkipObjectResolution|parser.ParseComments)
}

func parsedFiles(t *testing.T, folder string, mode parser.Mode) []*ast.File {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files in %s: %v", folder, err)
	}
	var files []*ast.File
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, mode)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

// literal returns the value of a string literal, or of several that are added.
func literal(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && e.Kind == token.STRING
	case *ast.BinaryExpr:
		left, one := literal(e.X)
		right, two := literal(e.Y)
		return left + right, one && two && e.Op == token.ADD
	default:
		return "", false
	}
}

// environment returns a row for each flag of a program that an environment variable sets.
func environment(t *testing.T, program string) []string {
	t.Helper()
	var tags []reflect.StructTag
	texts := map[string]string{}
	for _, file := range programFiles(t, program) {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.KeyValueExpr:
				key, one := literal(n.Key)
				value, two := literal(n.Value)
				if one && two {
					texts["${"+key+"}"] = value
				}
			case *ast.Field:
				if n.Tag != nil {
					text, _ := literal(n.Tag)
					tags = append(tags, reflect.StructTag(text))
				}
			}
			return true
		})
	}
	var rows []string
	for _, tag := range tags {
		name := tag.Get("env")
		if name == "" {
			continue
		}
		help := tag.Get("help")
		if text, ok := texts[help]; ok {
			help = text
		}
		if help == "" || strings.Contains(help, "${") {
			t.Errorf("%s: the help text %q of %s is not found", program, help, name)
		}
		initial := ""
		if value := tag.Get("default"); value != "" {
			initial = code(value)
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s | %s |", name, program, initial,
			strings.ReplaceAll(help, "|", `\|`)))
	}
	slices.Sort(rows)
	return rows
}

var variableName = regexp.MustCompile(`"(RDREC_[A-Z_]+)"`)

// ofTools are the variables of tests, make and the bench.
var ofTools = []string{
	"RDREC_GOLDEN", "RDREC_LLAMACPP", "RDREC_ROOT", "RDREC_SERVERS", "RDREC_TEST_DEVICE", "RDREC_TEST_SERVER",
}

// variables returns a row for each environment variable without a flag, and checks that the
// sources name no other.
func variables(t *testing.T) []string {
	t.Helper()
	meanings := map[string]string{
		"RDREC_CACHE":          "Folder of what set-up fetches; all clones share it.",
		"RDREC_DATA":           "Folders with data sets for --dataset, separated by colons.",
		"RDREC_PAYLOAD_KEYS":   "Keys that encrypt what Temporal stores ([security.md](security.md)).",
		"RDREC_TEACHER_DIR":    "Folder of the teacher smollm2; the default is in RDREC_CACHE.",
		"RDREC_TEACHER_KEY":    "Key of a teacher behind a server; OPENAI_API_KEY if it is empty.",
		"RDREC_USER_KEY":       "Key of pseudonymous user ids ([security.md](security.md)).",
		"RDREC_WEBHOOK_SECRET": "Secret that signs webhook posts ([nightly.md](nightly.md)).",
	}
	named := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() && path != ".." && strings.HasPrefix(entry.Name(), ".") {
			return cmp.Or(err, fs.SkipDir)
		}
		if entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for line := range strings.Lines(string(text)) {
			for _, m := range variableName.FindAllStringSubmatch(line, -1) {
				named[m[1]] = named[m[1]] || !strings.Contains(line, `env:"`) && !slices.Contains(ofTools, m[1])
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, name := range slices.Sorted(maps.Keys(meanings)) {
		rows = append(rows, fmt.Sprintf("| `%s` | both | | %s |", name, meanings[name]))
		if !named[name] {
			t.Errorf("no source names %s", name)
		}
	}
	for name, free := range named {
		if _, known := meanings[name]; free && !known && name != "RDREC_LOG_JSON" {
			t.Errorf("%s has no row on the page", name)
		}
	}
	return rows
}

var keyRow = regexp.MustCompile(`(?m)^//\t(\S+)\s{2,}(.+)$|^//\t(\S+) (.+)$`)

// bucketKeys returns a row for each key that storage/key.go documents.
func bucketKeys(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../storage/key.go")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, m := range keyRow.FindAllStringSubmatch(string(text), -1) {
		rows = append(rows, fmt.Sprintf("| `%s` | %s |", m[1]+m[3], m[2]+m[4]))
	}
	return rows
}

var attributeRow = regexp.MustCompile(`"(Rdrec\w+)":\s+"(\w+)"`)

// searchAttributes returns a row for each search attribute of the dev server's defaults.
func searchAttributes(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../internal/devserver/options.go")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, m := range attributeRow.FindAllStringSubmatch(string(text), -1) {
		rows = append(rows, fmt.Sprintf("| `%s` | %s |", m[1], m[2]))
	}
	slices.Sort(rows)
	return rows
}

// httpCalls returns a row for each call of the served model's API.
func httpCalls(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../internal/serve/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	type call struct {
		Summary    string `json:"summary"`
		Parameters []struct {
			Name string `json:"name"`
		} `json:"parameters"`
		Responses map[string]struct {
			Description string `json:"description"`
		} `json:"responses"`
	}
	var document struct {
		Paths map[string]map[string]call `json:"paths"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, path := range slices.Sorted(maps.Keys(document.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(document.Paths[path])) {
			c := document.Paths[path][method]
			var names []string
			for _, p := range c.Parameters {
				names = append(names, "`"+p.Name+"`")
			}
			rows = append(rows, fmt.Sprintf("| `%s %s` | %s | %s | %s |", strings.ToUpper(method), path, c.Summary,
				strings.Join(names, ", "), strings.Join(slices.Sorted(maps.Keys(c.Responses)), ", ")))
		}
	}
	return rows
}

// sourceTables returns the sections of docs/reference.md that are read from the sources.
func sourceTables(t *testing.T) string {
	t.Helper()
	var page strings.Builder
	for _, section := range []struct {
		title, head string
		rows        []string
		least       int
	}{
		{
			"Environment variables", "A flag overrides its variable. The last rows have no flag.\n\n" +
				"| variable | program | default | meaning |\n| --- | --- | --- | --- |",
			slices.Concat(environment(t, "starter"), environment(t, "worker"), variables(t)), 20,
		},
		{"Keys of the bucket", "| key | content |\n| --- | --- |", bucketKeys(t), 15},
		{"Search attributes", "Temporal lists runs by them; `starter cluster init` creates them on a server.\n\n" +
			"| attribute | type |\n| --- | --- |", searchAttributes(t), 5},
		{"HTTP API", "`worker serve` answers these calls; [serving.md](serving.md) describes them.\n\n" +
			"| call | result | parameters | status codes |\n| --- | --- | --- | --- |", httpCalls(t), 2},
		{"Log events", "Messages from level info on; the data are in fields (`--log-json`). A stage's progress is in " +
			"heartbeats, not in the log.\n\n| message | level | package |\n| --- | --- | --- |", logEvents(t), 20},
		{"Fields of report.json", "Empty fields are left out. [report.md](report.md) describes the parts.\n\n" +
			"| field | type | meaning |\n| --- | --- | --- |", reportFields(t), 100},
	} {
		if len(section.rows) < section.least {
			t.Errorf("%s: only %d rows were found: the source is read wrongly", section.title, len(section.rows))
		}
		fmt.Fprintf(&page, "\n## %s\n\n%s\n%s\n", section.title, section.head, strings.Join(section.rows, "\n"))
	}
	return page.String()
}
