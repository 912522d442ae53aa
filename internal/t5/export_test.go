package t5

import (
	"rdrec/internal/spec"
	"rdrec/internal/task"
)

// Bucketed is a length bucket: rows of a batch, cut to what they need, and how many equal pads
// their last source position represents.
type Bucketed struct {
	Batch task.Batch
	Last  int
}

// LengthBuckets cuts a batch into length buckets.
func (m *Model) LengthBuckets(b task.Batch, p spec.Protocol, dropout float64) []Bucketed {
	var all []Bucketed
	for _, g := range m.lengthBuckets(b, p, dropout) {
		all = append(all, Bucketed{g.batch, g.padRepeats})
	}
	return all
}

// Partition cuts rows, which need so many source positions each, into runs of rows.
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

// Cost is the estimate of a length bucket's time.
func (m *Model) Cost(rows, source, target int) float64 { return m.cost(rows, source, target) }

// Saturation is the distance from which on the encoder's bias is the same.
func (c Config) Saturation() int { return c.saturationDistance() }

// CacheRoom is for how many tokens a decoding's cache has room.
func (d *Decoding) CacheRoom() int { return int(d.cache.Dim(3)) }
