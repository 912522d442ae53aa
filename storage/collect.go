package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// CollectOptions are the options of [Bucket.Collect].
type CollectOptions struct {
	// Before is the age limit: only older objects are deleted. It must be more than an hour before
	// the start of every running workflow: content that a running workflow stores again is no older
	// than that.
	Before time.Time
	// Retention decides which workflows of each name keep their runs, with all that these refer to,
	// and Now is the time by which it counts days. Runs with an object that is not old enough, and
	// the artifacts of promotions in use, remain in any case.
	Retention Retention
	Now       time.Time
	// DryRun only counts.
	DryRun bool
}

// CollectResult counts the objects that [Bucket.Collect] deleted, or would delete.
type CollectResult struct {
	// Remaining counts the objects that remain, of the kinds that can be collected.
	Remaining Count `json:"remaining"`
	// Contents are reached by no run and no stage's record. Checkpoints belong to finished training
	// or are incomplete. Quarantined objects and TempFiles (of killed writers, access checks and
	// requests)
	// are only old.
	Contents    Count `json:"contents"`
	Checkpoints Count `json:"checkpoints"`
	Quarantined Count `json:"quarantined"`
	TempFiles   Count `json:"temp_files"`
	// Runs are records, reports and logs of runs beyond those to keep, Stages the records of stages
	// whose output only such runs refer to.
	Runs   Count `json:"runs"`
	Stages Count `json:"stages"`
	// Usage is what the runs of each name hold, the largest first.
	Usage []Usage `json:"usage"`
}

// Count counts objects.
type Count struct {
	Objects int   `json:"objects"`
	Bytes   int64 `json:"bytes"`
}

func (h *Count) add(o object) {
	h.Objects++
	h.Bytes += o.size
}

// Collect deletes old objects that nothing reaches: no run's or stage's record, no recent promotion
// or nightly run, no checkpoint from which training could resume. Rationales are never deleted, and
// records and reports only with the runs beyond those to keep.
func (b *Bucket) Collect(ctx context.Context, c CollectOptions) (CollectResult, error) {
	m := &marker{
		bucket: b, options: c, reached: map[string]bool{}, finished: map[string]bool{}, complete: map[string]bool{},
		unreached: map[string]bool{}, artifacts: map[Ref]map[string]int64{},
	}
	if err := m.mark(ctx); err != nil {
		return CollectResult{}, err
	}
	found := CollectResult{Usage: m.retention.usage()}
	var toDelete []string
	for _, prefix := range []string{
		casPrefix, checkpointPrefix, quarantinePrefix, rationalePrefix, stagePrefix, runPrefix, probePrefix,
		requestPrefix,
	} {
		err := b.scan(ctx, prefix, func(o object) error {
			count := m.counter(prefix, o, &found)
			switch {
			case count == nil:
			case o.written.Before(c.Before):
				count.add(o)
				toDelete = append(toDelete, o.key)
			default:
				found.Remaining.add(o)
			}
			return nil
		})
		if err != nil {
			return CollectResult{}, err
		}
	}
	if c.DryRun {
		return found, nil
	}
	// A manifest goes before its files: a half-deleted checkpoint is never chosen.
	slices.SortStableFunc(toDelete, func(x, y string) int { return manifestFirst(x) - manifestFirst(y) })
	return found, b.remove(ctx, toDelete...)
}

func manifestFirst(key string) int {
	if path.Base(key) == manifestName {
		return 0
	}
	return 1
}

// marker is the set of objects that a collection must keep.
type marker struct {
	bucket *Bucket
	// reached are content keys; finished are the fingerprints of committed stages; complete are
	// checkpoint folders with a manifest.
	reached, finished, complete map[string]bool
	// unreached are the keys of stages' records that are removed with the last run that refers to
	// their output. artifacts are the content keys of each artifact, with their sizes.
	unreached map[string]bool
	artifacts map[Ref]map[string]int64
	options   CollectOptions
	retention *retention
	// forgotten are the digests of what was removed with a user.
	forgotten map[string]bool
}

// mark follows every record. An unreadable record stops the collection, because its references are
// unknown.
func (m *marker) mark(ctx context.Context) (err error) {
	if m.forgotten, err = m.bucket.forgotten(ctx); err != nil {
		return err
	}
	line, err := m.bucket.lineage(ctx, m.options.Retention)
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(line.unreadable)) {
		return &CorruptError{key, line.unreadable[key]}
	}
	if m.retention, err = m.bucket.retain(ctx, m.options); err != nil {
		return err
	}
	if err := m.reachTables(ctx); err != nil {
		return err
	}
	for run, refs := range line.refs {
		if err := m.follow(ctx, run, refs); err != nil {
			return err
		}
	}
	if err := m.bucket.scan(ctx, stagePrefix, func(o object) error { return m.followStage(ctx, o) }); err != nil {
		return err
	}
	return m.bucket.scan(ctx, checkpointPrefix, func(o object) error {
		if path.Base(o.key) == manifestName {
			m.complete[path.Dir(o.key)] = true
		}
		return nil
	})
}

// followStage reaches the output of a stage by its record, unless it is removed.
func (m *marker) followStage(ctx context.Context, o object) error {
	fingerprint, ok := strings.CutSuffix(path.Base(o.key), ".json")
	if !ok {
		return nil
	}
	data, err := m.bucket.read(ctx, o.key)
	if err != nil {
		return err
	}
	var done StageRecord
	if err := json.Unmarshal(data, &done); err != nil {
		return &CorruptError{o.key, err.Error()}
	}
	m.finished[fingerprint] = true
	old := m.options.Retention.RemovesRuns() && o.written.Before(m.options.Before)
	if old && !m.reached[contentKey(done.Output.Digest)] {
		m.unreached[o.key] = true
		return nil
	}
	return m.reach(ctx, []Ref{done.Output})
}

// reachTables reaches the tables that are served, whatever becomes of the runs that exported them.
func (m *marker) reachTables(ctx context.Context) error {
	return m.bucket.scan(ctx, exportPrefix, func(o object) error {
		if path.Ext(o.key) != ".json" {
			return nil
		}
		data, err := m.bucket.read(ctx, o.key)
		if err != nil {
			return err
		}
		refs, err := refsIn(data)
		if err != nil {
			return &CorruptError{o.key, err.Error()}
		}
		if err := m.reach(ctx, refs); !errors.Is(err, ErrNotFound) {
			return err
		}
		return nil // the table is incomplete, and no longer served
	})
}

// follow reaches what a run refers to, unless the run is removed.
func (m *marker) follow(ctx context.Context, run string, refs []Ref) error {
	if m.retention.removes(run) {
		return nil
	}
	if err := m.reach(ctx, refs); err != nil {
		return err
	}
	for _, ref := range refs {
		m.retention.addContent(run, m.artifacts[ref])
	}
	return nil
}

func (m *marker) reach(ctx context.Context, refs []Ref) error {
	for _, ref := range refs {
		if m.artifacts[ref] != nil {
			continue
		}
		artifact, err := m.bucket.Artifact(ctx, ref)
		if errors.Is(err, ErrNotFound) && m.forgotten[ref.Digest] {
			continue
		}
		if err != nil {
			return fmt.Errorf("follow what is in use: %w", err)
		}
		content := map[string]int64{contentKey(ref.Digest): ref.Size}
		for _, f := range artifact.Files {
			content[contentKey(f.Digest)] = f.Size
		}
		m.artifacts[ref] = content
		for key := range content {
			m.reached[key] = true
		}
	}
	return nil
}

// counter returns the count to which an object belongs if it is old enough to be deleted, or nil if
// it is in use or of a kind that is never deleted.
func (m *marker) counter(prefix string, o object, c *CollectResult) *Count {
	if strings.HasSuffix(o.key, ".tmp") {
		return &c.TempFiles
	}
	for _, kind := range []struct {
		prefix string
		count  *Count
		unused func() bool
	}{
		{probePrefix, &c.TempFiles, func() bool { return true }},
		{requestPrefix, &c.TempFiles, func() bool { return true }},
		{casPrefix, &c.Contents, func() bool { return !m.reached[o.key] }},
		{checkpointPrefix, &c.Checkpoints, func() bool { return m.stale(o) }},
		{runPrefix, &c.Runs, func() bool { return m.retention.expired[ownerOf(strings.TrimPrefix(o.key, runPrefix))] }},
		{stagePrefix, &c.Stages, func() bool { return m.unreached[o.key] }},
		{quarantinePrefix, &c.Quarantined, func() bool {
			return m.obsolete(strings.TrimPrefix(o.key, quarantinePrefix))
		}},
	} {
		if kind.prefix == prefix && kind.unused() {
			return kind.count
		}
	}
	if prefix == casPrefix || prefix == checkpointPrefix || prefix == quarantinePrefix {
		c.Remaining.add(o)
	}
	return nil
}

// stale reports whether training can never resume from a checkpoint's file: the training is
// finished, or no manifest names the file, or it is older than runs remain. An attempt's own record
// is kept while its work is unfinished: it defines the order of attempts.
func (m *marker) stale(o object) bool {
	if m.finished[fingerprintOf(o.key)] {
		return true
	}
	if days := m.options.Retention.KeepDays; days > 0 && o.written.Before(daysBefore(m.options.Now, days)) {
		return true
	}
	return path.Base(o.key) != attemptName && !m.complete[checkpointOf(o.key)]
}

// obsolete reports whether a quarantined object has no further use. A corrupt checkpoint of
// unfinished training is in use: it is the only sign that the training must not start from step
// zero.
func (m *marker) obsolete(key string) bool {
	return !strings.HasPrefix(key, checkpointPrefix) || m.finished[fingerprintOf(key)]
}
