package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mattn/go-isatty"
	"golang.org/x/sys/unix"

	"rdrec/activities"
	"rdrec/internal/progress"
	"rdrec/internal/report"
	"rdrec/internal/untrusted"
	"rdrec/workflows"
)

// plainInterval is the time between two lines about a running stage if stderr is not a terminal.
// Those of a long stage are plainShare of its time apart, so that a log stays short.
const (
	plainInterval = 10 * time.Second
	plainShare    = 0.1
)

// stageDisplay prints stages. On a terminal, each stage has one line, which is updated in place;
// elsewhere, each change of state is a new line, and so is the progress every plainInterval.
type stageDisplay struct {
	out        io.Writer
	width      int // columns of the terminal; 0 if out is not a terminal
	height     int // rows of the terminal; 0 if unknown
	linesShown int // lines on the terminal now
	printed    map[string]string
	printedAt  map[string]time.Time
	// since is when the state was first printed.
	since map[string]time.Time
}

func newStageDisplay(out io.Writer) *stageDisplay {
	width, height := sizeOf(out)
	return &stageDisplay{
		out: out, width: width, height: height, printed: map[string]string{}, printedAt: map[string]time.Time{},
		since: map[string]time.Time{},
	}
}

// sizeOf returns the size of a terminal in columns and rows, and 0 for any other writer.
func sizeOf(out io.Writer) (width, height int) {
	file, ok := out.(*os.File)
	if !ok || !isatty.IsTerminal(file.Fd()) {
		return 0, 0
	}
	size, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Col == 0 {
		return 80, 24
	}
	return int(size.Col), int(size.Row)
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
	hidden, lines := fitting(lines, b.height-2) // a note, and the cursor's line
	if hidden > 0 {
		page.WriteString("\r\x1b[2K" + clip(fmt.Sprintf("… %s finished", plural(hidden, "stage")), b.width-1) + "\n")
	}
	for _, l := range lines {
		page.WriteString("\r\x1b[2K" + clip(format(l, now), b.width-1) + "\n")
	}
	b.linesShown = len(lines)
	if hidden > 0 {
		b.linesShown++
	}
	if note != "" {
		page.WriteString("\r\x1b[2K" + clip(note, b.width-1) + "\n")
		b.linesShown++
	}
	page.WriteString("\x1b[J")
	_, _ = io.WriteString(b.out, page.String()) //nolint:errcheck // nobody reads a closed terminal
}

// printChange prints a line if its state is new, or if it is running and was last printed an
// interval ago.
func (b *stageDisplay) printChange(name, state, line string, now time.Time, running bool) {
	interval := max(plainInterval, time.Duration(plainShare*float64(now.Sub(b.since[name]))))
	if b.printed[name] == state && (!running || now.Sub(b.printedAt[name]) < interval) {
		return
	}
	if b.printed[name] != state {
		b.since[name] = now
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

// progressText returns the progress of a running stage: bar, time, units, rates, course of the loss
// and notes.
func progressText(l stageLine, now time.Time) string {
	elapsed := report.Duration(now.Sub(l.Since).Seconds())
	p := l.Progress
	if p == nil || p.Total == 0 && p.Done == 0 {
		return strings.TrimSpace(fmt.Sprintf("%-20s %7s  %s", l.State, elapsed, l.Problem))
	}
	words := []string{fmt.Sprintf("%-20s %7s  %s", cmp.Or(p.Bar(), string(l.State)), elapsed, p.Counts()), p.Pace()}
	if p.TokenRate > 0 {
		words = append(words, fmt.Sprintf("%.0f tokens/s", p.TokenRate))
	}
	if p.Unit == activities.UnitRationales && p.Done > 0 {
		words = append(words, fmt.Sprintf("%.0f%% parsed", 100*float64(p.Parsed)/float64(p.Done)))
	}
	words = append(words, progress.Sparkline(p.Losses), p.Note, l.Problem)
	return strings.Join(slices.DeleteFunc(words, func(word string) bool { return word == "" }), "  ")
}

// summaryText returns how far a run is: stages, trials and the time left of the running stages.
func summaryText(lines []stageLine, trials []trialLine) string {
	counts := map[workflows.State]int{}
	left := time.Duration(0)
	for _, l := range lines {
		counts[l.State]++
		if l.State == workflows.Running && l.Progress != nil {
			if rest, ok := l.Progress.Left(); ok {
				left = max(left, rest)
			}
		}
	}
	finished := counts[workflows.Finished] + counts[workflows.Cached]
	parts := []string{fmt.Sprintf("%s finished", plural(finished, "stage"))}
	for _, state := range []workflows.State{workflows.Running, workflows.Paused, workflows.Failed} {
		if counts[state] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[state], state))
		}
	}
	if len(trials) > 0 {
		ended := 0
		for _, t := range trials {
			if t.closed {
				ended++
			}
		}
		parts = append(parts, fmt.Sprintf("%d of %s finished", ended, plural(len(trials), "trial")))
	}
	if left > 0 {
		parts = append(parts, "at least "+report.Duration(left.Seconds())+" left")
	}
	return strings.Join(parts, ", ")
}

// fitting returns the lines that fit into a number of rows: if they are too many, a line for the
// finished stages that are left out, and the others.
func fitting(lines []stageLine, rows int) (hidden int, shown []stageLine) {
	if rows <= 0 || len(lines) <= rows {
		return 0, lines
	}
	excess := len(lines) - rows + 1
	for _, l := range lines {
		if hidden < excess && (l.State == workflows.Finished || l.State == workflows.Cached) {
			hidden++
			continue
		}
		shown = append(shown, l)
	}
	return hidden, shown[:min(len(shown), rows-min(1, hidden))]
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
