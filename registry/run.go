package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"rdrec/internal/spec"
	"rdrec/storage"
)

// RunRecord is the record of a finished run: everything that an experiment or a nightly run read
// and made. It is stored as the run's run.json.
type RunRecord struct {
	// Version is the version of rdrec that wrote the record; empty in older records.
	Version string    `json:"version,omitempty"`
	Spec    spec.Spec `json:"spec"`
	// Rationales is zero where no method trains on them.
	Dataset      storage.Ref `json:"dataset"`
	Rationales   storage.Ref `json:"rationales"`
	Preprocessed storage.Ref `json:"preprocessed"`
	Baseline     storage.Ref `json:"baseline"`
	// Sasrec is zero where SASRec is not among the spec's baselines.
	Sasrec storage.Ref `json:"sasrec"`
	// Bsarec is zero where BSARec is not.
	Bsarec   storage.Ref   `json:"bsarec,omitzero"`
	Identity Identity      `json:"identity"`
	Trials   []TrialResult `json:"trials"`
	Stages   []StageTime   `json:"stages"`
	// StageVersions are the versions of the stages' code; nil in records of older versions.
	StageVersions map[string]int `json:"stage_versions,omitempty"`
	// Entailment is the artifact of the explanations' entailment; zero if the teacher checked none.
	Entailment storage.Ref `json:"entailment,omitzero"`
	// NightlyRun is the record of a nightly run; nil for an experiment.
	NightlyRun *NightlyRun `json:"nightly_run,omitempty"`
}

// Identity is the digests of what an experiment reads from outside the bucket. They are part of the
// stages' fingerprints, so a changed file is a changed input.
type Identity struct {
	Data    string `json:"data"`
	Teacher string `json:"teacher,omitempty"`
	Student string `json:"student,omitempty"`
	// UserKey is the digest of the key that makes user ids pseudonyms; empty where they are kept.
	UserKey string `json:"user_key,omitempty"`
}

// TrialResult is one trained and evaluated student.
type TrialResult struct {
	Method string `json:"method"`
	// Variant is the state of the switch that an ablation flipped ("skip_pads off"); empty for the
	// spec's own protocol.
	Variant string      `json:"variant,omitempty"`
	Seed    int64       `json:"seed"`
	Model   storage.Ref `json:"model"`
	// Evaluations are the artifacts of predictions, one for each evaluated task.
	Evaluations []storage.Ref `json:"evaluations"`
	// Fusion is the mix of the student and baselines that is served; zero where there is none.
	Fusion storage.Ref `json:"fusion,omitzero"`
	// Stages are the trial's stages. Between workflows and activities they travel by reference:
	// nil, with Workflow and Run, whose records in the bucket they are ([TrialResult.ReadStages]),
	// and Cost.
	Stages   []StageTime `json:"stages"`
	Workflow string      `json:"workflow,omitempty"`
	Run      string      `json:"run,omitempty"`
	Cost     Cost        `json:"cost,omitzero"`
}

// ReadStages reads the trial's stages from its records in the bucket.
func (t *TrialResult) ReadStages(ctx context.Context, b *storage.Bucket) error {
	stages, err := b.OwnRunStages(ctx, t.Workflow, t.Run)
	if err != nil {
		return fmt.Errorf("read the stages of trial %s/%s: %w", t.Workflow, t.Run, err)
	}
	t.Stages = stageTimes(stages)
	return nil
}

// stageTimes returns the times of recorded stages.
func stageTimes(stages []storage.RunStage) []StageTime {
	times := make([]StageTime, 0, len(stages))
	for _, s := range stages {
		times = append(times, StageTime{
			Name: cmp.Or(s.Label, s.Stage), Stage: s.Stage, Cached: !s.Computed, Seconds: s.Seconds,
			Fingerprint: s.Fingerprint, Output: s.Output, Stats: s.Stats,
		})
	}
	return times
}

// Served returns the artifacts of predictions, those of what is served first.
func (t TrialResult) Served() []storage.Ref {
	if t.Fusion.IsZero() {
		return t.Evaluations
	}
	return append([]storage.Ref{t.Fusion}, t.Evaluations...)
}

// Name returns the trial's name in reports.
func (t TrialResult) Name() string { return spec.MethodLabel(t.Method, t.Variant) }

// StageTime is the time that a stage took, in this run or, if it was cached, when it was computed.
type StageTime struct {
	// Name names the trial or the shard, too; Stage is the stage alone, empty in older records.
	Name        string      `json:"name"`
	Stage       string      `json:"stage,omitempty"`
	Cached      bool        `json:"cached"`
	Seconds     float64     `json:"seconds"`
	Fingerprint string      `json:"fingerprint"`
	Output      storage.Ref `json:"output"`
	// Stats are the work's, see [storage.StageRecord].
	Stats storage.Stats `json:"stats,omitzero"`
}

// ReadRun returns the record of a finished experiment or nightly run that is named as ID or ID/RUN,
// and its full name, ID/RUN.
func ReadRun(ctx context.Context, b *storage.Bucket, name string) (string, RunRecord, error) {
	var record RunRecord
	workflow, run, err := b.LatestRun(ctx, name)
	if err != nil {
		return "", record, err
	}
	data, err := b.GetRun(ctx, workflow, run, storage.RunRecord)
	if err != nil {
		return "", record, err
	}
	if err := json.Unmarshal(data, &record); err != nil {
		key := storage.RunKey(workflow, run, storage.RunRecord)
		return "", record, &storage.CorruptError{Key: key, Reason: err.Error()}
	}
	return workflow + "/" + run, record, nil
}

// errNoStudent means that a run has no student of the method.
var errNoStudent = errors.New("no student")

// Student returns the run's first student of a method. An empty method means the spec's first one.
func (r RunRecord) Student(method string) (Model, error) {
	if method == "" && len(r.Spec.Methods) > 0 {
		method = r.Spec.Methods[0]
	}
	for _, trial := range r.Trials {
		if trial.Method == method && trial.Variant == "" {
			return Model{
				Preprocessed: r.Preprocessed, Student: trial.Model, Fusion: trial.Fusion, Method: method,
				Seed: trial.Seed, Spec: r.Spec, UserKey: r.Identity.UserKey,
			}, nil
		}
	}
	return Model{}, fmt.Errorf("%w: no student of method %q (available: %v)", errNoStudent, method, r.Spec.Methods)
}
