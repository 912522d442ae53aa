package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
)

// LatestRun returns the run of a name that is a workflow's id, alone for its newest run, or
// followed by a slash and the run's id.
func (b *Bucket) LatestRun(ctx context.Context, name string) (workflow, run string, err error) {
	if name == "" || path.Clean("/"+name) != "/"+name {
		return "", "", fmt.Errorf("records of run %q: %w", name, ErrNotFound)
	}
	var newest object
	err = b.scan(ctx, RunKey(name, "", "")+"/", func(o object) error {
		prefix, ok := strings.CutSuffix(strings.TrimPrefix(o.key, runPrefix+name+"/"), RunRecord)
		if ok && strings.Count(prefix, "/") <= 1 && (newest.key == "" || newest.written.Before(o.written)) {
			newest = o
		}
		return nil
	})
	if err == nil && newest.key == "" {
		err = fmt.Errorf("records of run %q: %w", name, ErrNotFound)
	}
	if err != nil {
		return "", "", err
	}
	runID, _ := runOf(newest.key)
	return path.Dir(runID), path.Base(runID), nil
}

// Table is a model's recommendations for all its users.
type Table struct {
	// Artifact has the recommendations as JSON lines, by user.
	Artifact Ref `json:"artifact"`
	// Top is the maximum number of items per user; Explained means that each has an explanation.
	Top       int  `json:"top"`
	Explained bool `json:"explained"`
}

// PutTable makes a table the one that is served for a model.
func (b *Bucket) PutTable(ctx context.Context, model string, t Table) error {
	data, err := json.MarshalIndent(t, "", " ")
	if err != nil {
		return fmt.Errorf("encode the table of model %q: %w", model, err)
	}
	return b.write(ctx, exportKey(model), data)
}

// Table returns the newest table of a model; ok is false where it has none, or the table is
// incomplete.
func (b *Bucket) Table(ctx context.Context, model string) (t Table, ok bool, err error) {
	data, err := b.read(ctx, exportKey(model))
	if errors.Is(err, ErrNotFound) {
		return t, false, nil
	}
	if err != nil {
		return t, false, err
	}
	if err := json.Unmarshal(data, &t); err != nil {
		return t, false, &CorruptError{exportKey(model), err.Error()}
	}
	ok, err = b.IsComplete(ctx, t.Artifact)
	return t, ok, err
}
