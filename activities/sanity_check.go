package activities

import (
	"context"
	"fmt"

	"rdrec/internal/spec"
	"rdrec/storage"
)

// SanityCheckInput is what a night made of the reviews that came in.
type SanityCheckInput struct {
	Gate spec.Gate `json:"gate"`
	// Previous are the counts of the model in use; nil where there is none.
	Previous   map[string]int `json:"previous"`
	Dataset    storage.Ref    `json:"dataset"`
	Rationales storage.Ref    `json:"rationales"`
}

// SanityCheckResult says whether it is sane.
type SanityCheckResult struct {
	Counts  map[string]int `json:"counts"`
	Reasons []string       `json:"reasons"`
}

// SanityCheck counts what came in and holds it against the gate: before the teacher is asked, and
// again when it was. Where no model is in use there is nothing to keep, and only the counts are
// made.
func (a *Activities) SanityCheck(ctx context.Context, in SanityCheckInput) (out SanityCheckResult, err error) {
	ctx, hb := a.startHeartbeat(ctx, "sanity check")
	defer hb.stop()
	defer func() { err = temporalError(ctx, err) }()
	rows, err := readArtifactJSON[importCounts](ctx, a.Bucket, in.Dataset, importRecord)
	if err != nil {
		return out, err
	}
	out.Counts = map[string]int{
		CountRows: rows.Rows, CountBad: rows.Bad, CountUsers: rows.Users, CountItems: rows.Items, CountInteractions: rows.Interactions,
	}
	increments := map[string]string{CountNewRows: CountRows, CountNewBad: CountBad, CountNewUsers: CountUsers, CountNewItems: CountItems}
	if !in.Rationales.IsZero() {
		d, err := readArtifactJSON[Distillation](ctx, a.Bucket, in.Rationales, distillationRecord)
		if err != nil {
			return out, err
		}
		out.Counts[CountRationales], out.Counts[CountParsed] = d.Quality.Rationales, d.Quality.Parsed
		increments[CountNewRationales], increments[CountNewParsed] = CountRationales, CountParsed
	}
	for name, of := range increments {
		out.Counts[name] = out.Counts[of] - in.Previous[of]
	}
	if in.Previous != nil {
		out.Reasons = sanityFailures(in.Gate, out.Counts)
	}
	return out, nil
}

// sanityFailures says what of the counts is outside the gate.
func sanityFailures(g spec.Gate, counts map[string]int) (reasons []string) {
	rows, bad := counts[CountNewRows], counts[CountNewBad]
	if rows < g.MinRows {
		reasons = append(reasons, fmt.Sprintf("%d rows ingested, fewer than nightly.gate.min_rows %d", rows, g.MinRows))
	}
	if g.MaxRows > 0 && rows > g.MaxRows {
		reasons = append(reasons, fmt.Sprintf("%d rows ingested, more than nightly.gate.max_rows %d", rows, g.MaxRows))
	}
	if float64(bad) > g.MaxBad*float64(rows) {
		reasons = append(reasons, fmt.Sprintf("%d of the %d ingested rows are unreadable, more than nightly.gate.max_bad %g allows",
			bad, rows, g.MaxBad))
	}
	replies, parsed := counts[CountNewRationales], counts[CountNewParsed]
	if float64(parsed) < g.MinParsed*float64(replies) {
		reasons = append(reasons, fmt.Sprintf("%d of the teacher's %d new replies parse, fewer than nightly.gate.min_parsed %g requires",
			parsed, replies, g.MinParsed))
	}
	return reasons
}
