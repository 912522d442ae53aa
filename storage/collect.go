package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// Collection says what [Bucket.Collect] deletes.
type Collection struct {
	// Before is the age limit: only what was written earlier is deleted. Whoever calls must put it before the start of every
	// workflow that still runs, by more than an hour: content that a running workflow stores again is no older than that.
	Before time.Time
	// DryRun only counts.
	DryRun bool
}

// Collected is what [Bucket.Collect] deleted, or would.
type Collected struct {
	// Kept is what remains of the kinds of objects that are ever collected.
	Kept Heap `json:"kept"`
	// Contents were reached by no run and no stage's record; Checkpoints belong to finished training or are half written;
	// Quarantined and Leftovers (temporary files of killed writers) are only old.
	Contents    Heap `json:"contents"`
	Checkpoints Heap `json:"checkpoints"`
	Quarantined Heap `json:"quarantined"`
	Leftovers   Heap `json:"leftovers"`
}

// Heap counts objects.
type Heap struct {
	Objects int   `json:"objects"`
	Bytes   int64 `json:"bytes"`
}

func (h *Heap) add(o object) {
	h.Objects++
	h.Bytes += o.size
}

// Collect deletes old objects that nothing reaches: no run's record, no stage's, no recent promotion or night, no checkpoint that training could go on
// from. Records, rationales and reports are never deleted.
func (b *Bucket) Collect(ctx context.Context, c Collection) (Collected, error) {
	m := &marks{bucket: b, reached: map[string]bool{}, finished: map[string]bool{}, whole: map[string]bool{}}
	if err := m.mark(ctx); err != nil {
		return Collected{}, err
	}
	var found Collected
	var doomed []string
	for _, prefix := range []string{casPrefix, checkpointPrefix, quarantinePrefix, rationalePrefix, stagePrefix, runPrefix} {
		err := b.scan(ctx, prefix, func(o object) error {
			heap := m.heap(prefix, o, &found)
			switch {
			case heap == nil:
			case o.written.Before(c.Before):
				heap.add(o)
				doomed = append(doomed, o.key)
			default:
				found.Kept.add(o)
			}
			return nil
		})
		if err != nil {
			return Collected{}, err
		}
	}
	if c.DryRun {
		return found, nil
	}
	// A manifest goes before its files: a half-deleted checkpoint is never chosen.
	slices.SortStableFunc(doomed, func(x, y string) int { return manifestFirst(x) - manifestFirst(y) })
	return found, b.remove(ctx, doomed...)
}

func manifestFirst(key string) int {
	if path.Base(key) == manifestName {
		return 0
	}
	return 1
}

// marks is what a collection must spare.
type marks struct {
	bucket *Bucket
	// reached are content keys; finished are the fingerprints of committed stages; whole are checkpoint folders with a manifest.
	reached, finished, whole map[string]bool
}

// mark follows every record. One that can't be read stops the collection: what it refers to is not known.
func (m *marks) mark(ctx context.Context) error {
	line, err := m.bucket.lineage(ctx)
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(line.unread)) {
		return &CorruptError{key, line.unread[key]}
	}
	for _, refs := range line.refs {
		if err := m.reach(ctx, refs); err != nil {
			return err
		}
	}
	err = m.bucket.scan(ctx, stagePrefix, func(o object) error {
		fingerprint, ok := strings.CutSuffix(path.Base(o.key), ".json")
		if !ok {
			return nil
		}
		data, err := m.bucket.read(ctx, o.key)
		if err != nil {
			return err
		}
		var done Done
		if err := json.Unmarshal(data, &done); err != nil {
			return &CorruptError{o.key, err.Error()}
		}
		m.finished[fingerprint] = true
		return m.reach(ctx, []Ref{done.Output})
	})
	if err != nil {
		return err
	}
	return m.bucket.scan(ctx, checkpointPrefix, func(o object) error {
		if path.Base(o.key) == manifestName {
			m.whole[path.Dir(o.key)] = true
		}
		return nil
	})
}

func (m *marks) reach(ctx context.Context, refs []Ref) error {
	for _, ref := range refs {
		if m.reached[contentKey(ref.Digest)] {
			continue
		}
		artefact, err := m.bucket.Artefact(ctx, ref)
		if err != nil {
			return fmt.Errorf("follow what is in use: %w", err)
		}
		m.reached[contentKey(ref.Digest)] = true
		for _, f := range artefact.Files {
			m.reached[contentKey(f.Digest)] = true
		}
	}
	return nil
}

// heap is where an object counts if it is old enough to be deleted; nil for one that is in use or of a kind that is never deleted.
func (m *marks) heap(prefix string, o object, c *Collected) *Heap {
	switch {
	case strings.HasSuffix(o.key, ".tmp"):
		return &c.Leftovers
	case prefix == casPrefix && !m.reached[o.key]:
		return &c.Contents
	case prefix == checkpointPrefix && m.stale(o.key):
		return &c.Checkpoints
	case prefix == quarantinePrefix && m.settled(strings.TrimPrefix(o.key, quarantinePrefix)):
		return &c.Quarantined
	case prefix == casPrefix || prefix == checkpointPrefix || prefix == quarantinePrefix:
		c.Kept.add(o)
	}
	return nil
}

// stale says that training will never go on from a checkpoint's file: the training is finished, or no manifest names the file. An
// attempt's own record stays as long as its work is unfinished: the order of attempts hangs on it.
func (m *marks) stale(key string) bool {
	if m.finished[fingerprintOf(key)] {
		return true
	}
	return path.Base(key) != attemptName && !m.whole[checkpointOf(key)]
}

// settled says that a quarantined object is of no more use: a corrupt checkpoint is the only sign that training must not start
// from zero, as long as it is unfinished.
func (m *marks) settled(key string) bool {
	return !strings.HasPrefix(key, checkpointPrefix) || m.finished[fingerprintOf(key)]
}
