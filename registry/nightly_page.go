package registry

import (
	"bytes"
	"context"
	"errors"
	"time"

	"rdrec/internal/metric"
	"rdrec/internal/report"
	"rdrec/storage"
)

// NightlyPageRuns is the number of nightly runs that the page in the bucket shows.
const NightlyPageRuns = 60

// ReadNightlyPage returns the data of the page of the last nightly runs of a name.
func ReadNightlyPage(
	ctx context.Context, b *storage.Bucket, name string, last int, now time.Time,
) (report.Nightly, error) {
	page := report.Nightly{Name: name, Made: now.UTC(), Metric: "NDCG@10"}
	runs, err := ReadNightlyRuns(ctx, b, name, last)
	if err != nil {
		return page, err
	}
	promoted, err := CurrentPromotion(ctx, b, name)
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

// row returns the run's row of the page.
func (n *NightlyRun) row(b *storage.Bucket) report.NightlyRun {
	row := report.NightlyRun{
		Number: n.Number, Time: n.Time, Verdict: n.Verdict, Reasons: n.Reasons, Promotion: n.Promotion,
		Files: len(n.Ingested), NightlyCounts: n.Counts, Seconds: n.Seconds,
	}
	for _, score := range n.Metrics {
		if score.Metric == n.Metric {
			row.Score = &score
		}
	}
	if c := n.Comparison; c != nil {
		row.Difference = &metric.Difference{Mean: c.Difference, Interval: c.Interval, P: c.P}
	}
	if n.HTML != "" {
		row.Report = b.URL(n.HTML)
	}
	return row
}

// WriteNightlyPage renders the page of a name's nightly runs and stores it in the bucket.
func WriteNightlyPage(ctx context.Context, b *storage.Bucket, name string, now time.Time) error {
	page, err := ReadNightlyPage(ctx, b, name, NightlyPageRuns, now)
	if err != nil {
		return err
	}
	var html bytes.Buffer
	if err := report.NightlyHTML(&html, page); err != nil {
		return err
	}
	return b.PutNightlyPage(ctx, name, html.Bytes())
}
