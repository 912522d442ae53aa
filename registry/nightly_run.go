package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"rdrec/internal/metric"
	"rdrec/internal/report"
	"rdrec/storage"
)

// NightlyRun is the record of a nightly run. It is stored under nightly/<name>/runs and posted to
// the webhook.
type NightlyRun struct {
	// Version is the version of rdrec that wrote the record; empty in older records.
	Version string    `json:"version,omitempty"`
	Name    string    `json:"name"`
	Number  int       `json:"number"`
	Time    time.Time `json:"time"`
	Verdict string    `json:"verdict"`
	// Summary is the verdict as a sentence for people; Reasons say why no model was promoted.
	Summary  string   `json:"summary,omitempty"`
	Reasons  []string `json:"reasons,omitempty"`
	Workflow string   `json:"workflow"`
	Run      string   `json:"run"`
	// Ingested are the new files. SkippedFiles counts the files of the inbox that were left out
	// because an earlier run rejected them.
	Ingested     []storage.File `json:"ingested,omitempty"`
	SkippedFiles int            `json:"skipped_files,omitempty"`
	// SetAside are new files that cannot be read. Later runs skip them.
	SetAside []SetAside `json:"set_aside,omitempty"`
	// SkipFiles makes later runs skip the ingested files, unless they retry them.
	SkipFiles bool `json:"skip_files,omitempty"`
	// PreviousPromotion is the promotion that was in use before the run, Promotion the one in use
	// after it; 0 means none.
	PreviousPromotion int                  `json:"previous_promotion"`
	Promotion         int                  `json:"promotion"`
	WarmStart         bool                 `json:"warm_start"`
	Counts            report.NightlyCounts `json:"counts,omitzero"`
	// Lists is the diversity of the new model's recommendations; nil if none was evaluated.
	Lists *metric.ListDiversity `json:"lists,omitempty"`
	// Metric is the gate's. Comparison is with the model in use, nil if there was none; Baseline is
	// with the gate's floor, or with popularity where the floor is switched off.
	Metric       string         `json:"metric,omitempty"`
	Metrics      []metric.Score `json:"metrics,omitempty"`
	Comparison   *Comparison    `json:"comparison,omitempty"`
	Baseline     *Comparison    `json:"baseline,omitempty"`
	Seconds      float64        `json:"seconds"`
	Reviews      storage.Ref    `json:"reviews,omitzero"`
	Dataset      storage.Ref    `json:"dataset,omitzero"`
	Preprocessed storage.Ref    `json:"preprocessed,omitzero"`
	Model        storage.Ref    `json:"model,omitzero"`
	Report       storage.Ref    `json:"report,omitzero"`
	HTML         string         `json:"html,omitempty"`
}

// SetAside is a file of an inbox that cannot be read, and why.
type SetAside struct {
	File   storage.File `json:"file"`
	Reason string       `json:"reason"`
}

// String names the file and the reason.
func (s SetAside) String() string { return "set aside " + s.File.Name + ": " + s.Reason }

// Verdicts of a nightly run.
const (
	// VerdictFirst and VerdictPromoted put the new model in use; VerdictRejected leaves the current
	// one in use.
	VerdictFirst    = "first"
	VerdictPromoted = "promoted"
	VerdictRejected = "rejected"
	// VerdictIdle means that there was nothing new to train on, VerdictFailed that the run ended
	// with an error.
	VerdictIdle   = "idle"
	VerdictFailed = "failed"
	// VerdictPaused means that the run waits for a person, see Reasons. It is posted to the
	// webhook, never recorded.
	VerdictPaused = "paused"
)

// ReadNightlyRuns returns the last nightly runs of a name, oldest first. A record that cannot be
// decoded is [ErrCorrupt].
func ReadNightlyRuns(ctx context.Context, b *storage.Bucket, name string, last int) ([]NightlyRun, error) {
	records, _, err := b.NightlyRuns(ctx, name, last)
	if err != nil {
		return nil, err
	}
	runs := make([]NightlyRun, len(records))
	for i, record := range records {
		if err := json.Unmarshal(record, &runs[i]); err != nil {
			return nil, fmt.Errorf(
				"record %d of the last %d nightly runs of %q: %w: %w", i+1, len(records), name, ErrCorrupt, err,
			)
		}
	}
	return runs, nil
}
