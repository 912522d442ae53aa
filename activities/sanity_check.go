package activities

import (
	"context"
	"fmt"

	"rdrec/internal/dataset"
	"rdrec/internal/report"
	"rdrec/internal/spec"
	"rdrec/internal/teacher"
	"rdrec/registry"
	"rdrec/storage"
)

// SanityCheckInput is the dataset, and later the rationales, of a nightly run.
type SanityCheckInput struct {
	Gate spec.Gate `json:"gate"`
	// Previous are the counts of the model in use; nil where there is none.
	Previous   *report.NightlyCounts `json:"previous"`
	Dataset    storage.Ref           `json:"dataset"`
	Rationales storage.Ref           `json:"rationales"`
}

// SanityCheckResult is the counts and the reasons for a failed sanity check.
type SanityCheckResult struct {
	Counts  report.NightlyCounts `json:"counts"`
	Reasons []string             `json:"reasons"`
}

// SanityCheck counts the ingested reviews and checks the counts against the gate: before the
// teacher receives requests, and again afterwards. Where no model is in use, nothing needs
// protection and only the counts are returned.
func (a *Activities) SanityCheck(ctx context.Context, in SanityCheckInput) (out SanityCheckResult, err error) {
	ctx, hb := a.startHeartbeat(ctx, "sanity check")
	defer hb.stop()
	defer func() { err = temporalError(ctx, err) }()
	rows, err := readArtifactJSON[dataset.ImportSummary](ctx, a.Bucket, in.Dataset, importRecord)
	if err != nil {
		return out, err
	}
	out.Counts = report.NightlyCounts{
		Rows: rows.Rows, Bad: rows.Bad, Users: rows.Users, Items: rows.Items, Interactions: rows.Interactions,
	}
	if !in.Rationales.IsZero() {
		d, err := readArtifactJSON[teacher.Distillation](ctx, a.Bucket, in.Rationales, registry.DistillationFile)
		if err != nil {
			return out, err
		}
		out.Counts.Rationales, out.Counts.Parsed = d.Quality.Rationales, d.Quality.Parsed
	}
	if in.Previous == nil {
		out.Counts = out.Counts.Since(report.NightlyCounts{})
		return out, nil
	}
	out.Counts = out.Counts.Since(*in.Previous)
	out.Reasons = sanityFailures(in.Gate, out.Counts)
	return out, nil
}

// sanityFailures returns a reason for each count outside the gate's limits.
func sanityFailures(g spec.Gate, c report.NightlyCounts) (reasons []string) {
	rows, bad := c.NewRows, c.NewBad
	if rows < g.MinRows {
		reasons = append(reasons, fmt.Sprintf("%d rows ingested, fewer than nightly.gate.min_rows %d", rows, g.MinRows))
	}
	if g.MaxRows > 0 && rows > g.MaxRows {
		reasons = append(reasons, fmt.Sprintf("%d rows ingested, more than nightly.gate.max_rows %d", rows, g.MaxRows))
	}
	if float64(bad) > g.MaxBad*float64(rows) {
		reasons = append(reasons, fmt.Sprintf(
			"%d of the %d ingested rows are unreadable, more than nightly.gate.max_bad %g allows",
			bad, rows, g.MaxBad))
	}
	replies, parsed := c.NewRationales, c.NewParsed
	if float64(parsed) < g.MinParsed*float64(replies) {
		reasons = append(reasons, fmt.Sprintf(
			"%d of the teacher's %d new replies parse, fewer than nightly.gate.min_parsed %g requires",
			parsed, replies, g.MinParsed))
	}
	return reasons
}
