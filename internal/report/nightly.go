package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"rdrec/internal/metric"
)

// Nightly is the page of the last runs of a nightly retraining.
type Nightly struct {
	Name string    `json:"name"`
	Made time.Time `json:"made"`
	// InUse is the promotion whose model is in use, 0 for none; Metric is the metric of the gate.
	InUse  int    `json:"in_use"`
	Metric string `json:"metric"`
	// Rows are the runs, oldest first.
	Rows []NightlyRun `json:"rows"`
}

// NightlyRun is one run, or a promotion by hand between two runs.
type NightlyRun struct {
	// Number is the number of the run; 0 for a promotion by hand.
	Number  int       `json:"number"`
	Time    time.Time `json:"time"`
	Verdict string    `json:"verdict"`
	// Summary is the verdict as a sentence.
	Summary   string   `json:"summary,omitempty"`
	Reasons   []string `json:"reasons,omitempty"`
	Promotion int      `json:"promotion"`
	// Score is the gate's metric of the new student, with an interval; nil if none was evaluated.
	Score *metric.Score `json:"score,omitempty"`
	// Difference is the difference to the model in use, on the same users; nil if none was in use.
	// Its P is of the gate's test of non-inferiority.
	Difference *metric.Difference `json:"difference,omitempty"`
	// Baseline is the metric of a baseline on the same users, and BaselineName its name; Lists is
	// the diversity of the student's lists, nil if none was evaluated.
	BaselineName string                `json:"baseline_name,omitempty"`
	Baseline     float64               `json:"baseline,omitempty"`
	Lists        *metric.ListDiversity `json:"lists,omitempty"`
	// Files is the number of ingested files.
	Files int `json:"files"`
	NightlyCounts
	Seconds float64 `json:"seconds"`
	// Report is the URL of the run's report, and ReportKey its key in the bucket.
	Report    string `json:"report,omitempty"`
	ReportKey string `json:"report_key,omitempty"`
	// Drift lists how the run differs from the earlier runs.
	Drift []string `json:"drift,omitempty"`
}

// ByHand reports whether a person put the model in use.
func (r NightlyRun) ByHand() bool { return r.Number == 0 }

// Thresholds of drift.
const (
	maxVolumeFactor = 3    // the number of rows, relative to the median of earlier runs
	maxParseDrop    = 0.1  // the decrease of the parse rate
	maxBadRise      = 0.01 // the increase of the share of unreadable rows
)

// DetectDrift sets each run's Drift, from the earlier runs with new data.
func (n *Nightly) DetectDrift() {
	var before []NightlyRun
	for i := range n.Rows {
		row := &n.Rows[i]
		if row.Files == 0 {
			continue
		}
		row.Drift = row.drift(before, n.Metric)
		before = append(before, *row)
	}
}

func (r *NightlyRun) drift(before []NightlyRun, metricName string) (flags []string) {
	if len(before) == 0 {
		return nil
	}
	usual := func(of func(NightlyRun) float64) float64 {
		values := make([]float64, len(before))
		for i, row := range before {
			values[i] = of(row)
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	volume, now := usual(func(o NightlyRun) float64 { return float64(o.NewRows) }), float64(r.NewRows)
	if now > volume*maxVolumeFactor || now*maxVolumeFactor < volume {
		flags = append(flags, fmt.Sprintf("volume: %s rows, median of earlier runs %s",
			thousands(r.NewRows), thousands(int(volume))))
	}
	if bad := usual(NightlyRun.badShare); r.badShare() > bad+maxBadRise {
		flags = append(flags, fmt.Sprintf("unreadable rows: %s after a usual %s", percent(r.badShare()), percent(bad)))
	}
	if parsed := usual(NightlyRun.parsedShare); r.parsedShare() < parsed-maxParseDrop {
		flags = append(flags, fmt.Sprintf("parse rate: %s after a usual %s", percent(r.parsedShare()), percent(parsed)))
	}
	if last := lastTrained(before); r.Score != nil && last != nil && r.Score.Value < last.Score.Interval.Low {
		flags = append(flags, fmt.Sprintf("%s: %s, below run %d's interval (%s)",
			metricName, figure(r.Score.Value), last.Number, span(last.Score.Interval)))
	}
	return flags
}

func lastTrained(rows []NightlyRun) *NightlyRun {
	for i := len(rows) - 1; i >= 0; i-- {
		if rows[i].Score != nil {
			return &rows[i]
		}
	}
	return nil
}

func (r NightlyRun) badShare() float64 { return float64(r.NewBad) / float64(max(r.NewRows, 1)) }

// parsedShare returns the share of new rationales that were parsed; 1 if there are none.
func (r NightlyRun) parsedShare() float64 {
	if r.NewRationales < 1 {
		return 1
	}
	return float64(r.NewParsed) / float64(r.NewRationales)
}

func span(interval *metric.Interval) string {
	return figure(interval.Low) + "–" + figure(interval.High)
}

// NightlyText writes the runs for a terminal.
func NightlyText(w io.Writer, n Nightly) error {
	t := &text{}
	t.line("%s · %s · %s", n.Name, n.inUse(), plural(n.runs(), "run"))
	t.line("%5s  %-16s  %-8s  %5s  %-26s  %9s  %7s  %6s  %6s  %9s  %8s",
		"run", "when (UTC)", "verdict", "model", n.Metric, "new rows",
		"bad", "parsed", "requests", "tokens", "took")
	for _, r := range n.Rows {
		r.text(t)
	}
	_, err := io.WriteString(w, t.String())
	return err
}

// inUse names the model in use.
func (n Nightly) inUse() string {
	if n.InUse == 0 {
		return "no model is in use"
	}
	return fmt.Sprintf("promotion %d is in use", n.InUse)
}

// runs returns the number of rows that are runs.
func (n Nightly) runs() int {
	count := 0
	for _, r := range n.Rows {
		if !r.ByHand() {
			count++
		}
	}
	return count
}

// text writes the row and its notes.
func (r NightlyRun) text(t *text) {
	if r.ByHand() {
		when := r.Time.UTC().Format("2006-01-02 15:04")
		t.line("%5s  %-16s  %-8s  %5d  %s", "–", when, r.Verdict, r.Promotion, r.Summary)
		return
	}
	value := "–"
	if r.Score != nil {
		value = fmt.Sprintf("%s (%s)", figure(r.Score.Value), span(r.Score.Interval))
	}
	t.line("%5d  %-16s  %-8s  %5d  %-26s  %9s  %7s  %6s  %6s  %9s  %8s",
		r.Number, r.Time.UTC().Format("2006-01-02 15:04"), r.Verdict, r.Promotion, value,
		thousands(r.NewRows), percent(r.badShare()), percent(r.parsedShare()),
		thousands(r.Requests), thousands(r.Tokens), Duration(r.Seconds))
	if r.Score != nil && r.Summary != "" {
		t.wrap("       ", r.Summary)
	}
	if r.Lists != nil {
		t.wrap("       ", "lists: "+r.Lists.String())
	}
	for _, reason := range r.Reasons {
		t.wrap("       ", "why: "+strings.ReplaceAll(reason, "\n", " "))
	}
	for _, flag := range r.Drift {
		t.wrap("       ", "drift: "+flag)
	}
}
