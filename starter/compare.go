package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"rdrec/internal/report"
	"rdrec/registry"
)

// compareCmd compares finished runs.
type compareCmd struct {
	RunIDs []string `arg:"" name:"run" help:"${help_compare_runs}"`
	HTML   string   `name:"html" placeholder:"FILE" help:"${help_compare_html}"`
}

// maxCompared is how many runs have a letter.
const maxCompared = 26

// Run prints what differs between the runs.
func (c *compareCmd) Run(ctx context.Context, a *app) error {
	if n := len(c.RunIDs); n < 2 || n > maxCompared {
		return usageError{errors.New("expected two or more runs")}
	}
	bucket, err := a.openBucket(ctx)
	if err != nil {
		return err
	}
	defer bucket.Close()
	compared, err := registry.CompareRunRecords(ctx, bucket, c.RunIDs)
	if err != nil {
		return err
	}
	if c.HTML != "" {
		if err := writeComparison(c.HTML, compared); err != nil {
			return err
		}
	}
	if a.flags.JSON {
		return a.printJSON(compared)
	}
	return a.print(comparisonText(compared))
}

// writeComparison writes the page of a comparison.
func writeComparison(path string, c registry.RunComparison) error {
	var page bytes.Buffer
	if err := c.HTML(&page); err != nil {
		return err
	}
	if err := os.WriteFile(path, page.Bytes(), 0o600); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}

// comparisonText returns a comparison for people. Each run has a letter.
func comparisonText(c registry.RunComparison) string {
	var page strings.Builder
	w := tabwriter.NewWriter(&page, 0, 0, 2, ' ', 0)
	letters := make([]string, len(c.Runs))
	for i, run := range c.Runs {
		letters[i] = string(rune('A' + i))
		fmt.Fprintf(w, "%s\t%s\t%d stages computed, %d reused, %s of work, %s of it with models", letters[i],
			run.Name, run.Computed, run.Reused, report.Duration(run.Seconds), report.Duration(run.GPUSeconds))
		if run.Requests > 0 {
			fmt.Fprintf(w, ", %d requests of %d tokens", run.Requests, run.Tokens)
		}
		if run.WastedSeconds > 0 {
			fmt.Fprintf(w, ", %s wasted", report.Duration(run.WastedSeconds))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "\nsetting\t%s\n", strings.Join(letters, "\t"))
	for _, row := range c.Settings {
		fmt.Fprintf(w, "%s\t%s\n", row.Key, strings.Join(dashes(row.Values), "\t"))
	}
	fmt.Fprintf(w, "\nstage\t%s\n", strings.Join(letters, "\t"))
	for _, row := range c.Stages {
		fmt.Fprintf(w, "%s\t%s\n", row.Label, strings.Join(outputTexts(row), "\t"))
	}
	fmt.Fprintf(w, "\nmetric\t%s\tusers\tagainst A, 95%% interval, p\n", strings.Join(letters, "\t"))
	for _, row := range c.Metrics {
		writeMetric(w, row)
	}
	_ = w.Flush()
	return trimLines(page.String())
}

// trimLines returns a text without spaces at the ends of its lines.
func trimLines(text string) string {
	var trimmed strings.Builder
	for line := range strings.Lines(text) {
		trimmed.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return trimmed.String()
}

// dashes returns values with a dash for each that is empty.
func dashes(values []string) []string {
	shown := slices.Clone(values)
	for i, value := range shown {
		if value == "" {
			shown[i] = "-"
		}
	}
	return shown
}

// outputTexts returns the short digests of a stage's outputs, one for all if they are the same.
func outputTexts(row registry.ComparedStage) []string {
	if row.Shared {
		return []string{"shared"}
	}
	texts := dashes(row.Outputs)
	for i, text := range texts {
		texts[i] = fmt.Sprintf("%.12s", text)
	}
	return texts
}

// writeMetric writes a row of a metric.
func writeMetric(w *tabwriter.Writer, row registry.ComparedMetric) {
	fmt.Fprintf(w, "%s %s %s", row.Task, row.Method, row.Metric)
	users := 0
	for _, run := range row.Runs {
		users = max(users, run.Users)
		if run.Value == nil {
			fmt.Fprint(w, "\t-")
			continue
		}
		fmt.Fprintf(w, "\t%.4f", *run.Value)
	}
	var tests []string
	for i, run := range row.Runs {
		letter := string(rune('A' + i))
		switch {
		case run.Difference != nil:
			d := run.Difference
			tests = append(tests, fmt.Sprintf("%s %+.4f, %.4f to %.4f, p=%.3f", letter, d.Mean, d.Interval.Low,
				d.Interval.High, d.P))
		case run.Note != "":
			tests = append(tests, letter+" "+run.Note)
		}
	}
	fmt.Fprintf(w, "\t%d\t%s\n", users, strings.Join(tests, "; "))
}
