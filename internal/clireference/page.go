// Package clireference writes the part of docs/reference-cli.md that describes a program. In: the
// model of its command line. Out: Markdown, and the page with the part in it. Only tests import it.
package clireference

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	diff "github.com/google/go-cmp/cmp"

	"rdrec/internal/golden"
)

// Check compares a program's part of docs/reference-cli.md with its command line, or writes it.
func Check(t *testing.T, model *kong.Application, update bool) {
	t.Helper()
	path := filepath.Join(golden.Root(), "docs", "reference-cli.md")
	page, err := os.ReadFile(path) //nolint:gosec // a page of the project
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- generated: "+model.Name+" -->\n", "<!-- end: "+model.Name+" -->\n"
	before, rest, found := strings.Cut(string(page), begin)
	old, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no lines %q and %q", path, begin, end)
	}
	want := "\n" + part(model)
	if update {
		if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if changes := diff.Diff(want, old); changes != "" {
		t.Errorf("run go test ./%s -run %s -update (-want +got):\n%s", model.Name, t.Name(), changes)
	}
}

// part returns the commands of a program, with their arguments and flags.
func part(model *kong.Application) string {
	var out strings.Builder
	fmt.Fprintf(&out, "### Flags of every command of %s\n\n", model.Name)
	writeRows(&out, nil, model.Flags)
	for _, command := range model.Leaves(true) {
		fmt.Fprintf(&out, "### %s\n\n%s\n\n", command.FullPath(), cell(command.Help))
		var flags []*kong.Flag
		for node := command; node != model.Node; node = node.Parent {
			flags = append(flags, node.Flags...)
		}
		writeRows(&out, command.Positional, flags)
		writeExamples(&out, command.Detail)
	}
	return out.String()
}

// writeRows writes a table of arguments and flags, if there are any.
func writeRows(out *strings.Builder, arguments []*kong.Positional, flags []*kong.Flag) {
	var rows strings.Builder
	for _, argument := range arguments {
		writeRow(&rows, argument.Summary(), argument)
	}
	for _, flag := range flags {
		if flag.Hidden {
			continue
		}
		name := "--" + flag.Name
		if flag.Tag.Negatable != "" {
			name = "--[no-]" + flag.Name
		}
		if !flag.IsBool() && !flag.IsCounter() {
			name += "=" + strings.ToUpper(cmp.Or(flag.PlaceHolder, flag.Name))
		}
		writeRow(&rows, name, flag.Value)
	}
	if rows.Len() > 0 {
		const head = "| argument or flag | default | values | meaning |\n| --- | --- | --- | --- |\n"
		out.WriteString(head + rows.String() + "\n")
	}
}

// writeRow writes the row of an argument or a flag.
func writeRow(out *strings.Builder, name string, value *kong.Value) {
	initial, values := "", ""
	if value.HasDefault && value.Default != "" {
		initial = "`" + cell(value.Default) + "`"
	}
	if value.Required && value.Flag != nil {
		initial = "required"
	}
	if value.Enum != "" {
		values = "`" + strings.ReplaceAll(cell(value.Enum), ",", "`, `") + "`"
	}
	help := cell(value.Help)
	if len(value.Tag.Envs) > 0 {
		help += " Variable: `" + strings.Join(value.Tag.Envs, "`, `") + "`."
	}
	fmt.Fprintf(out, "| `%s` | %s | %s | %s |\n", cell(name), initial, values, help)
}

// writeExamples writes the examples of a command's help.
func writeExamples(out *strings.Builder, detail string) {
	_, examples, found := strings.Cut(detail, "Examples:\n\n")
	if found {
		fmt.Fprintf(out, "%s\n\n", strings.TrimRight(examples, "\n"))
	}
}

// cell returns a text for a cell of a table.
func cell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}
