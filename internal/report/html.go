package report

import (
	_ "embed" // page.html and style.css
	"fmt"
	"html/template"
	"io"
	"slices"

	"rdrec/internal/audit"
	"rdrec/internal/teacher"
)

//go:embed page.html
var pageHTML string

//go:embed style.css
var styleCSS string

// HTML writes the report as one page that needs no other file, no network and no script. All text
// from data is escaped.
func HTML(w io.Writer, r Report) error {
	page, err := template.New("page").Funcs(functions()).Parse(pageHTML)
	if err != nil {
		return fmt.Errorf("parse the report's page: %w", err)
	}
	if _, err := page.New("style").Parse(styleCSS); err != nil {
		return fmt.Errorf("parse the report's style: %w", err)
	}
	if err := page.Execute(w, r); err != nil {
		return fmt.Errorf("write report %q: %w", r.Name, err)
	}
	return nil
}

// functions returns the functions of the page template.
func functions() template.FuncMap {
	return template.FuncMap{
		"figure": figure, "percent": percent, "thousands": thousands, "seconds": Duration, "short": short,
		"pValue":  pValue,
		"capital": capital, "plural": plural, "origin": origin, "trimmed": trimmed,
		"panels": panels, "curve": renderCurve, "cells": cells, "columns": columns, "grounded": parsedFirst,
		"bars": stageBars, "recent": recent, "texts": shownTexts, "textTable": textTable, "unit": Table.unit,
		"textMetrics": textMetrics, "featureColumns": featureColumns,
		"entailmentColumns": func() []string { return entailmentColumns()[1:] },
		"entailmentNote":    func() string { return entailmentNote },
		"entailmentCells":   Entailment.cells, "level": levelName, "standings": standingTable,
		"diversities": diversities, "diversityNote": diversityNote, "textDiversityNote": textDiversityNote,
		"fusions":      func(r Report) []shownFusion { return r.fusions() },
		"fusionNote":   func(f shownFusion) string { return fusionNote(f.Fusion) },
		"concern":      func(c Concern) string { return string(c) },
		"standingNote": func(s *shownStandings) string { return standingNote(*s) },
		"signed":       signed, "about": about, "kinds": kinds,
		"ablations": ablations, "protocolName": protocolName,
		"total": func(stages []Stage) string { return Duration(longest(stages, true)) },
		"half":  func(x float64) float64 { return x / 2 },
		"add":   func(a, b float64) float64 { return a + b },
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

// kinds returns the kinds of the table's rows, for the legend of the charts.
func kinds(table Table) []Pair {
	var found []Pair
	for _, kind := range []Pair{
		{string(FusionRow), "fusion: what is served"},
		{string(StudentRow), "student"},
		{string(BaselineRow), "baseline"},
		{string(ModelRow), "trained baseline"},
		{string(RuleRow), "rule that reads item ids only"},
	} {
		if slices.ContainsFunc(table.Rows, func(row Row) bool { return string(row.Kind) == kind.Name }) {
			found = append(found, kind)
		}
	}
	return found
}

// about returns the line below a row's name.
func about(row Row) string {
	if len(row.Trials) > 1 {
		return plural(len(row.Trials), "trial")
	}
	return row.About
}

// shownStage is a stage and its share of the longest stage.
type shownStage struct {
	Stage
	Percent float64
}

func stageBars(stages []Stage) []shownStage {
	most := longest(stages, false)
	shown := make([]shownStage, len(stages))
	for i, stage := range stages {
		shown[i] = shownStage{Stage: stage}
		if most > 0 {
			shown[i].Percent = 100 * stage.Seconds / most
		}
	}
	return shown
}

// longest returns the time of the longest stage or, if sum is set, the total time of this run.
func longest(stages []Stage, sum bool) float64 {
	most := 0.0
	for _, stage := range stages {
		switch {
		case sum && !stage.Cached:
			most += stage.Seconds
		case !sum:
			most = max(most, stage.Seconds)
		}
	}
	return most
}

// shownHistory is the last part of a history.
type shownHistory struct {
	Earlier int
	Items   []Item
}

// recent returns the last items of a history, oldest first.
func recent(items []Item) shownHistory {
	const shown = 6
	from := max(0, len(items)-shown)
	return shownHistory{Earlier: from, Items: items[from:]}
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
