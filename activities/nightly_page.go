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

// NightlyPageRuns is how many nights the page in the bucket shows.
const NightlyPageRuns = 60

// ReadNightlyPage gathers the page over the last nights of a name.
func ReadNightlyPage(ctx context.Context, b *storage.Bucket, name string, last int, now time.Time) (report.Nightly, error) {
	page := report.Nightly{Name: name, Made: now.UTC(), Metric: "NDCG@10"}
	runs, err := ReadNightlyRuns(ctx, b, name, last)
	if err != nil {
		return page, err
	}
	promoted, err := b.CurrentPromotion(ctx, name)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return page, err
	}
	page.InUse = promoted.Number
	for _, run := range runs {
		if run.Metric != "" {
			page.Metric = run.Metric
		}
		page.Rows = append(page.Rows, run.row(b))
	}
	page.DetectDrift()
	return page, nil
}

// row is the night's line.
func (n *NightlyRun) row(b *storage.Bucket) report.NightlyRun {
	row := report.NightlyRun{
		Number: n.Number, Time: n.Time, Verdict: n.Verdict, Reasons: n.Reasons, Promotion: n.Promotion, Files: len(n.Ingested),
		NewRows: n.Counts[CountNewRows], NewBad: n.Counts[CountNewBad], Rows: n.Counts[CountRows], Users: n.Counts[CountUsers],
		Items: n.Counts[CountItems], NewUsers: n.Counts[CountNewUsers], NewItems: n.Counts[CountNewItems],
		NewRationales: n.Counts[CountNewRationales], NewParsed: n.Counts[CountNewParsed], Requests: n.Counts[CountRequests],
		Tokens: n.Counts[CountTokens], Seconds: n.Seconds,
	}
	for _, m := range n.Metrics {
		if m.Name == n.Metric {
			row.Trained, row.Value, row.Low, row.High = true, m.Value, m.Low, m.High
		}
	}
	if c := n.Comparison; c != nil {
		row.Difference = &report.Difference{Mean: c.Difference, Low: c.Low, High: c.High, P: c.P}
	}
	if n.HTML != "" {
		row.Report = b.URL(n.HTML)
	}
	return row
}

// writeNightlyPage writes the page anew.
func (a *Activities) writeNightlyPage(ctx context.Context, name string) error {
	page, err := ReadNightlyPage(ctx, a.Bucket, name, NightlyPageRuns, a.Now())
	if err != nil {
		return err
	}
	var html bytes.Buffer
	if err := report.NightlyHTML(&html, page); err != nil {
		return err
	}
	return a.Bucket.PutNightlyPage(ctx, name, html.Bytes())
}

// summary say the verdict for people.
func (n *NightlyRun) summary() []string {
	words := map[string]string{
		VerdictFirst:    "The new model is the first and is now in use.",
		VerdictPromoted: "The new model is now in use as promotion %d.",
		VerdictRejected: "The new model is rejected: promotion %d stays in use.",
	}[n.Verdict]
	if n.Verdict == VerdictPromoted || n.Verdict == VerdictRejected {
		words = fmt.Sprintf(words, n.Promotion)
	}
	lines := []string{words}
	if c := n.Comparison; c != nil {
		lines = append(lines, fmt.Sprintf("%s of the same %d users: %.4f after %.4f (difference %+.4f, 95%% interval %+.4f to %+.4f; p %.3f of non-inferiority within the margin).",
			c.Metric, c.Users, c.Candidate, c.Current, c.Difference, c.Low, c.High, c.P))
	}
	return append(lines, n.Reasons...)
}
