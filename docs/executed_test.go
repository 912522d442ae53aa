package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// commandLine matches a line of a code block that is a command.
var commandLine = regexp.MustCompile(`^(?:\$ )?((?:bin/)?(?:starter|worker) (?:[a-z]|--[a-z]).*|` +
	`(?:make|go|docker|kubectl|systemctl|curl|tar|python3|git|npm|sed|cat|head|cp|mkdir|pip|unzip|sha256sum) .*|` +
	`install -.*|export [A-Z_]+=.*|for .*; do|while .*; do)$`)

// commandsOf returns the commands in the code blocks of a page: in fences, and indented lines.
func commandsOf(text string) []string {
	var all []string
	fenced := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
			continue
		}
		indented, isIndented := strings.CutPrefix(line, "    ")
		if !fenced && !isIndented {
			continue
		}
		if isIndented {
			line = indented
		}
		if m := commandLine.FindStringSubmatch(line); m != nil {
			all = append(all, strings.TrimPrefix(m[1], "bin/"))
		}
	}
	return all
}

// execution is a row of docs/commands.md: who runs the commands that begin so, or why nobody does.
type execution struct {
	prefix, test, reason string
	used                 bool
}

func executions(t *testing.T) []*execution {
	t.Helper()
	text, err := os.ReadFile("commands.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []*execution
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 3 || !strings.HasPrefix(cells[0], " `") {
			continue
		}
		prefix, test := strings.Trim(cells[0], " `"), strings.Trim(cells[1], " `")
		rows = append(rows, &execution{prefix: prefix, test: test, reason: strings.TrimSpace(cells[2])})
	}
	return rows
}

// TestCommandsAreRunOrExplained looks up every command of the pages in docs/commands.md: a test
// runs it, or the table has the reason why none does.
func TestCommandsAreRunOrExplained(t *testing.T) {
	t.Parallel()
	rows, known := executions(t), tests(t)
	commands := 0
	for page, text := range pages(t) {
		if strings.HasSuffix(page, "log.md") || strings.HasSuffix(page, "CHANGELOG.md") {
			continue // what was tried at the time
		}
		for _, command := range commandsOf(text) {
			commands++
			if row := find(rows, command); row != nil {
				row.used = true
			} else {
				t.Errorf("%s: no row of docs/commands.md has %q", page, command)
			}
			checkTestNames(t, known, page, command)
		}
	}
	if commands < 150 {
		t.Errorf("only %d commands were found: the pages are read wrongly", commands)
	}
	for _, row := range rows {
		row.check(t, known)
	}
}

// find returns the row with the longest beginning of a command.
func find(rows []*execution, command string) *execution {
	var best *execution
	for _, row := range rows {
		if strings.HasPrefix(command, row.prefix) && (best == nil || len(row.prefix) > len(best.prefix)) {
			best = row
		}
	}
	return best
}

var runFlag = regexp.MustCompile(`-run '?\^?(Test\w+)`)

// checkTestNames checks that the test that a page runs exists.
func checkTestNames(t *testing.T, known map[string]string, page, command string) {
	t.Helper()
	name := runFlag.FindStringSubmatch(command)
	if !strings.HasPrefix(command, "go test") || name == nil {
		return
	}
	for test := range known {
		if strings.Contains(test, "."+name[1]) {
			return
		}
	}
	t.Errorf("%s: %q: no such test", page, command)
}

// check checks that a row is used, has a test or a reason, and that the test's package runs the
// command.
func (e *execution) check(t *testing.T, known map[string]string) {
	t.Helper()
	switch {
	case !e.used:
		t.Errorf("docs/commands.md: no page has %q", e.prefix)
	case (e.test == "") == (e.reason == ""):
		t.Errorf("docs/commands.md: %q needs either a test or a reason", e.prefix)
	case e.test != "" && known[e.test] == "":
		t.Errorf("docs/commands.md: %q: no test %s", e.prefix, e.test)
	case e.test != "" && !e.runs(t, known[e.test]):
		t.Errorf("docs/commands.md: the package of %s does not run %q", e.test, e.prefix)
	}
}

// runs reports whether a file of the test's folder has the command's words.
func (e *execution) runs(t *testing.T, folder string) bool {
	t.Helper()
	lacks := func(text string) bool {
		return slices.ContainsFunc(strings.Fields(e.prefix)[1:], func(word string) bool {
			return !strings.Contains(text, `"`+word)
		})
	}
	for _, pattern := range []string{"*_test.go", "testdata/*.txtar", "tutorial.md"} {
		paths, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), e.prefix) || !lacks(string(text)) {
				return true
			}
		}
	}
	return false
}
