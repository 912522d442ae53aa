package report

import (
	_ "embed" // nightly.html
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"
)

//go:embed nightly.html
var nightlyHTML string

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

// NightlyRun is one run.
type NightlyRun struct {
	Number    int       `json:"number"`
	Time      time.Time `json:"time"`
	Verdict   string    `json:"verdict"`
	Reasons   []string  `json:"reasons,omitempty"`
	Promotion int       `json:"promotion"`
	// Trained is set if a student was evaluated: Value is its metric, and Low to High the 95%
	// interval over users.
	Trained bool    `json:"trained"`
	Value   float64 `json:"value"`
	Low     float64 `json:"low"`
	High    float64 `json:"high"`
	// Difference is the difference to the model in use, on the same users; nil if none was in use.
	Difference *Difference `json:"difference,omitempty"`
	// Files and NewRows were ingested, of which NewBad rows are unreadable; Rows, Users and Items
	// are totals.
	Files    int `json:"files"`
	NewRows  int `json:"new_rows"`
	NewBad   int `json:"new_bad"`
	Rows     int `json:"rows"`
	Users    int `json:"users"`
	Items    int `json:"items"`
	NewUsers int `json:"new_users"`
	NewItems int `json:"new_items"`
	// NewRationales is the number of new rationales and NewParsed how many of them were parsed;
	// Requests is the number of requests to the teacher.
	NewRationales int     `json:"new_rationales"`
	NewParsed     int     `json:"new_parsed"`
	Requests      int     `json:"requests"`
	Tokens        int     `json:"tokens"`
	Seconds       float64 `json:"seconds"`
	Report        string  `json:"report,omitempty"`
	// Drift lists how the run differs from the earlier runs.
	Drift []string `json:"drift,omitempty"`
}

// Difference is a difference and its interval.
type Difference struct {
	Mean float64 `json:"mean"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
	P    float64 `json:"p"`
}

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
	if last := lastTrained(before); r.Trained && last != nil && r.Value < last.Low {
		flags = append(flags, fmt.Sprintf("%s: %s, below run %d's interval (%s–%s)",
			metricName, figure(r.Value), last.Number, figure(last.Low), figure(last.High)))
	}
	return flags
}

func lastTrained(rows []NightlyRun) *NightlyRun {
	for i := len(rows) - 1; i >= 0; i-- {
		if rows[i].Trained {
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

// NightlyHTML writes the page. Like the page of an experiment, it needs no other file.
func NightlyHTML(w io.Writer, n Nightly) error {
	page, err := template.New("nightly").Funcs(functions()).Funcs(template.FuncMap{
		"parsed": NightlyRun.parsedShare, "bad": NightlyRun.badShare, "newest": newestFirst, "whisker": whisker,
	}).Parse(nightlyHTML)
	if err != nil {
		return fmt.Errorf("parse the nightly page: %w", err)
	}
	if _, err := page.New("style").Parse(styleCSS); err != nil {
		return fmt.Errorf("parse the report's style: %w", err)
	}
	if err := page.Execute(w, n); err != nil {
		return fmt.Errorf("write the nightly page of %q: %w", n.Name, err)
	}
	return nil
}

func newestFirst(rows []NightlyRun) []NightlyRun {
	sorted := slices.Clone(rows)
	slices.Reverse(sorted)
	return sorted
}

// whiskers is a run's interval on the page's scale, in percent of its width.
type whiskers struct{ From, Wide, At float64 }

func whisker(n Nightly, row NightlyRun) whiskers {
	most := 0.0
	for _, other := range n.Rows {
		most = max(most, other.High)
	}
	scale := 100 / max(most, 1e-9)
	return whiskers{row.Low * scale, (row.High - row.Low) * scale, row.Value * scale}
}

// NightlyText writes the runs for a terminal.
func NightlyText(w io.Writer, n Nightly) error {
	t := &text{}
	t.line("%s · promotion %d is in use · %s", n.Name, n.InUse, plural(len(n.Rows), "run"))
	t.line("%5s  %-16s  %-8s  %5s  %-26s  %9s  %7s  %6s  %6s  %9s  %8s",
		"run", "when (UTC)", "verdict", "model", n.Metric, "new rows",
		"bad", "parsed", "requests", "tokens", "took")
	for _, r := range n.Rows {
		value := "–"
		if r.Trained {
			value = fmt.Sprintf("%s (%s–%s)", figure(r.Value), figure(r.Low), figure(r.High))
		}
		t.line("%5d  %-16s  %-8s  %5d  %-26s  %9s  %7s  %6s  %6s  %9s  %8s",
			r.Number, r.Time.UTC().Format("2006-01-02 15:04"), r.Verdict, r.Promotion, value,
			thousands(r.NewRows), percent(r.badShare()), percent(r.parsedShare()),
			thousands(r.Requests), thousands(r.Tokens), Duration(r.Seconds))
		for _, reason := range r.Reasons {
			t.wrap("       ", "why: "+strings.ReplaceAll(reason, "\n", " "))
		}
		for _, flag := range r.Drift {
			t.wrap("       ", "drift: "+flag)
		}
	}
	_, err := io.WriteString(w, t.String())
	return err
}
