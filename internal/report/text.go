package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"rdrec/internal/spec"
)

// width is the line width of the terminal page.
const width = 110

// Text writes the report for a terminal: the data, the verdict, at most three caveats, the table of
// comparisons, the other caveats, the tables of each task, and the models.
func Text(w io.Writer, r Report) error {
	t := &text{}
	t.header(r)
	for _, line := range r.Nightly {
		t.wrap("", line)
	}
	t.wrap("", r.Verdict.Text)
	t.caveats("", r.Leading())
	t.standings(r)
	t.caveats("More cautions:", r.Further())
	for _, table := range r.Tables {
		t.table(table)
		t.tieNote(table)
		t.seedIntervals(table)
		t.diversity(table)
		t.comparisons(table)
		t.ablations(table)
	}
	t.fusions(r)
	t.published(r.Published)
	t.explanations(r)
	t.conventions(r)
	t.line("")
	t.teacher(r.Teacher)
	for _, student := range r.Students {
		t.student(student)
	}
	t.stages(r.Stages)
	for _, artifact := range r.Artifacts {
		t.line("%-10s %s", artifact.Name, artifact.Value)
	}
	_, err := io.WriteString(w, t.String())
	return err
}

// text is a buffer for a terminal page.
type text struct{ strings.Builder }

func (t *text) line(format string, args ...any) {
	t.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
}

func (t *text) header(r Report) {
	stats := r.Data.Stats
	t.line("%s · protocol %s · seed %d · %s", r.Name, protocolName(r), r.Seed, plural(r.Trials, "trial"))
	t.line("%s: %s users, %s items, %s interactions%s", r.Data.Name, thousands(stats.Users), thousands(stats.Items),
		thousands(stats.Interactions), quarantined(r.Data))
	for _, source := range r.Data.Sources {
		t.wrap("", "read "+source)
	}
	if names := r.Data.PassedOver; len(names) > 0 {
		t.wrap("", "passed over "+strings.Join(names, ", "))
	}
	if text := r.Data.Coverage(); text != "" {
		t.wrap("", text)
	}
	if n := r.Data.Indexing; n.Name != "" {
		t.wrap("", fmt.Sprintf("item indexing: %s (%s)", n.Name, n.About))
	}
	t.line("")
}

// protocolName returns the protocol and the switches that the spec changes.
func protocolName(r Report) string {
	return strings.Join(append([]string{r.Protocol}, r.Switches...), ", ")
}

func quarantined(d Data) string {
	if d.Rows == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s reviews read, %s quarantined, %s duplicates, %s filtered)",
		thousands(d.Rows), thousands(d.Bad), thousands(d.Duplicates), thousands(d.Filtered))
}

// Coverage describes how many reviews have an explanation, and why the others have none; "" if the
// data are no raw reviews.
func (d Data) Coverage() string {
	if d.Texts == 0 {
		return ""
	}
	text := fmt.Sprintf("explanations found in %s of %s reviews with text (%s)",
		thousands(d.Explained), thousands(d.Texts), spec.WordLists(d.Language))
	for _, cause := range d.Unexplained {
		text += fmt.Sprintf("; %s: %s", cause.Name, cause.Value)
	}
	return text
}

// caveats writes caveats below a heading, each with its concern.
func (t *text) caveats(heading string, caveats []Caveat) {
	if len(caveats) == 0 {
		return
	}
	t.line("")
	if heading != "" {
		t.line("%s", heading)
	}
	width := 0
	for _, c := range caveats {
		width = max(width, len(c.Concern.String()))
	}
	for _, c := range caveats {
		t.wrap(fmt.Sprintf("  %-*s  ", width, c.Concern), c.Text)
	}
}

// standings writes the students beside all other methods on every task.
func (t *text) standings(r Report) {
	shown := standingTable(r)
	if shown == nil {
		return
	}
	header := []string{"compared on " + primaryMetric}
	for _, task := range shown.Tasks {
		header = append(header, task, "student is", "difference")
	}
	rows := [][]string{header}
	for _, row := range shown.Rows {
		name := row.Method
		if row.Student {
			name += " (student)"
		}
		cells := []string{name}
		for _, cell := range row.Cells {
			cells = append(cells, cell.Score, string(cell.Outcome), cell.Difference)
		}
		rows = append(rows, cells)
	}
	t.line("")
	t.grid(rows)
	t.wrap("  ", standingNote(*shown))
}

func (t *text) tieNote(table Table) {
	if table.TieNote != "" {
		t.wrap("  ", table.TieNote)
	}
}

// conventions writes the rules by which the figures are counted.
func (t *text) conventions(r Report) {
	if len(r.Tables) == 0 || len(r.Conventions) == 0 {
		return
	}
	t.line("\nConventions")
	for _, line := range r.Conventions {
		t.wrap("  ", line)
	}
}

// wrap writes wrapped words after a mark; further lines are indented by the length of the mark.
func (t *text) wrap(mark, words string) {
	line := mark
	empty := utf8.RuneCountInString(mark)
	for _, word := range strings.Fields(words) {
		if utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width && utf8.RuneCountInString(line) > empty {
			t.line("%s", line)
			line = strings.Repeat(" ", empty)
		}
		if utf8.RuneCountInString(line) > empty {
			line += " "
		}
		line += word
	}
	t.line("%s", line)
}

func (t *text) table(table Table) {
	counted := "as the reference counts"
	if table.Strict {
		counted = "duplicates dropped"
	}
	t.line("\n%s · %s · %s users · %s", capital(table.Task), table.Setting, thousands(table.Users), counted)
	metrics := table.Metrics()
	kindNotes := map[RowKind]string{FusionRow: " (served)", StudentRow: " (student)", RuleRow: " (item ids)"}
	rows := make([][]string, 0, 1+len(table.Rows))
	rows = append(rows, append(append([]string{"method"}, metrics...), "95% of "+primaryMetric))
	for _, row := range table.Rows {
		cells := make([]string, 0, len(metrics)+2)
		cells = append(cells, row.Method+kindNotes[row.Kind])
		for _, name := range metrics {
			cells = append(cells, cellText(row, name))
		}
		rows = append(rows, append(cells, intervalText(row)))
	}
	t.grid(rows)
}

func cellText(row Row, name string) string {
	cell, found := row.Cell(name)
	switch {
	case !found:
		return "-"
	case cell.Trials > 1:
		return fmt.Sprintf("%s ±%s", figure(cell.Mean), figure(cell.SD))
	default:
		return figure(cell.Mean)
	}
}

func intervalText(row Row) string {
	cell, _ := row.Cell(primaryMetric)
	if cell.Interval == nil {
		return ""
	}
	return figure(cell.Interval.Low) + " to " + figure(cell.Interval.High)
}

// grid writes rows with the first column left-aligned and the others right-aligned; the first row
// is a header.
func (t *text) grid(rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for number, row := range rows {
		line := "  "
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				line += cell + pad
			} else {
				line += "  " + pad + cell
			}
		}
		t.line("%s", line)
		if number == 0 {
			t.line("  %s", strings.Repeat("─", utf8.RuneCountInString(line)-2))
		}
	}
}

func (t *text) teacher(teacher *Teacher) {
	if teacher == nil {
		return
	}
	t.wrap("teacher    ", fmt.Sprintf("%s (%s prompt): %s of %s explanations distilled, %s parsed, %d retried, "+
		"%d quarantined, %d leaked the prompt, %s of their words from the review%s",
		teacher.Model, teacher.Prompt, thousands(teacher.Wanted), thousands(teacher.Explanations),
		thousands(teacher.Parsed), teacher.Retried, teacher.Quarantined, teacher.Leaked,
		percent(teacher.Grounded), speed(*teacher)))
	if teacher.FellBack > 0 {
		t.wrap("           ", thousands(teacher.FellBack)+
			" could not be parsed and fell back to the explanation itself, as in the reference")
	}
	if teacher.BatchHalvings > 0 {
		t.wrap("           ", fmt.Sprintf("memory ran out %s; the batch size was halved each time",
			plural(teacher.BatchHalvings, "time")))
	}
	reasons := make([]string, len(teacher.Reasons))
	for i, reason := range teacher.Reasons {
		reasons[i] = fmt.Sprintf("%s (%s)", reason.Name, reason.Value)
	}
	if len(reasons) > 0 {
		t.wrap("           ", "quarantined: "+strings.Join(reasons, "; "))
	}
}

// speed describes the number of tokens and the generation speed.
func speed(teacher Teacher) string {
	words := ""
	if teacher.Tokens > 0 {
		words = fmt.Sprintf(", %s tokens read and %s written",
			thousands(teacher.PromptTokens), thousands(teacher.Tokens))
	}
	if teacher.TokensPerSecond > 0 {
		words += fmt.Sprintf(", %.0f tokens/s", teacher.TokensPerSecond)
	}
	return words
}

func (t *text) student(s Student) {
	t.wrap("student    ", fmt.Sprintf("%s %s, seed %d: %s parameters from %s, %s steps, %s%s",
		s.Method, s.Size, s.Seed, thousands(s.Parameters),
		origin(s), thousands(s.Steps), plural(s.Epochs, "epoch"), stopNote(s)))
}

func origin(s Student) string {
	if s.Pretrained == "" {
		return "random weights"
	}
	return s.Pretrained
}

func stopNote(s Student) string {
	switch {
	case s.StoppedEarly:
		return fmt.Sprintf(", stopped early (best: epoch %d)", s.BestEpoch)
	case s.BestEpoch > 0:
		return fmt.Sprintf(" (best: %d)", s.BestEpoch)
	default:
		return ""
	}
}

func (t *text) stages(stages []Stage) {
	if len(stages) == 0 {
		return
	}
	words := make([]string, len(stages))
	for i, stage := range stages {
		words[i] = fmt.Sprintf("%s %s", stage.Name, Duration(stage.Seconds))
		if stage.Cached {
			words[i] += " (cached)"
		}
		if stage.WastedSeconds > 0 {
			words[i] += fmt.Sprintf(" (and %s wasted)", Duration(stage.WastedSeconds))
		}
	}
	t.wrap("stages     ", strings.Join(words, " · "))
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return thousands(n) + " " + noun + "s"
}
