package registry

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"rdrec/internal/spec"
	"rdrec/storage"
)

// PastRun is a finished run of the bucket.
type PastRun struct {
	// Name is WORKFLOW/RUN; Ended is when its record was written.
	Name  string
	Ended time.Time
	RunRecord
}

// PastRuns returns the newest finished runs of a bucket, newest first. Records that are not JSON
// are left out: "starter verify" lists them.
func PastRuns(ctx context.Context, b *storage.Bucket, last int) ([]PastRun, error) {
	found, err := b.FinishedRuns(ctx, last)
	if err != nil {
		return nil, err
	}
	runs := make([]PastRun, 0, len(found))
	for _, f := range found {
		data, err := b.GetRun(ctx, f.Workflow, f.Run, storage.RunRecord)
		if errors.Is(err, storage.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		run := PastRun{Name: f.Workflow + "/" + f.Run, Ended: f.Ended}
		if json.Unmarshal(data, &run.RunRecord) == nil {
			runs = append(runs, run)
		}
	}
	return runs, nil
}

// HasBasis reports whether the time of a spec's stages can be estimated from the bucket's runs.
func HasBasis(ctx context.Context, b *storage.Bucket, s spec.Spec) (bool, error) {
	runs, err := PastRuns(ctx, b, maxPastRuns)
	return slices.ContainsFunc(runs, func(r PastRun) bool { return sameCost(r.Spec, s) }), err
}

// latest returns the newest run of a spec's name that ended before a time; nil if there is none. A
// zero time means now.
func latest(runs []PastRun, name string, before time.Time) *PastRun {
	for i := range runs {
		if runs[i].Spec.Name == name && (before.IsZero() || runs[i].Ended.Before(before)) {
			return &runs[i]
		}
	}
	return nil
}

// seedPattern matches the seed at the end of a trial's name.
var seedPattern = regexp.MustCompile(`/-?\d+`)

// withoutSeed returns a stage's label without the seed of its trial.
func withoutSeed(label string) string { return seedPattern.ReplaceAllString(label, "") }

// stage returns a run's stage by its label, or the same stage of another seed.
func (r RunRecord) stage(label string) (StageTime, bool) {
	for _, s := range r.Stages {
		if s.Name == label {
			return s, true
		}
	}
	for _, s := range r.Stages {
		if withoutSeed(s.Name) == withoutSeed(label) {
			return s, true
		}
	}
	return StageTime{}, false
}

// Accelerated reports whether the stage worked on the queue of accelerators.
func (s StageTime) Accelerated() bool {
	return !slices.Contains([]string{"import", "preprocess", "baseline"}, s.StageName())
}

// StageName returns the stage's name without its trial, also for older records.
func (s StageTime) StageName() string {
	first, _, _ := strings.Cut(s.Name, " ")
	switch {
	case s.Stage != "":
		return s.Stage
	case first == "check":
		return "entailment"
	case strings.Contains(s.Name, ", shard "):
		return "evaluate-shard"
	default:
		return first
	}
}
