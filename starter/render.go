package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mattn/go-isatty"
	"golang.org/x/sys/unix"

	"rdrec/activities"
	"rdrec/internal/report"
	"rdrec/internal/untrusted"
	"rdrec/workflows"
)

// plainInterval is how often the progress of a running stage is printed if stderr is not a
// terminal.
const plainInterval = 10 * time.Second

// stageDisplay prints stages. On a terminal, each stage has one line, which is updated in place;
// elsewhere, each change of state is a new line, and so is the progress every plainInterval.
type stageDisplay struct {
	out        io.Writer
	width      int // columns of the terminal; 0 if out is not a terminal
	linesShown int // lines on the terminal now
	printed    map[string]string
	printedAt  map[string]time.Time
}

func newStageDisplay(out io.Writer) *stageDisplay {
	return &stageDisplay{
		out: out, width: widthOf(out), printed: map[string]string{}, printedAt: map[string]time.Time{},
	}
}

// widthOf returns the width of a terminal in columns, and 0 for any other writer.
func widthOf(out io.Writer) int {
	file, ok := out.(*os.File)
	if !ok || !isatty.IsTerminal(file.Fd()) {
		return 0
	}
	size, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Col == 0 {
		return 80
	}
	return int(size.Col)
}

// show updates the display; note is a message below the stages.
func (b *stageDisplay) show(lines []stageLine, note string, now time.Time) {
	if b.width > 0 {
		b.redraw(lines, note, now)
		return
	}
	for _, l := range lines {
		b.printChange(l.Name, string(l.State)+l.Problem, format(l, now), now, l.State == workflows.Running)
	}
	if note != "" {
		b.printChange("note", note, note, now, false)
	}
}

// redraw rewrites the lines on the terminal.
func (b *stageDisplay) redraw(lines []stageLine, note string, now time.Time) {
	var page strings.Builder
	if b.linesShown > 0 {
		fmt.Fprintf(&page, "\x1b[%dA", b.linesShown)
	}
	for _, l := range lines {
		page.WriteString("\r\x1b[2K" + clip(format(l, now), b.width-1) + "\n")
	}
	b.linesShown = len(lines)
	if note != "" {
		page.WriteString("\r\x1b[2K" + clip(note, b.width-1) + "\n")
		b.linesShown++
	}
	page.WriteString("\x1b[J")
	_, _ = io.WriteString(b.out, page.String()) //nolint:errcheck // nobody reads a closed terminal
}

// printChange prints a line if its state is new, or if it is running and was last printed
// plainInterval ago.
func (b *stageDisplay) printChange(name, state, line string, now time.Time, running bool) {
	if b.printed[name] == state && (!running || now.Sub(b.printedAt[name]) < plainInterval) {
		return
	}
	b.printed[name], b.printedAt[name] = state, now
	fmt.Fprintln(b.out, untrusted.Printable(strings.TrimRight(line, " ")))
}

// format returns the line of a stage.
func format(l stageLine, now time.Time) string {
	head := fmt.Sprintf("%-28s ", l.Name)
	switch l.State {
	case workflows.Running:
		return head + progressText(l, now)
	case workflows.Paused:
		return head + "paused: " + l.Note
	case workflows.Cached:
		return head + strings.TrimSpace("cached     "+originText(l.From))
	case workflows.Failed:
		return head + "failed: " + l.Note
	default:
		return head + strings.TrimSpace(fmt.Sprintf("%-8s %7s  %s", l.State, report.Duration(l.Seconds), l.Note))
	}
}

// originText returns the run that did a cached stage's work, and when.
func originText(from activities.StageOrigin) string {
	switch {
	case from.Workflow == "":
		return ""
	case from.Time.IsZero():
		return "from " + from.Workflow
	default:
		return fmt.Sprintf("from %s, %s", from.Workflow, from.Time.Local().Format(time.DateTime))
	}
}

// progressText returns the progress of a running stage: bar, time, units, rates and notes.
func progressText(l stageLine, now time.Time) string {
	elapsed := report.Duration(now.Sub(l.Since).Seconds())
	p := l.Progress
	if p == nil || p.Total == 0 {
		return strings.TrimSpace(fmt.Sprintf("%-20s %7s  %s", l.State, elapsed, l.Problem))
	}
	words := []string{fmt.Sprintf("%s %7s  %d/%d %s", bar(p.Done, p.Total), elapsed, p.Done, p.Total, p.Unit)}
	if p.Rate > 0 {
		words = append(words, fmt.Sprintf("%.3g/s", p.Rate), "left "+report.Duration(float64(p.Total-p.Done)/p.Rate))
	}
	if p.TokenRate > 0 {
		words = append(words, fmt.Sprintf("%.0f tokens/s", p.TokenRate))
	}
	if p.Unit == activities.UnitRationales && p.Done > 0 {
		words = append(words, fmt.Sprintf("%.0f%% parsed", 100*float64(p.Parsed)/float64(p.Done)))
	}
	for _, word := range []string{p.Note, l.Problem} {
		if word != "" {
			words = append(words, word)
		}
	}
	return strings.Join(words, "  ")
}

// bar returns a progress bar of 20 cells.
func bar(done, total int) string {
	const cells = 20
	full := min(cells, max(0, done*cells/total))
	return strings.Repeat("█", full) + strings.Repeat("░", cells-full)
}

// clip shortens a line to the terminal's width, because a wrapped line could not be updated in
// place.
func clip(line string, width int) string {
	line = untrusted.Printable(strings.TrimRight(strings.NewReplacer("\n", " ", "\t", " ").Replace(line), " "))
	if utf8.RuneCountInString(line) <= width {
		return line
	}
	return string([]rune(line)[:max(0, width-1)]) + "…"
}
