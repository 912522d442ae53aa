package docs_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/exitcode"
	"rdrec/internal/metric"
	"rdrec/internal/spec"
)

var update = flag.Bool("update", false, "write the generated pages")

// node is a part of the spec's JSON schema.
type node struct {
	Description      string           `json:"description"`
	Type             any              `json:"type"`
	Default          json.RawMessage  `json:"default"`
	Enum             []any            `json:"enum"`
	Minimum          *float64         `json:"minimum"`
	Maximum          *float64         `json:"maximum"`
	ExclusiveMinimum *float64         `json:"exclusiveMinimum"`
	ExclusiveMaximum *float64         `json:"exclusiveMaximum"`
	Pattern          string           `json:"pattern"`
	Properties       map[string]*node `json:"properties"`
	Items            *node            `json:"items"`
	Required         []string         `json:"required"`
}

// TestReferenceOfSpec compares docs/reference-spec.md with the spec's schema.
func TestReferenceOfSpec(t *testing.T) {
	t.Parallel()
	var root node
	if err := json.Unmarshal(spec.Schema(), &root); err != nil {
		t.Fatal(err)
	}
	stages := recomputedStages(t)
	var page strings.Builder
	page.WriteString(`# Reference: the spec

This page lists every key of a spec: its type, its range or allowed values, its default, its meaning, and what a change
of it makes run again. It is generated from the JSON schema that ` + "`starter spec --schema`" + ` prints;
` + "`go test ./docs -run TestReferenceOfSpec -update`" + ` writes it. A key without a default is optional and empty, or required
where the table says so.

The last column names the stages whose fingerprint a change of the key alters, with each other key as it was; every stage
that reads their output follows if that output comes out different. A test of the workflows changes every key and lets
the plan decide. "nothing" is a setting of speed, durability or names. ` + "`starter plan`" + ` prints the stages for your spec,
and [running.md](running.md) describes the rules.
`)
	rows := 0
	section := func(title, prefix string, keys map[string]*node, required []string) {
		fmt.Fprintf(&page, "\n## %s\n\n| key | type | values | default | meaning | runs again |\n", title)
		page.WriteString("| --- | --- | --- | --- | --- | --- |\n")
		rows += writeKeys(&page, stages, prefix, keys, required)
	}
	top := map[string]*node{}
	for key, child := range root.Properties {
		if len(child.Properties) == 0 {
			top[key] = child
		}
	}
	section("Top level", "", top, root.Required)
	for _, key := range slices.Sorted(maps.Keys(root.Properties)) {
		if child := root.Properties[key]; len(child.Properties) > 0 {
			section(key, key+".", child.Properties, child.Required)
		}
	}
	if rows < 100 {
		t.Errorf("only %d keys were found: the schema is read wrongly", rows)
	}
	comparePage(t, "reference-spec.md", page.String())
}

// writeKeys writes a row for each key, and for the keys below it, and returns their number.
func writeKeys(
	page *strings.Builder, stages map[string][]string, prefix string, keys map[string]*node, required []string,
) int {
	rows := 0
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		child := keys[key]
		initial := ""
		if len(child.Default) > 0 {
			initial = code(string(child.Default))
		} else if slices.Contains(required, key) {
			initial = "required"
		}
		fmt.Fprintf(page, "| `%s` | %s | %s | %s | %s | %s |\n", prefix+key, child.typeName(), child.values(), initial,
			strings.ReplaceAll(child.Description, "|", `\|`), again(stages, prefix+key, child))
		rows += 1 + writeKeys(page, stages, prefix+key+".", child.Properties, child.Required)
		if child.Items != nil {
			rows += writeKeys(page, stages, prefix+key+"[].", child.Items.Properties, child.Items.Required)
		}
	}
	return rows
}

// recomputedStages returns the stages that a change of each key makes run, which a test of the
// workflows finds.
func recomputedStages(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("../workflows/testdata/recompute.golden")
	if err != nil {
		t.Fatal(err)
	}
	var stages map[string][]string
	if err := json.Unmarshal(text, &stages); err != nil {
		t.Fatal(err)
	}
	return stages
}

// again returns the cell of a key with the stages that a change of it makes run.
func again(stages map[string][]string, key string, n *node) string {
	changed, known := stages[key]
	switch {
	case strings.HasPrefix(key, "nightly."):
		return "the next nightly run"
	case len(n.Properties) > 0 || strings.Contains(key, "[]."):
		return "see its keys"
	case !known:
		return "no spec sets it"
	case len(changed) == 0:
		return "nothing"
	default:
		return strings.Join(changed, ", ")
	}
}

// code formats a value as code in a cell, with spaces after commas.
func code(text string) string {
	var value any
	if json.Unmarshal([]byte(text), &value) == nil {
		if data, err := json.Marshal(value); err == nil {
			text = strings.ReplaceAll(string(data), `,"`, `, "`)
		}
	}
	return "`" + strings.ReplaceAll(text, "|", `\|`) + "`"
}

// typeName returns the type of a value, and of a list's elements.
func (n *node) typeName() string {
	name := fmt.Sprint(n.Type)
	if all, ok := n.Type.([]any); ok {
		var parts []string
		for _, one := range all {
			parts = append(parts, fmt.Sprint(one))
		}
		name = strings.Join(parts, " or ")
	}
	if n.Type == nil {
		name = ""
	}
	if n.Items != nil && n.Items.Type != nil {
		name += " of " + n.Items.typeName()
	}
	return name
}

// values returns the allowed values of a key, or of a list's elements.
func (n *node) values() string {
	if n.Items != nil && n.Enum == nil {
		return n.Items.values()
	}
	var parts []string
	for _, value := range n.Enum {
		if value == "" {
			value = `""`
		}
		parts = append(parts, fmt.Sprintf("`%v`", value))
	}
	for _, bound := range []struct {
		sign  string
		value *float64
	}{{">", n.ExclusiveMinimum}, {"≥", n.Minimum}, {"<", n.ExclusiveMaximum}, {"≤", n.Maximum}} {
		if bound.value != nil {
			parts = append(parts, fmt.Sprintf("%s %v", bound.sign, *bound.value))
		}
	}
	if n.Pattern != "" {
		parts = append(parts, code(n.Pattern))
	}
	return strings.Join(parts, ", ")
}

// TestReferenceOfTables compares docs/reference.md with the tables in the code.
func TestReferenceOfTables(t *testing.T) {
	t.Parallel()
	var page strings.Builder
	page.WriteString(`# Reference: metrics, exit codes, environment, bucket, API, log, report

This page lists the tables of the code that a script depends on. ` + "`go test ./docs -run TestReferenceOfTables -update`" + `
writes it. [reference-spec.md](reference-spec.md) lists the keys of a spec.

## Metrics

| metric | input | considers | better | formula | source |
| --- | --- | --- | --- | --- | --- |
`)
	inputs := map[metric.Input]string{
		metric.Rankings: "rankings", metric.Texts: "explanations", metric.Features: "features of explanations",
	}
	for _, row := range metric.Table() {
		considers := ""
		if row.K > 0 {
			considers = fmt.Sprintf("top %d", row.K)
		}
		better := "lower"
		if row.Higher {
			better = "higher"
		}
		what, source := formula(t, row.Name)
		fmt.Fprintf(&page, "| %s | %s | %s | %s | %s | %s |\n", row.Name, inputs[row.Input], considers, better, what,
			source)
	}
	page.WriteString("\n## Exit codes\n\nBoth `starter` and `worker` use them.\n\n| code | meaning |\n| --- | --- |\n")
	codes := strings.TrimSuffix(strings.TrimPrefix(exitcode.Help(), "Exit codes: "), ".")
	for row := range strings.SplitSeq(codes, ", ") {
		number, meaning, _ := strings.Cut(row, " ")
		fmt.Fprintf(&page, "| %s | %s |\n", number, meaning)
	}
	page.WriteString(sourceTables(t))
	comparePage(t, "reference.md", page.String())
}

// comparePage compares a generated page with the file, or writes it.
func comparePage(t *testing.T, name, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("run go test ./docs -run %s -update (-want +got):\n%s", t.Name(), diff)
	}
}
