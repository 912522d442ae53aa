package recommend

import (
	"context"

	"rdrec/internal/beam"
	"rdrec/internal/t5"
	"rdrec/internal/task"
)

// Paths lets tests drive one row of a constrained search without a model.
type Paths = paths

// NewPaths returns a row before its first step.
func NewPaths(constraint Constraint, width, want int) *Paths {
	return newPaths(constraint, width, want)
}

// Run searches with log-probabilities that depend on the path so far and the token.
func (p *Paths) Run(end int32, logProb func(path []int32, token int32) float32) []Found {
	prefixes := [][]int32{nil}
	for !p.done() {
		before := prefixes
		parents := p.advance(end, func(beam int, token int32) float32 { return logProb(before[beam], token) })
		prefixes = make([][]int32, len(parents))
		for i, parent := range parents {
			prefixes[i] = append(append([]int32(nil), before[parent]...), p.active[i].token)
		}
	}
	return p.found
}

// Text decodes what was generated.
func (j Job) Text(h beam.Hypothesis) (string, error) { return j.text(h) }

// SearchItemsOnHost is SearchItems that walks on the host, wherever the student is.
func SearchItemsOnHost(ctx context.Context, m *t5.Model, batch task.Batch, catalogue *Catalog, w ItemSearch) ([][]Found, error) {
	w.backend = searchOnCPU
	return SearchItems(ctx, m, batch, catalogue, w)
}

// SearchItemsOnDevice is SearchItems that walks on the device, whichever that is.
func SearchItemsOnDevice(ctx context.Context, m *t5.Model, batch task.Batch, catalog *Catalog, w ItemSearch) ([][]Found, error) {
	w.backend = searchOnDevice
	return SearchItems(ctx, m, batch, catalog, w)
}

// Stream numbers the stream of a user's random items in a kind of list.
func Stream(kind task.Task, user int) uint64 { return randomItemStream(kind, user) }
