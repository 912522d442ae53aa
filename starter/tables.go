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

// tablesCmd lists the names that a spec may contain, and those of a report.
type tablesCmd struct{}

// table is one of the project's tables, as text.
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

// tablesJSON returns each table as a list of objects.
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

// tables returns all tables; their rows come from the packages that use them.
func tables() []table {
	return []table{
		methods(), templateSets(), sizes(), protocols(), switchRows(), indexings(), metrics(), baselines(),
		singleColumn("teachers", "TEACHER", spec.Teachers()), singleColumn("prompts", "PROMPT", spec.Prompts()),
		singleColumn("formats", "FORMAT", spec.Formats()), singleColumn("columns", "COLUMN", spec.Columns()),
		singleColumn("extractors", "EXTRACTOR", spec.Extractors()),
		singleColumn("languages", "LANGUAGE", spec.Languages()),
	}
}

func methods() table {
	t := table{name: "methods", header: []string{"METHOD", "TASKS", "SOURCE"}}
	for _, m := range spec.Methods() {
		t.rows = append(t.rows, []string{m.Name, taskNames(m), m.Cite})
	}
	return t
}

// templateSets returns the number of templates per task of each set.
func templateSets() table {
	t := table{
		name:   "template_sets",
		header: []string{"TEMPLATES", "EXPLANATION", "SEQUENTIAL", "TOPN", "RATIONALE"},
	}
	for _, set := range task.TemplateSets() {
		rationale := 0
		for _, text := range []string{set.Preference, set.Attribute} {
			if text != "" {
				rationale++
			}
		}
		t.rows = append(t.rows, []string{
			set.Name, strconv.Itoa(len(set.Explanation)), strconv.Itoa(len(set.Sequential)),
			strconv.Itoa(len(set.TopN)), strconv.Itoa(rationale),
		})
	}
	return t
}

func sizes() table {
	t := table{name: "sizes", header: []string{"SIZE", "D_MODEL", "LAYERS", "HEADS", "NOTE"}}
	for _, z := range spec.Sizes() {
		t.rows = append(t.rows, []string{
			z.Name, strconv.Itoa(z.Model), strconv.Itoa(z.Layers), strconv.Itoa(z.Heads), z.Note,
		})
	}
	return t
}

func protocols() table {
	t := table{name: "protocols", header: []string{"PROTOCOL", "CHANGED SWITCHES"}}
	for _, p := range spec.Protocols() {
		t.rows = append(t.rows, []string{p.Name, changedSwitches(p)})
	}
	return t
}

// switchRows returns the switches that a spec's switches and ablate may name.
func switchRows() table {
	t := table{name: "switches", header: []string{"SWITCH", "ABOUT"}}
	for _, w := range spec.Switches() {
		t.rows = append(t.rows, []string{w.Name, w.About})
	}
	return t
}

func indexings() table {
	t := table{name: "indexings", header: []string{"INDEXING", "ABOUT"}}
	for _, n := range spec.Indexings() {
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
	for _, name := range metric.Names(metric.Features) {
		t.rows = append(t.rows, []string{name, "features of explanations"})
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

// singleColumn returns a table of one column.
func singleColumn(name, header string, all []string) table {
	t := table{name: name, header: []string{header}}
	for _, word := range all {
		t.rows = append(t.rows, []string{word})
	}
	return t
}

// namedSwitch is a switch and its name for people.
type namedSwitch struct {
	on   bool
	name string
}

// taskNames returns the tasks that a method trains on.
func taskNames(m spec.Method) string {
	return enabledSwitches(
		namedSwitch{m.Explanation, "explanation"}, namedSwitch{m.Sequential, "sequential"},
		namedSwitch{m.Rationale, "rationale"}, namedSwitch{m.TopN, "top-N"},
	)
}

// changedSwitches returns the switches by which a protocol differs from the reference.
func changedSwitches(p spec.Protocol) string {
	rows := spec.Switches()
	all := make([]namedSwitch, len(rows))
	for i, w := range rows {
		all[i] = namedSwitch{w.On(p), w.About}
	}
	return enabledSwitches(all...)
}

// enabledSwitches returns the names of the switches that are on.
func enabledSwitches(all ...namedSwitch) string {
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
