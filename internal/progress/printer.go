package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
)

// Intervals between two lines.
const (
	terminalInterval = 200 * time.Millisecond
	logInterval      = 10 * time.Second
)

// Printer prints the progress of some work: on a terminal one line that changes in place, elsewhere
// a line every ten seconds. It prints nothing of work that ends within the first interval of a log.
type Printer struct {
	out      io.Writer
	label    string
	terminal bool
	now      func() time.Time
	meter    Meter
	printed  time.Time
	width    int
}

// NewPrinter returns a printer of work with a label. now is the clock.
func NewPrinter(out io.Writer, label string, now func() time.Time) *Printer {
	p := &Printer{out: out, label: label, terminal: IsTerminal(out), now: now}
	p.meter, p.printed = StartMeter(now(), 0), now()
	return p
}

// IsTerminal reports whether a writer is a terminal.
func IsTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	return ok && isatty.IsTerminal(file.Fd())
}

// Show prints the progress, unless it printed just now. A rate of 0 is measured.
func (p *Printer) Show(latest Progress) {
	if latest.Done == 0 && latest.Total == 0 {
		return
	}
	now, interval := p.now(), logInterval
	if p.terminal {
		interval = terminalInterval
	}
	if now.Sub(p.printed) < interval {
		return
	}
	p.printed = now
	if latest.Rate == 0 {
		latest.Rate = p.meter.Rate(now, latest.Done)
	}
	if !p.terminal {
		fmt.Fprintf(p.out, "%s: %s\n", p.label, latest)
		return
	}
	line := strings.Join(strings.Fields(fmt.Sprintf("%s: %s %s", p.label, latest.Bar(), latest)), " ")
	p.width = max(p.width, len([]rune(line)))
	fmt.Fprintf(p.out, "\r%-*s", p.width, line)
}

// Clear removes the line from a terminal.
func (p *Printer) Clear() {
	if p.width > 0 {
		fmt.Fprintf(p.out, "\r%s\r", strings.Repeat(" ", p.width))
		p.width = 0
	}
}
