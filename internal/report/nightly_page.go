package report

import (
	_ "embed" // nightly.html
	"fmt"
	"io"
	"slices"
	"strings"
)

//go:embed nightly.html
var nightlyHTML string

// NightlyHTML writes the page. Like the page of an experiment, it needs no other file. Its links to
// reports are relative to its place in the bucket.
func NightlyHTML(w io.Writer, n Nightly) error {
	page := nightlyPage{Nightly: n, Heading: capital(n.inUse()), Runs: n.runs()}
	for _, row := range slices.Backward(n.Rows) {
		page.Shown = append(page.Shown, n.shown(row))
	}
	return RenderPage(w, "the nightly runs of "+n.Name, nightlyHTML, page)
}

// nightlyPage is what the page shows, the newest row first.
type nightlyPage struct {
	Nightly
	Heading string
	Runs    int
	Shown   []shownNightly
}

// shownNightly is a row of the page. Class is "good", "bad", "warn" or "plain", and State the same
// in words, with a sign.
type shownNightly struct {
	NightlyRun
	Class, State, When string
	Bar                *whiskers
	Interval           string
	// Outcome is that of the new model against the one in use.
	Outcome Outcome
	Change  string
	Growth  string
}

// shown formats a row.
func (n Nightly) shown(row NightlyRun) shownNightly {
	s := shownNightly{NightlyRun: row, When: row.Time.UTC().Format("2006-01-02 15:04")}
	s.Class, s.State = row.state()
	if row.Score != nil {
		bar := newWhiskers(row.Score.Value, row.Score.Interval, n.highest())
		bar.Class = map[string]string{"good": "served", "bad": "worse"}[s.Class]
		if row.BaselineName != "" {
			bar.Mark = newWhiskers(row.Baseline, nil, n.highest()).At
		}
		s.Bar, s.Interval = &bar, span(row.Score.Interval)
	}
	if d := row.Difference; d != nil {
		s.Change = fmt.Sprintf("%s (%s to %s)", signed(d.Mean), signed(d.Interval.Low), signed(d.Interval.High))
		switch {
		case d.Interval.Low > 0:
			s.Outcome = Better
		case d.Interval.High < 0:
			s.Outcome = Worse
		default:
			s.Outcome = Undecidable
		}
	}
	if row.Rows > 0 {
		s.Growth = row.growth()
	}
	return s
}

// state returns the class of a row's verdict, and the verdict in words with a sign.
func (r NightlyRun) state() (class, words string) {
	switch {
	case r.ByHand() && r.Verdict == "rollback":
		return "warn", "↩ Rolled back by hand"
	case r.ByHand():
		return "warn", "↑ Promoted by hand"
	case r.Verdict == "first":
		return "good", "✓ Promoted, the first model"
	case r.Verdict == "promoted":
		return "good", "✓ Promoted"
	case r.Verdict == "rejected":
		return "bad", "✗ Rejected"
	case r.Verdict == "failed":
		return "bad", "✗ Failed"
	case r.Verdict == "idle":
		return "plain", "– Nothing new to train on"
	default:
		return "plain", "– " + capital(r.Verdict)
	}
}

// growth describes what a run ingested and what the data have now.
func (r NightlyRun) growth() string {
	words := []string{fmt.Sprintf("+%s rows of %s", thousands(r.NewRows), thousands(r.Rows))}
	if r.Users > 0 {
		words = append(words, fmt.Sprintf("%s users (+%s)", thousands(r.Users), thousands(r.NewUsers)),
			fmt.Sprintf("%s items (+%s)", thousands(r.Items), thousands(r.NewItems)))
	}
	if r.NewBad > 0 {
		words = append(words, percent(r.badShare())+" unreadable")
	}
	if r.NewRationales > 0 {
		words = append(words, percent(r.parsedShare())+" of the rationales parsed")
	}
	return strings.Join(words, ", ")
}

// highest returns the end of the bars' scale.
func (n Nightly) highest() float64 {
	highest := 0.0
	for _, row := range n.Rows {
		if row.Score != nil {
			highest = max(highest, row.Score.Value, row.Baseline, upper(row.Score.Interval))
		}
	}
	return highest
}
