package t5

import (
	"rdrec/internal/spec"
	"rdrec/internal/task"
)

// Bucketed is a length bucket: rows of a batch, truncated to the length that they need, and the
// number of equal pads that their last source position represents.
type Bucketed struct {
	Batch task.Batch
	Last  int
}

// LengthBuckets splits a batch into length buckets.
func (m *Model) LengthBuckets(b task.Batch, p spec.Protocol, dropout float64) []Bucketed {
	var all []Bucketed
	for _, g := range m.lengthBuckets(b, p, dropout) {
		all = append(all, Bucketed{g.batch, g.padRepeats})
	}
	return all
}

// Partition splits rows by the number of source positions that each needs.
func (m *Model) Partition(sources []int) [][]int {
	var needs []rowLength
	for row, source := range sources {
		needs = append(needs, rowLength{row, source, 1})
	}
	var runs [][]int
	for _, run := range m.partition(needs) {
		var rows []int
		for _, need := range run {
			rows = append(rows, need.row)
		}
		runs = append(runs, rows)
	}
	return runs
}

// Cost returns the estimated time of a length bucket.
func (m *Model) Cost(rows, source, target int) float64 { return m.cost(rows, source, target) }

// Saturation returns the distance from which on the encoder's bias is constant.
func (c Config) Saturation() int { return c.saturationDistance() }

// CacheRoom returns the capacity of a decoding's cache in tokens.
func (d *Decoding) CacheRoom() int { return int(d.cache.Dim(3)) }
