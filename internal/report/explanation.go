package report

import (
	"fmt"
	"strings"

	"rdrec/internal/metric"
)

// explanationTask is the task of a table of explanations.
const explanationTask = "explanation"

// textTable returns the explanations as a table, with a row for each method.
func textTable(r Report) Table {
	t := Table{Task: explanationTask, Comparisons: r.TextComparisons, Ablations: r.TextAblations}
	for _, result := range r.Explanations {
		trial := Trial{Seed: result.Seed, Scores: result.Scores}
		if last := len(t.Rows) - 1; last >= 0 && t.Rows[last].Method == result.Method {
			t.Rows[last].Trials = append(t.Rows[last].Trials, trial)
			continue
		}
		t.Rows = append(t.Rows, Row{
			Method: result.Method, Kind: result.Kind, Base: result.Base, Trials: []Trial{trial},
		})
	}
	return t
}

// compareTexts tests the explanations of every student against those of every other method. It
// needs the scores of each text, which report.json does not contain.
func (r *Report) compareTexts() {
	r.TextComparisons, r.TextAblations = nil, nil
	table := textTable(*r)
	if len(table.Rows) > 1 {
		table.Compare(r.Seed)
		r.TextComparisons, r.TextAblations = table.Comparisons, table.Ablations
	}
}

// manyRepeated is the share of repeated test explanations above which there is a caveat.
const manyRepeated = 0.05

// textCaveats adds a caveat about test explanations that are in the training data, and one for each
// student whose explanations are worse than ranked statements.
func (r *Report) textCaveats() {
	if r.RepeatedTexts > manyRepeated {
		r.warn(Caution, "%s of the test explanations are, word for word, texts that the same user wrote about a "+
			"training item: scores of explanations show what is copied, not what is understood.",
			percent(r.RepeatedTexts))
	}
	for _, c := range r.TextComparisons {
		if c.Test == Bootstrap && c.Metric == primaryTextMetric && c.Other == RankedStatements &&
			c.Holm < Alpha && c.Difference < 0 {
			r.warn(WeakStudent, "The explanations of %s have less in common with the users' own texts than ranked "+
				"statements, which need no student (%s %.2f lower on the same %s texts).",
				c.Student, c.Metric, -c.Difference, thousands(c.N))
		}
	}
}

// shownText is the explanations of a method: its scores, each the mean over trials with its
// standard deviation, and the diversity of its texts.
type shownText struct {
	Method, Trials string
	Kind           RowKind
	// Words has a cell for each metric of words, and Features one for each metric of features and
	// for each measurement of degenerate texts.
	Words, Features []string
}

// shownTexts returns the explanations of each method.
func shownTexts(r Report) (shown []shownText) {
	for _, row := range textTable(r).Rows {
		s := shownText{Method: row.Method, Kind: row.Kind, Trials: fmt.Sprintf("%d seeds", len(row.Trials))}
		switch {
		case row.Kind == BaselineRow:
			s.Trials = "no seed"
		case len(row.Trials) == 1:
			s.Trials = fmt.Sprintf("seed %d", row.Trials[0].Seed)
		}
		for _, name := range metric.Names(metric.Texts) {
			s.Words = append(s.Words, textCell(row, name, "%.2f"))
		}
		for _, name := range metric.Names(metric.Features) {
			s.Features = append(s.Features, textCell(row, name, "%.4f"))
		}
		s.Features = append(s.Features, degeneracyCells(r, row.Method)...)
		shown = append(shown, s)
	}
	return shown
}

// textCell formats the mean of a metric and its standard deviation over trials.
func textCell(row Row, name, format string) string {
	cell, found := row.Cell(name)
	switch {
	case !found:
		return "-"
	case cell.Trials > 1:
		return fmt.Sprintf(format+" ±"+format, cell.Mean, cell.SD)
	default:
		return fmt.Sprintf(format, cell.Mean)
	}
}

// degeneracyColumns are the measurements of [metric.TextDiversity] that USR does not show.
func degeneracyColumns() []string {
	return []string{"same text", "empty", "repetitive", "looping", "longest run"}
}

// featureColumns returns the columns of [shownText]'s Features.
func featureColumns() []string { return append(metric.Names(metric.Features), degeneracyColumns()...) }

// textMetrics returns the columns of [shownText]'s Words, which do not wrap at their hyphens.
func textMetrics() []string {
	const nonBreakingHyphen = "\u2011"
	names := metric.Names(metric.Texts)
	for i := range names {
		names[i] = strings.ReplaceAll(names[i], "-", nonBreakingHyphen)
	}
	return names
}

// degeneracyCells formats the means over a method's trials of these measurements.
func degeneracyCells(r Report, method string) []string {
	var trials []metric.TextDiversity
	for _, result := range r.Explanations {
		if result.Method == method && result.Diversity.Texts > 0 {
			trials = append(trials, result.Diversity)
		}
	}
	if len(trials) == 0 {
		return []string{"-", "-", "-", "-", "-"}
	}
	mean := func(of func(metric.TextDiversity) float64) float64 {
		sum := 0.0
		for _, d := range trials {
			sum += of(d)
		}
		return sum / float64(len(trials))
	}
	return []string{
		percent(mean(func(d metric.TextDiversity) float64 { return d.TextShare })),
		percent(mean(func(d metric.TextDiversity) float64 { return d.Empty })),
		percent(mean(func(d metric.TextDiversity) float64 { return d.Repetitive })),
		percent(mean(func(d metric.TextDiversity) float64 { return d.Looping })),
		fmt.Sprintf("%.1f", mean(func(d metric.TextDiversity) float64 { return d.MeanRun })),
	}
}

// explanations writes the explanations' scores, and what tells useful texts from degenerate ones.
func (t *text) explanations(r Report) {
	shown := shownTexts(r)
	if len(shown) == 0 {
		return
	}
	t.line("\nExplanations · %s test texts · beside the users' own", thousands(r.Explanations[0].Diversity.Texts))
	names := metric.Names(metric.Texts)
	words := [][]string{{"method"}}
	features := [][]string{append([]string{"texts"}, featureColumns()...)}
	for i, s := range shown {
		method := fmt.Sprintf("%s (%s)", s.Method, s.Trials)
		cells := []string{method}
		for j, name := range names {
			if strings.HasSuffix(name, " P") || strings.HasSuffix(name, " R") {
				continue
			}
			if i == 0 {
				words[0] = append(words[0], name)
			}
			cells = append(cells, s.Words[j])
		}
		words = append(words, cells)
		features = append(features, append([]string{method}, s.Features...))
	}
	t.grid(words)
	t.line("")
	t.grid(features)
	t.wrap("  ", textDiversityNote())
	table := textTable(r)
	t.comparisons(table)
	t.ablations(table)
	t.entailments(r.Entailments)
}

// textDiversityNote explains the metrics of features and the measurements of degenerate texts, with
// their limits.
func textDiversityNote() string {
	return fmt.Sprintf("USR: the share of distinct texts (degenerate below %s). FMR: the share of texts that mention "+
		"the feature of the user's own text. FCR: the share of all features of the data that any text mentions. DIV: "+
		"the mean number of features that two texts share; less is better. Same text: the share of the most "+
		"frequent one (degenerate above %s). Empty: above %s. Repetitive: texts of which one repeated word makes "+
		"up half or more (above %s). Looping: of which a phrase, three times or more in a row, does (above %s). "+
		"Longest run: of one word, mean over the texts (above %.0f).", percent(metric.MinDistinctTexts),
		percent(metric.MaxTextShare), percent(metric.MaxEmpty), percent(metric.MaxRepetitive),
		percent(metric.MaxLooping), metric.MaxMeanRun)
}
