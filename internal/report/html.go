package report

import (
	_ "embed" // layout.html, page.html and style.css
	"fmt"
	"html/template"
	"io"
	"slices"

	"rdrec/internal/audit"
	"rdrec/internal/teacher"
)

//go:embed page.html
var pageHTML string

//go:embed layout.html
var layoutHTML string

//go:embed style.css
var styleCSS string

// HTML writes the report as one page that needs no other file, no network and no script. All text
// from data is escaped.
func HTML(w io.Writer, r Report) error { return RenderPage(w, "report "+r.Name, pageHTML, r) }

// RenderPage writes a page whose body is a template. Pages share the style and the functions of
// this package. The name is for errors.
func RenderPage(w io.Writer, name, body string, data any) error {
	page, err := template.New("page").Funcs(functions()).Parse(body)
	if err != nil {
		return fmt.Errorf("parse the page of %s: %w", name, err)
	}
	for part, text := range map[string]string{"layout": layoutHTML, "style": styleCSS} {
		if _, err := page.New(part).Parse(text); err != nil {
			return fmt.Errorf("parse %s of the pages: %w", part, err)
		}
	}
	if err := page.Execute(w, data); err != nil {
		return fmt.Errorf("write the page of %s: %w", name, err)
	}
	return nil
}

// functions returns the functions of the pages' templates.
func functions() template.FuncMap {
	return template.FuncMap{
		"figure": figure, "percent": percent, "thousands": thousands, "seconds": Duration, "short": short,
		"pValue": pValue, "signed": signed, "trimmed": trimmed, "capital": capital, "plural": plural,
		"half":   func(x float64) float64 { return x / 2 },
		"add":    func(a, b float64) float64 { return a + b },
		"origin": origin, "curve": renderCurve, "cells": cells, "columns": columns, "about": about,
		"intro": intro, "concernCounts": concernCounts, "methodTable": methodTable, "outcomeSign": outcomeSign,
		"parts": parts, "coverageTable": coverageTable, "protocolName": protocolName,
		"examples": examples, "exampleNote": exampleNote, "recent": recent, "earlier": earlier, "top": top,
		"explainedTable": explainedTable, "explanationLine": explanationLine,
		"texts": shownTexts, "textTable": textTable, "unit": Table.unit, "textMetrics": textMetrics,
		"featureColumns": featureColumns, "grounded": parsedFirst, "level": levelName,
		"entailmentColumns": func() []string { return entailmentColumns()[1:] },
		"entailmentNote":    func() string { return entailmentNote },
		"entailmentCells":   Entailment.cells, "standings": standingTable,
		"diversities": diversities, "diversityNote": diversityNote, "textDiversityNote": textDiversityNote,
		"fusions":      func(r Report) []shownFusion { return r.fusions() },
		"fusionNote":   func(f shownFusion) string { return fusionNote(f.Fusion) },
		"concern":      func(c Concern) string { return string(c) },
		"standingNote": func(s *shownStandings) string { return standingNote(*s) },
		"ablations":    ablations, "bars": stageBars, "costLine": costLine, "costNote": costNote,
		"wasteNote": wasteNote,
	}
}

// shownCell is a formatted cell.
type shownCell struct {
	Value, SD, Interval string
	Best                bool
}

// cells returns a row's cells for each metric of the table.
func cells(table Table, row Row) []shownCell {
	var shown []shownCell
	for _, name := range table.Metrics() {
		cell, found := row.Cell(name)
		if !found {
			shown = append(shown, shownCell{Value: "–"})
			continue
		}
		one := shownCell{Value: figure(cell.Mean), Best: cell.Mean > 0 && cell.Mean == table.best(name)}
		if cell.Trials > 1 {
			one.SD = "± " + figure(cell.SD)
		}
		if cell.Interval != nil {
			one.Interval = trimmed(cell.Interval.Low) + "–" + trimmed(cell.Interval.High)
		}
		shown = append(shown, one)
	}
	return shown
}

// columns explains the small numbers of a table.
func columns(table Table) string {
	if table.trials() > 1 {
		return "Mean ± standard deviation over trials; below, the 95% interval: of the mean over trials (t), " +
			"or over users for rows with one trial (bootstrap)."
	}
	return "Below each score is its 95% interval over users (bootstrap)."
}

// about returns the line below a row's name.
func about(row Row) string {
	if len(row.Trials) > 1 {
		return plural(len(row.Trials), "trial")
	}
	return row.About
}

func levelName(level audit.Level) string {
	words := map[audit.Level]string{audit.Leak: "Leak", audit.Caution: "Caution", audit.Fine: "Note"}
	return words[level]
}

// signed formats a difference with its sign.
func signed(x float64) string {
	if x > 0 {
		return "+" + figure(x)
	}
	return figure(x)
}

// parsedFirst returns the parsed samples, then the failed ones.
func parsedFirst(samples []teacher.Rationale) []teacher.Rationale {
	sorted := slices.Clone(samples)
	slices.SortStableFunc(sorted, func(a, b teacher.Rationale) int {
		return boolInt(a.Failed != "") - boolInt(b.Failed != "")
	})
	return sorted
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
