package recommend

import (
	"context"

	"rdrec/internal/beam"
	"rdrec/internal/t5"
	"rdrec/internal/task"
	"rdrec/internal/torch"
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

// Text decodes a hypothesis.
func (j Job) Text(h beam.Hypothesis) (string, error) { return j.text(h) }

// SearchItemsOnHost is SearchItems with the host backend.
func SearchItemsOnHost(
	ctx context.Context, m *t5.Model, batch task.Batch, catalog *Catalog, w ItemSearch,
) ([][]Found, error) {
	w.backend = searchOnCPU
	return SearchItems(ctx, m, batch, catalog, w)
}

// SearchItemsOnDevice is SearchItems with the device backend.
func SearchItemsOnDevice(
	ctx context.Context, m *t5.Model, batch task.Batch, catalog *Catalog, w ItemSearch,
) ([][]Found, error) {
	w.backend = searchOnDevice
	return SearchItems(ctx, m, batch, catalog, w)
}

// Stream returns the random stream of a user's random items in a task.
func Stream(tk task.Task, user int) uint64 { return randomItemStream(tk, user) }

// TopItems returns the n best items by scores.
func TopItems(scores []float32, excluded []int, n int) []Found { return topItems(scores, excluded, n) }

// NewCatalog returns the catalog of a job's items.
func (j Job) NewCatalog() (*Catalog, error) { return j.newCatalog() }

// Encoder returns the encoder of a job's examples.
func (j Job) Encoder(maxTargetTokens int) (*task.Encoder, error) {
	return task.NewEncoder(j.Tokenizer, j.settings(), maxTargetTokens)
}

// CopyConstraints copies the constraints of a batch to the CPU as a search on a device does.
func CopyConstraints(catalog *Catalog, constraints []Constraint) {
	s := torch.NewScope()
	defer s.Close()
	newDeviceTrie(s, catalog, constraints, torch.CPU)
}
