package main

import (
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"

	"rdrec/internal/baseline"
	"rdrec/internal/metric"
	"rdrec/internal/spec"
	"rdrec/internal/task"
)

// tablesCmd lists what a spec may name, and what a report names.
type tablesCmd struct{}

// table is one of the project's tables for people.
type table struct {
	name   string
	header []string
	rows   [][]string
}

// Run prints the tables.
func (c *tablesCmd) Run(a *app) error {
	if a.flags.JSON {
		return a.printJSON(tablesJSON())
	}
	var b strings.Builder
	for _, t := range tables() {
		w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for _, cells := range append([][]string{t.header}, t.rows...) {
			fmt.Fprintln(w, strings.Join(cells, "\t"))
		}
		if err := w.Flush(); err != nil {
			return fmt.Errorf("writing the table of %s: %w", t.name, err)
		}
		b.WriteByte('\n')
	}
	return a.print(b.String())
}

// tablesJSON is each table as a list of objects.
func tablesJSON() map[string][]map[string]string {
	all := map[string][]map[string]string{}
	for _, t := range tables() {
		for _, cells := range t.rows {
			object := map[string]string{}
			for i, cell := range cells {
				object[strings.ToLower(t.header[i])] = cell
			}
			all[t.name] = append(all[t.name], object)
		}
	}
	return all
}

// tables are the domain's own tables.
func tables() []table {
	return []table{
		methods(), templateSets(), sizes(), protocols(), switchRows(), numberings(), metrics(), baselines(),
		words("teachers", "TEACHER", spec.Teachers()), words("prompts", "PROMPT", spec.Prompts()),
		words("formats", "FORMAT", spec.Formats()), words("columns", "COLUMN", spec.Columns()),
		words("extractors", "EXTRACTOR", spec.Extractors()),
	}
}

func methods() table {
	t := table{name: "methods", header: []string{"METHOD", "LEARNS", "SOURCE"}}
	for _, m := range spec.Methods() {
		t.rows = append(t.rows, []string{m.Name, learns(m), m.Cite})
	}
	return t
}

// templateSets counts each set's templates by task.
func templateSets() table {
	t := table{name: "template_sets", header: []string{"TEMPLATES", "EXPLANATION", "SEQUENTIAL", "TOPN", "RATIONALE"}}
	for _, set := range task.Families() {
		rationale := 0
		for _, text := range []string{set.Preference, set.Attribute} {
			if text != "" {
				rationale++
			}
		}
		t.rows = append(t.rows, []string{
			set.Name, strconv.Itoa(len(set.Explanation)), strconv.Itoa(len(set.Sequential)), strconv.Itoa(len(set.TopN)),
			strconv.Itoa(rationale),
		})
	}
	return t
}

func sizes() table {
	t := table{name: "sizes", header: []string{"SIZE", "D_MODEL", "LAYERS", "HEADS", "NOTE"}}
	for _, z := range spec.Sizes() {
		t.rows = append(t.rows, []string{z.Name, strconv.Itoa(z.Model), strconv.Itoa(z.Layers), strconv.Itoa(z.Heads), z.Note})
	}
	return t
}

func protocols() table {
	t := table{name: "protocols", header: []string{"PROTOCOL", "OTHERWISE THAN THE REFERENCE"}}
	for _, p := range spec.Protocols() {
		t.rows = append(t.rows, []string{p.Name, fixes(p)})
	}
	return t
}

// switchRows are what a spec's fixes and ablate may name.
func switchRows() table {
	t := table{name: "fixes", header: []string{"FIX", "ABOUT"}}
	for _, w := range spec.Switches() {
		t.rows = append(t.rows, []string{w.Name, w.About})
	}
	return t
}

func numberings() table {
	t := table{name: "numberings", header: []string{"NUMBERING", "ABOUT"}}
	for _, n := range spec.Numberings() {
		t.rows = append(t.rows, []string{n.Name, n.About})
	}
	return t
}

func metrics() table {
	t := table{name: "metrics", header: []string{"METRIC", "OF"}}
	for _, name := range metric.Names(metric.Rankings) {
		t.rows = append(t.rows, []string{name, "rankings"})
	}
	for _, name := range metric.Names(metric.Texts) {
		t.rows = append(t.rows, []string{name, "explanations"})
	}
	return t
}

func baselines() table {
	t := table{name: "baselines", header: []string{"BASELINE", "ABOUT"}}
	for _, b := range baseline.Table() {
		t.rows = append(t.rows, []string{b.Name, b.About})
	}
	return t
}

// words is a table of one column.
func words(name, header string, all []string) table {
	t := table{name: name, header: []string{header}}
	for _, word := range all {
		t.rows = append(t.rows, []string{word})
	}
	return t
}

// named is a switch with its name for people.
type named struct {
	on   bool
	name string
}

// learns names the kinds of examples a method learns.
func learns(m spec.Method) string {
	return switches(
		named{m.Explanation, "explanation"}, named{m.Sequential, "sequential"}, named{m.Rationale, "rationale"}, named{m.TopN, "top-N"},
	)
}

// fixes names what a protocol does otherwise than the reference.
func fixes(p spec.Protocol) string {
	rows := spec.Switches()
	all := make([]named, len(rows))
	for i, w := range rows {
		all[i] = named{w.On(p), w.About}
	}
	return switches(all...)
}

// switches lists those that are on.
func switches(all ...named) string {
	var on []string
	for _, s := range all {
		if s.on {
			on = append(on, s.name)
		}
	}
	if len(on) == 0 {
		return "nothing"
	}
	return strings.Join(on, ", ")
}
