// Package progress describes how far some work is, for people: a bar, the rate and the time left.
// In: counts of finished units; out: a text, or lines on a terminal or in a log ([Printer]). All
// programs use it, from downloads to trainings.
package progress

import (
	"fmt"
	"strings"
	"time"
)

// Progress is how far some work is.
type Progress struct {
	// Done of Total units are finished; Total 0 means unknown.
	Done  int    `json:"done"`
	Total int    `json:"total"`
	Unit  string `json:"unit"`
	// Rate is in units per second; 0 means unknown.
	Rate float64 `json:"rate,omitempty"`
}

// cells is the width of a bar.
const cells = 20

// Bar returns a bar of 20 cells; "" if the total is unknown.
func (p Progress) Bar() string {
	if p.Total <= 0 {
		return ""
	}
	full := min(cells, max(0, p.Done*cells/p.Total))
	return strings.Repeat("█", full) + strings.Repeat("░", cells-full)
}

// Left returns how long the rest takes at the rate; ok is false if that is unknown.
func (p Progress) Left() (left time.Duration, ok bool) {
	if p.Rate <= 0 || p.Total <= 0 {
		return 0, false
	}
	return time.Duration(float64(max(0, p.Total-p.Done)) / p.Rate * float64(time.Second)), true
}

// Counts returns the finished units: "12/40 rows", or "12 rows" if the total is unknown. Bytes are
// in megabytes.
func (p Progress) Counts() string {
	switch {
	case p.Unit == Bytes && p.Total > 0:
		return fmt.Sprintf("%s/%s", megabytes(float64(p.Done)), megabytes(float64(p.Total)))
	case p.Unit == Bytes:
		return megabytes(float64(p.Done))
	case p.Total > 0:
		return fmt.Sprintf("%d/%d %s", p.Done, p.Total, p.Unit)
	default:
		return fmt.Sprintf("%d %s", p.Done, p.Unit)
	}
}

// Bytes is the unit of downloads.
const Bytes = "bytes"

func megabytes(n float64) string { return fmt.Sprintf("%.1f MB", n/1e6) }

// Pace returns the rate and the time left: "3.1/s, 9s left"; "" if both are unknown.
func (p Progress) Pace() string {
	if p.Rate <= 0 {
		return ""
	}
	pace := fmt.Sprintf("%.3g/s", p.Rate)
	if p.Unit == Bytes {
		pace = megabytes(p.Rate) + "/s"
	}
	if left, ok := p.Left(); ok {
		pace += ", " + Duration(left) + " left"
	}
	return pace
}

// String returns counts and pace.
func (p Progress) String() string {
	if pace := p.Pace(); pace != "" {
		return p.Counts() + ", " + pace
	}
	return p.Counts()
}

// Duration formats a duration for people, rounded to the last unit shown: 0.4s, 12s, 3m05s, 2h10m.
func Duration(d time.Duration) string {
	tenths, rounded := d.Round(time.Second/10), d.Round(time.Second)
	switch {
	case tenths < 10*time.Second:
		return fmt.Sprintf("%.1fs", tenths.Seconds())
	case rounded < time.Minute:
		return fmt.Sprintf("%ds", rounded/time.Second)
	case rounded < time.Hour:
		return fmt.Sprintf("%dm%02ds", rounded/time.Minute, rounded%time.Minute/time.Second)
	default:
		rounded = d.Round(time.Minute)
		return fmt.Sprintf("%dh%02dm", rounded/time.Hour, rounded%time.Hour/time.Minute)
	}
}

// Meter measures the rate of some work.
type Meter struct {
	started time.Time
	first   int
}

// StartMeter starts to measure work of which some units are done already.
func StartMeter(now time.Time, done int) Meter { return Meter{now, done} }

// Rate returns the units per second since the start; 0 in the first tenth of a second.
func (m Meter) Rate(now time.Time, done int) float64 {
	const least = 100 * time.Millisecond
	elapsed := now.Sub(m.started)
	if elapsed < least || done <= m.first {
		return 0
	}
	return float64(done-m.first) / elapsed.Seconds()
}
