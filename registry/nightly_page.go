package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
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
	h := &nightlyHistory{bucket: b, name: name}
	for i, run := range runs {
		if run.Metric != "" {
			page.Metric = run.Metric
		}
		if i == 0 && run.Number > 1 {
			h.seen = run.PreviousPromotion // what came before is not shown
		}
		if err := h.addPromotions(ctx, run.PreviousPromotion); err != nil {
			return page, err
		}
		h.rows = append(h.rows, run.row(b))
		h.seen = max(h.seen, run.Promotion)
	}
	err = h.addPromotions(ctx, promoted.Number)
	page.Rows = h.rows
	page.DetectDrift()
	return page, err
}

// nightlyHistory collects the rows of the page: the runs, and between them the promotions that no
// run made. Only those promotions are read from the bucket.
type nightlyHistory struct {
	bucket *storage.Bucket
	name   string
	rows   []report.NightlyRun
	// seen is the number of the newest promotion in the rows.
	seen int
}

// addPromotions adds the promotions after those seen, up to a number.
func (h *nightlyHistory) addPromotions(ctx context.Context, last int) error {
	for number := h.seen + 1; number <= last; number++ {
		p, err := ReadPromotion(ctx, h.bucket, h.name, number)
		if errors.Is(err, storage.ErrNotFound) {
			continue // collected long ago
		}
		if err != nil {
			return err
		}
		h.rows = append(h.rows, p.row())
		h.seen = number
	}
	return nil
}

// row returns the row of a promotion that no nightly run made.
func (p *Promotion) row() report.NightlyRun {
	row := report.NightlyRun{Time: p.Time, Verdict: p.Kind, Promotion: p.Number}
	switch {
	case p.RollbackTo > 0:
		row.Summary = fmt.Sprintf("by hand: the model of promotion %d is in use again", p.RollbackTo)
	case p.Manual:
		row.Summary = "by hand: the model of " + p.FromRun
	default:
		row.Summary = fmt.Sprintf("by %s/%s, which is not recorded", p.Workflow, p.Run)
	}
	return row
}

// row returns the run's row of the page.
func (n *NightlyRun) row(b *storage.Bucket) report.NightlyRun {
	row := report.NightlyRun{
		Number: n.Number, Time: n.Time, Verdict: n.Verdict, Summary: n.Summary, Reasons: n.Reasons,
		Promotion: n.Promotion, Lists: n.Lists, Files: len(n.Ingested), NightlyCounts: n.Counts, Seconds: n.Seconds,
	}
	for _, bad := range n.SetAside {
		row.Reasons = append(slices.Clip(row.Reasons), bad.String())
	}
	for _, score := range n.Metrics {
		if score.Metric == n.Metric {
			row.Score = &score
		}
	}
	if c := n.Comparison; c != nil {
		row.Difference = &metric.Difference{Mean: c.Difference, Interval: c.Interval, P: c.P}
	}
	if c := n.Baseline; c != nil {
		row.BaselineName, row.Baseline = c.Baseline, c.Current
	}
	if n.HTML != "" {
		row.Report, row.ReportKey = b.URL(n.HTML), n.HTML
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
