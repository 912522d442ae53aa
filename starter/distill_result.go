package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"rdrec/internal/report"
	"rdrec/internal/teacher"
	"rdrec/storage"
	"rdrec/workflows"
)

// distillationResult is the result of a distillation, for programs.
type distillationResult struct {
	ID         string               `json:"id"`
	Rationales string               `json:"rationales"`
	Partial    bool                 `json:"partial,omitempty"`
	Stats      storage.Stats        `json:"stats"`
	Summary    teacher.Distillation `json:"summary"`
	Sample     []teacher.Rationale  `json:"sample,omitempty"`
}

// printDistillation prints the result of a closed distillation; for a sample, its rationales, too.
func (a *app) printDistillation(ctx context.Context, e *execution, sample bool) error {
	var result workflows.DistillationResult
	if err := e.result(ctx, &result); err != nil {
		return err
	}
	bucket, err := a.openBucket(ctx)
	if err != nil {
		return err
	}
	defer bucket.Close()
	d := distillationResult{
		ID:         e.id,
		Rationales: bucket.URL(storage.ContentKey(result.Rationales)),
		Partial:    result.Partial,
		Stats:      result.Stats,
	}
	record, err := bucket.ReadArtifactFile(ctx, result.Rationales, "distillation.json")
	if err == nil {
		err = json.Unmarshal(record, &d.Summary)
	}
	if err == nil && sample {
		d.Sample, err = rationalesOf(ctx, bucket, result.Rationales)
	}
	if err != nil {
		return fmt.Errorf("fetching the rationales of %q: %w", e.id, err)
	}
	if a.flags.JSON {
		return a.printJSON(d)
	}
	return a.print(d.text())
}

// rationalesOf returns the rows of an artifact of rationales.
func rationalesOf(ctx context.Context, bucket *storage.Bucket, from storage.Ref) ([]teacher.Rationale, error) {
	lines, err := bucket.ReadArtifactFile(ctx, from, "rationales.jsonl")
	if err != nil {
		return nil, err
	}
	var rows []teacher.Rationale
	for decoder := json.NewDecoder(bytes.NewReader(lines)); ; {
		var row teacher.Rationale
		if err := decoder.Decode(&row); errors.Is(err, io.EOF) {
			return rows, nil
		} else if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
}

// text returns the result for people.
func (d *distillationResult) text() string {
	var page strings.Builder
	for i, row := range d.Sample {
		fmt.Fprintf(&page, "%3d  review       %s\n", i+1, row.Text)
		if row.Failed != "" {
			reply := strings.ReplaceAll(row.Reply, "\n", " / ")
			fmt.Fprintf(&page, "     not used     %s\n     its reply    %s\n\n", row.Failed, reply)
			continue
		}
		fmt.Fprintf(&page, "     preference   %s\n     attribution  %s\n\n", row.Preference, row.Attribution)
	}
	q := d.Summary.Quality
	fmt.Fprintf(&page, "%d of %d wanted rationales by %s (%s prompt): ",
		q.Rationales, d.Summary.Wanted, d.Summary.Teacher, d.Summary.Prompt)
	fmt.Fprintf(&page, "%d parsed, %d retried, %d quarantined, %d leaked the prompt, ",
		q.Parsed, q.Retried, q.Quarantined, q.Leaked)
	fmt.Fprintf(&page, "%.0f%% of their words from the review\n", 100*q.Grounded)
	for _, reason := range q.Reasons {
		fmt.Fprintf(&page, "  quarantined: %s\n", reason)
	}
	d.writeCost(&page)
	if d.Partial {
		page.WriteString("shards were skipped: run it again for the rest\n")
	}
	fmt.Fprintf(&page, "rationales   %s\n", d.Rationales)
	return page.String()
}

// writeCost writes the requests, the time and the tokens of the distillation, and what all
// explanations would cost if it was a sample.
func (d *distillationResult) writeCost(page *strings.Builder) {
	requests, elapsed := d.Stats.Requests, d.Stats.Seconds
	if requests > 0 {
		fmt.Fprintf(page, "%d requested now, in %s, %.0f tokens/s; the others were in the bucket\n",
			requests, report.Duration(elapsed), float64(d.Stats.Tokens)/max(elapsed, 1e-3))
	}
	if n := d.Stats.BatchHalvings; n > 0 {
		fmt.Fprintf(page, "out of memory %d times: the batch size was halved each time\n", n)
	}
	if n := float64(len(d.Sample)); n > 0 && requests > 0 {
		q, all := d.Summary.Quality, float64(d.Summary.Explanations)
		fmt.Fprintf(page, "all %.0f explanations: about %s on one worker like this, ",
			all, report.Duration(all*elapsed/float64(requests)))
		fmt.Fprintf(page, "%.0f tokens read and %.0f written\n", all*float64(q.PromptTokens)/n, all*float64(q.Tokens)/n)
	}
}
