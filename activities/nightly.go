package activities

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"rdrec/storage"
)

// NightlyRun is what came of one night; it is recorded under nightly/<name>/nights and posted to
// the webhook.
type NightlyRun struct {
	Name    string    `json:"name"`
	Number  int       `json:"number"`
	Time    time.Time `json:"time"`
	Verdict string    `json:"verdict"`
	// Reasons say why a model was not promoted.
	Reasons  []string `json:"reasons,omitempty"`
	Workflow string   `json:"workflow"`
	Run      string   `json:"run"`
	// Ingested are the files that came in; Held is how many were left out because an earlier night
	// set them aside.
	Ingested     []storage.File `json:"ingested,omitempty"`
	SkippedFiles int            `json:"skipped_files,omitempty"`
	// SkipFiles says that no later night takes the files that came in, unless it is told to.
	SkipFiles bool `json:"skip_files,omitempty"`
	// PreviousPromotion is the promotion that was in use, Promotion the one that is now (0: none).
	PreviousPromotion int            `json:"previous_promotion"`
	Promotion         int            `json:"promotion"`
	WarmStart         bool           `json:"warm_start"`
	Counts            map[string]int `json:"counts,omitempty"`
	Coverage          float64        `json:"coverage,omitempty"`
	// Metric is the one that the gate looks at.
	Metric       string              `json:"metric,omitempty"`
	Metrics      []storage.Measure   `json:"metrics,omitempty"`
	Comparison   *storage.Comparison `json:"comparison,omitempty"`
	Seconds      float64             `json:"seconds"`
	Reviews      storage.Ref         `json:"reviews,omitzero"`
	Dataset      storage.Ref         `json:"dataset,omitzero"`
	Preprocessed storage.Ref         `json:"preprocessed,omitzero"`
	Model        storage.Ref         `json:"model,omitzero"`
	Report       storage.Ref         `json:"report,omitzero"`
	HTML         string              `json:"html,omitempty"`
}

// Verdicts on a night.
const (
	// VerdictFirst and VerdictPromoted put the new model in use; VerdictRejected keeps the one
	// before.
	VerdictFirst    = "first"
	VerdictPromoted = "promoted"
	VerdictRejected = "rejected"
	// VerdictIdle had nothing new to learn from; VerdictFailed could not be brought to its end.
	VerdictIdle   = "idle"
	VerdictFailed = "failed"
)

// Counts of a night. Those of rows, bad and so on are of all reviews so far; those with new are of
// what came in.
const (
	CountRows          = "rows"
	CountBad           = "bad"
	CountNewRows       = "new_rows"
	CountNewBad        = "new_bad"
	CountUsers         = "users"
	CountItems         = "items"
	CountInteractions  = "interactions"
	CountNewUsers      = "new_users"
	CountNewItems      = "new_items"
	CountRationales    = "rationales"
	CountParsed        = "parsed"
	CountNewRationales = "new_rationales"
	CountNewParsed     = "new_parsed"
	CountRequests      = "requests"
	CountTokens        = "tokens"
)

// allRuns is more nights than there will ever be.
const allRuns = 1 << 20

// ReadNightlyRuns returns the last nights under a name, oldest first.
func ReadNightlyRuns(ctx context.Context, b *storage.Bucket, name string, last int) ([]NightlyRun, error) {
	records, _, err := b.NightlyRuns(ctx, name, last)
	if err != nil {
		return nil, err
	}
	runs := make([]NightlyRun, len(records))
	for i, record := range records {
		if err := json.Unmarshal(record, &runs[i]); err != nil {
			return nil, fmt.Errorf("record %d of the last %d nightly runs of %q: %w: %w", i+1, len(records), name, ErrData, err)
		}
	}
	return runs, nil
}
