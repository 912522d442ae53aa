package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"rdrec/internal/spec"
)

// tablesCmd lists what a spec may name.
type tablesCmd struct{}

// Run prints the tables.
func (c *tablesCmd) Run(a *app) error {
	if a.flags.JSON {
		text, err := json.MarshalIndent(map[string]any{
			"methods": spec.Methods(), "sizes": spec.Sizes(), "protocols": spec.Protocols(), "teachers": spec.Teachers(),
			"prompts": spec.Prompts(), "formats": spec.Formats(), "columns": spec.Columns(), "extractors": spec.Extractors(),
		}, "", "  ")
		if err != nil {
			return fmt.Errorf("writing the tables as JSON: %w", err)
		}
		return a.print(string(text) + "\n")
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	write := func(cells ...string) { fmt.Fprintln(w, strings.Join(cells, "\t")) }
	write("METHOD", "LEARNS", "SOURCE")
	for _, m := range spec.Methods() {
		write(m.Name, learns(m), m.Cite)
	}
	write("\nSIZE", "D_MODEL", "LAYERS", "HEADS", "NOTE")
	for _, z := range spec.Sizes() {
		write(z.Name, fmt.Sprint(z.Model), fmt.Sprint(z.Layers), fmt.Sprint(z.Heads), z.Note)
	}
	write("\nPROTOCOL", "DIFFERS FROM THE REFERENCE IN")
	for _, p := range spec.Protocols() {
		write(p.Name, fixes(p))
	}
	write("\nTEACHER\t" + strings.Join(spec.Teachers(), ", "))
	write("PROMPT\t" + strings.Join(spec.Prompts(), ", "))
	write("FORMAT\t" + strings.Join(spec.Formats(), ", "))
	write("COLUMN\t" + strings.Join(spec.Columns(), ", "))
	write("EXTRACTOR\t" + strings.Join(spec.Extractors(), ", "))
	if err := w.Flush(); err != nil {
		return fmt.Errorf("writing the tables: %w", err)
	}
	return a.print(b.String())
}

// named is a switch with its name for people.
type named struct {
	on   bool
	name string
}

// learns names the kinds of examples a method learns.
func learns(m spec.Method) string {
	return switches([]named{
		{m.Explanation, "explanation"}, {m.Sequential, "sequential"}, {m.Rationale, "rationale"}, {m.TopN, "top-N"},
	}, "nothing")
}

// fixes names what a protocol does otherwise than the reference.
func fixes(p spec.Protocol) string {
	return switches([]named{
		{p.MaskCross, "masked cross-attention"},
		{p.SkipPads, "no padding in the loss"},
		{p.RightTasks, "right rationale tasks"},
		{p.PatienceResets, "patience that resets"},
		{p.Constrained, "valid, unseen, distinct items"},
		{p.HeldOut, "held-out explanations"},
	}, "nothing")
}

func switches(all []named, none string) string {
	var on []string
	for _, s := range all {
		if s.on {
			on = append(on, s.name)
		}
	}
	if len(on) == 0 {
		return none
	}
	return strings.Join(on, ", ")
}
