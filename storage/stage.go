package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// Done records that a stage made an artefact from exactly the inputs that its fingerprint stands for.
type Done struct {
	Stage       string `json:"stage"`
	Fingerprint string `json:"fingerprint"`
	// Output is the artefact that the stage made.
	Output Ref `json:"output"`
	// Inputs are the digests of what it was made from: artefacts, or files outside the bucket.
	Inputs []string `json:"inputs,omitempty"`
	// Seconds is how long the work took; Workflow and Run are who did it first.
	Seconds float64 `json:"seconds"`
	// Figures are what else is known of the work and is no part of its output: how many rows were asked, how many tokens that took.
	Figures  map[string]float64 `json:"figures,omitempty"`
	Workflow string             `json:"workflow"`
	Run      string             `json:"run"`
}

// Fingerprint is the name of a stage's work: a hash of the stage, its declared version, the inputs' digests and its settings.
// Settings are marshalled as JSON; struct fields keep their order and map keys are sorted, so equal settings hash equally.
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

// LookUp returns what a stage made before from the same inputs. A record whose artefact is gone or torn counts as absent.
func (b *Bucket) LookUp(ctx context.Context, stage, fingerprint string) (Done, bool, error) {
	data, err := b.read(ctx, stageKey(stage, fingerprint))
	if errors.Is(err, ErrNotFound) {
		return Done{}, false, nil
	}
	if err != nil {
		return Done{}, false, err
	}
	var done Done
	if err := json.Unmarshal(data, &done); err != nil {
		return Done{}, false, b.quarantine(ctx, stageKey(stage, fingerprint))
	}
	whole, err := b.whole(ctx, done.Output)
	return done, whole && err == nil, err
}

// whole says whether an artefact and all its files are there with their sizes. Hashes are checked when the files are read.
func (b *Bucket) whole(ctx context.Context, ref Ref) (bool, error) {
	artefact, err := b.Artefact(ctx, ref)
	var corrupt *CorruptError
	if errors.Is(err, ErrNotFound) || errors.As(err, &corrupt) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, f := range artefact.Files {
		if there, err := b.holds(ctx, f.Ref, 0); err != nil || !there {
			return false, err
		}
	}
	return true, nil
}

// Commit records a finished stage. Only the activity that the workflow schedules for this calls it: a zombie's late result is
// refused by the server and never becomes the record.
func (b *Bucket) Commit(ctx context.Context, done Done) error {
	return b.writeRecord(ctx, stageKey(done.Stage, done.Fingerprint), done)
}

// Note records that a run uses a stage's result, found or made: the run's lineage.
func (b *Bucket) Note(ctx context.Context, workflow, run string, done Done) error {
	return b.writeRecord(ctx, lineageKey(workflow, run, done.Stage, done.Fingerprint), done)
}

func (b *Bucket) writeRecord(ctx context.Context, key string, done Done) error {
	data, err := json.MarshalIndent(done, "", " ")
	if err != nil {
		return fmt.Errorf("encode record of stage %q: %w", done.Stage, err)
	}
	return b.write(ctx, key, data)
}

// GetRun returns a file of a run's own record.
func (b *Bucket) GetRun(ctx context.Context, workflow, run, name string) ([]byte, error) {
	return b.read(ctx, RunKey(workflow, run, name))
}

// PutRun stores a file of a run's own record under [RunKey].
func (b *Bucket) PutRun(ctx context.Context, workflow, run, name string, data []byte) error {
	return b.write(ctx, RunKey(workflow, run, name), data)
}
