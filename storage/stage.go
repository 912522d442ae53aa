package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// StageRecord records the artifact that a stage made from exactly the inputs of its fingerprint.
type StageRecord struct {
	Stage       string `json:"stage"`
	Fingerprint string `json:"fingerprint"`
	// Label is the stage's name for people, with its trial; empty in older records.
	Label string `json:"label,omitempty"`
	// Output is the artifact that the stage made.
	Output Ref `json:"output"`
	// Inputs are the digests of the inputs: artifacts, or files outside the bucket.
	Inputs []string `json:"inputs,omitempty"`
	// Version is the version of the stage's code, and Settings are its settings as JSON. Garbage
	// collection follows no reference in a text. Both are zero in older records.
	Version  int    `json:"version,omitempty"`
	Settings string `json:"settings,omitempty"`
	// Seconds is how long the work took; Workflow and Run identify the run that did it, and Time is
	// when it was recorded.
	Seconds float64 `json:"seconds"`
	// Stats are no part of the output.
	Stats    Stats     `json:"stats,omitzero"`
	Workflow string    `json:"workflow"`
	Run      string    `json:"run"`
	Time     time.Time `json:"time,omitzero"`
}

// Stats are the statistics of a stage's work.
type Stats struct {
	// Units is how many units the work had, such as steps or users, and Unit is their name; zero
	// where nothing was counted.
	Units int    `json:"units,omitempty"`
	Unit  string `json:"unit,omitempty"`
	// Rate is how many units a second it did once it was under way; 0 where that was not measured.
	Rate float64 `json:"rate,omitempty"`
	// Requests, Tokens, Seconds and BatchHalvings are those of a distillation: Requests were
	// answered by the teacher, which generated Tokens for them in Seconds.
	Requests int     `json:"requests"`
	Tokens   int     `json:"tokens"`
	Seconds  float64 `json:"seconds"`
	// BatchHalvings counts how often the teacher ran out of memory and halved its batch.
	BatchHalvings int `json:"batch_halvings,omitempty"`
	// WastedSeconds is how long attempts worked whose results are lost: they failed, or lost their
	// worker.
	WastedSeconds float64 `json:"wasted_seconds,omitempty"`
	// GPU is PyTorch's name of the GPU that did the work, such as cuda:0; empty for a CPU.
	GPU string `json:"gpu,omitempty"`
}

// Fingerprint identifies a stage's work: it is a hash of the stage, its declared version, the
// digests of the inputs, and the settings. Settings are encoded as JSON; struct fields keep their
// order and map keys are sorted, so equal settings hash equally.
func Fingerprint(stage string, version int, settings any, inputs ...string) (string, error) {
	data, err := json.Marshal(struct {
		Stage    string   `json:"stage"`
		Version  int      `json:"version"`
		Settings any      `json:"settings"`
		Inputs   []string `json:"inputs"`
	}{stage, version, settings, inputs})
	if err != nil {
		return "", fmt.Errorf("fingerprint of stage %q: %w", stage, err)
	}
	return Digest(data), nil
}

// LookUp returns the earlier result of a stage with the same inputs. A record whose artifact is
// missing or truncated counts as absent.
func (b *Bucket) LookUp(ctx context.Context, stage, fingerprint string) (StageRecord, bool, error) {
	data, err := b.read(ctx, stageKey(stage, fingerprint))
	if errors.Is(err, ErrNotFound) {
		return StageRecord{}, false, nil
	}
	if err != nil {
		return StageRecord{}, false, err
	}
	var record StageRecord
	if err := json.Unmarshal(data, &record); err != nil {
		return StageRecord{}, false, b.quarantine(ctx, stageKey(stage, fingerprint))
	}
	complete, err := b.IsComplete(ctx, record.Output)
	return record, complete && err == nil, err
}

// StageRecord returns a stage's record, whether or not its artifact still exists.
func (b *Bucket) StageRecord(ctx context.Context, stage, fingerprint string) (record StageRecord, err error) {
	data, err := b.read(ctx, stageKey(stage, fingerprint))
	if err != nil {
		return record, err
	}
	if err := json.Unmarshal(data, &record); err != nil {
		return record, &CorruptError{Key: stageKey(stage, fingerprint), Reason: err.Error()}
	}
	return record, nil
}

// IsComplete reports whether an artifact and all its files exist with their sizes. Hashes are
// checked when the files are read.
func (b *Bucket) IsComplete(ctx context.Context, ref Ref) (bool, error) {
	artifact, err := b.Artifact(ctx, ref)
	var corrupt *CorruptError
	if errors.Is(err, ErrNotFound) || errors.As(err, &corrupt) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, f := range artifact.Files {
		if there, err := b.contains(ctx, f.Ref, 0); err != nil || !there {
			return false, err
		}
	}
	return true, nil
}

// Commit records a finished stage. Only the activity that the workflow schedules for this purpose
// calls it: the server rejects a zombie's late result, so it never becomes the record.
func (b *Bucket) Commit(ctx context.Context, record StageRecord) error {
	return b.writeRecord(ctx, stageKey(record.Stage, record.Fingerprint), record)
}

// AddLineage records that a run uses a stage's result, cached or computed.
func (b *Bucket) AddLineage(ctx context.Context, workflow, run string, record StageRecord) error {
	return b.writeRecord(ctx, lineageKey(workflow, run, record.Stage, record.Fingerprint), record)
}

func (b *Bucket) writeRecord(ctx context.Context, key string, record StageRecord) error {
	data, err := json.MarshalIndent(record, "", " ")
	if err != nil {
		return fmt.Errorf("encode record of stage %q: %w", record.Stage, err)
	}
	return b.write(ctx, key, data)
}

// GetRun returns a file of a run.
func (b *Bucket) GetRun(ctx context.Context, workflow, run, name string) ([]byte, error) {
	return b.read(ctx, RunKey(workflow, run, name))
}

// PutRun stores a file of a run under [RunKey].
func (b *Bucket) PutRun(ctx context.Context, workflow, run, name string, data []byte) error {
	return b.write(ctx, RunKey(workflow, run, name), data)
}
