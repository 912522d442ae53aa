package activities

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"rdrec/internal/report"
	"rdrec/storage"
)

// NightsShown is how many nights the page in the bucket shows.
const NightsShown = 60

// ReadNightsPage gathers the page over the last nights of a name.
func ReadNightsPage(ctx context.Context, b *storage.Bucket, name string, last int, now time.Time) (report.Nights, error) {
	page := report.Nights{Name: name, Made: now.UTC(), Metric: "NDCG@10"}
	nights, err := ReadNights(ctx, b, name, last)
	if err != nil {
		return page, err
	}
	used, err := b.Promoted(ctx, name)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return page, err
	}
	page.InUse = used.Number
	for _, night := range nights {
		if night.Metric != "" {
			page.Metric = night.Metric
		}
		page.Rows = append(page.Rows, night.row(b))
	}
	page.Watch()
	return page, nil
}

// row is the night's line.
func (n *Night) row(b *storage.Bucket) report.NightRow {
	row := report.NightRow{
		Number: n.Number, Time: n.Time, Verdict: n.Verdict, Reasons: n.Reasons, Promotion: n.Promotion, Files: len(n.Taken),
		NewRows: n.Counts[CountNewRows], NewBad: n.Counts[CountNewBad], Rows: n.Counts[CountRows], Users: n.Counts[CountUsers],
		Items: n.Counts[CountItems], NewUsers: n.Counts[CountNewUsers], NewItems: n.Counts[CountNewItems],
		NewReplies: n.Counts[CountNewReplies], NewParsed: n.Counts[CountNewParsed], Asked: n.Counts[CountAsked],
		Tokens: n.Counts[CountTokens], Seconds: n.Seconds,
	}
	for _, m := range n.Metrics {
		if m.Name == n.Metric {
			row.Trained, row.Value, row.Low, row.High = true, m.Value, m.Low, m.High
		}
	}
	if c := n.Compared; c != nil {
		row.Difference = &report.Cut{Mean: c.Difference, Low: c.Low, High: c.High, P: c.P}
	}
	if n.HTML != "" {
		row.Report = b.Where(n.HTML)
	}
	return row
}

// drawNights writes the page anew.
func (a *Activities) drawNights(ctx context.Context, name string) error {
	page, err := ReadNightsPage(ctx, a.Bucket, name, NightsShown, a.Now())
	if err != nil {
		return err
	}
	var html bytes.Buffer
	if err := report.NightsHTML(&html, page); err != nil {
		return err
	}
	return a.Bucket.PutNightsPage(ctx, name, html.Bytes())
}

// lines say the verdict for people.
func (n *Night) lines() []string {
	words := map[string]string{
		NightFirst:    "Tonight's model is the first: it is in use now.",
		NightPromoted: "Tonight's model is in use now, as promotion %d.",
		NightKept:     "Tonight's model is NOT in use: promotion %d stays.",
	}[n.Verdict]
	if n.Verdict == NightPromoted || n.Verdict == NightKept {
		words = fmt.Sprintf(words, n.Promotion)
	}
	said := []string{words}
	if c := n.Compared; c != nil {
		said = append(said, fmt.Sprintf("%s of the same %d users: %.4f after %.4f (difference %+.4f, 95%% interval %+.4f to %+.4f; p %.3f that it is not worse by the margin).",
			c.Metric, c.Users, c.New, c.Old, c.Difference, c.Low, c.High, c.P))
	}
	return append(said, n.Reasons...)
}
