package t5

import (
	"cmp"
	"math"
	"slices"

	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/internal/torch"
)

// lengthBucket is the rows of a batch that need about the same number of positions, truncated to
// that number. A batch of several tasks is mostly padding: most of its rows are as long as a
// sentence, and the longest lists a hundred items. Truncation changes no result:
//
//   - If the cross-attention masks padding, no position after a row's last token has an effect.
//   - If it does not (protocol paper), the encoder's states at pads differ only while the relative
//     bias distinguishes their distances to the tokens. All pads farther away are equal, so one
//     represents them all, with the logarithm of their number added to its score.
//   - If padding is excluded from the loss, the decoder need not compute it.
type lengthBucket struct {
	batch task.Batch
	// padRepeats is the number of equal pads that the last source position represents; 1 is itself
	// only.
	padRepeats int
}

// lengthBuckets splits a batch by the lengths that its rows need. Nothing is truncated if some pads
// precede tokens, or if dropout makes pads unequal.
func (m *Model) lengthBuckets(b task.Batch, p spec.Protocol, dropout float64) []lengthBucket {
	lengths, regular := m.rowLengths(b, p)
	if !regular || dropout > 0 && !p.MaskCross {
		return []lengthBucket{{batch: b, padRepeats: 1}}
	}
	slices.SortStableFunc(lengths, func(a, b rowLength) int {
		return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.target, b.target))
	})
	var buckets []lengthBucket
	for _, rows := range m.partition(lengths) {
		g := lengthBucket{batch: gatherRows(b, rows), padRepeats: 1}
		if !p.MaskCross {
			g.padRepeats += b.SourceLen - g.batch.SourceLen
		}
		buckets = append(buckets, g)
	}
	return buckets
}

// rowLength is the number of source and target positions that a row needs.
type rowLength struct{ row, source, target int }

func (m *Model) rowLengths(b task.Batch, p spec.Protocol) (lengths []rowLength, regular bool) {
	pads := m.saturationDistance()
	for row := range b.Size {
		mask := b.Mask[row*b.SourceLen : (row+1)*b.SourceLen]
		source := slices.Index(mask, 0)
		if source < 0 {
			source = b.SourceLen
		}
		for i := row*b.SourceLen + source; i < (row+1)*b.SourceLen; i++ {
			if b.Mask[i] != 0 || b.Source[i] != m.Pad || b.Whole[i] != 0 {
				return nil, false
			}
		}
		if !p.MaskCross {
			source = min(source+pads, b.SourceLen)
		}
		target := b.TargetLen
		for p.SkipPads && target > 1 && b.Target[row*b.TargetLen+target-1] == m.Pad {
			target--
		}
		lengths = append(lengths, rowLength{row, source, target})
	}
	return lengths, true
}

// saturationDistance returns the distance from which on the encoder's relative bias is constant.
func (c Config) saturationDistance() int {
	last := Bucket(-math.MaxInt32, c.Buckets, c.MaxDistance, true)
	distance := int64(1)
	for Bucket(-distance, c.Buckets, c.MaxDistance, true) != last {
		distance++
	}
	return int(distance)
}

// partition splits rows, sorted by length, into the buckets with the lowest total cost.
func (m *Model) partition(rows []rowLength) [][]rowLength {
	best := make([]float64, len(rows)+1) // the cost of the first n rows
	from := make([]int, len(rows)+1)     // the start of their last bucket
	for end := 1; end <= len(rows); end++ {
		best[end] = math.Inf(1)
		target := 0
		for start := end - 1; start >= 0; start-- {
			target = max(target, rows[start].target)
			if cost := best[start] + m.cost(end-start, rows[end-1].source, target); cost < best[end] {
				best[end], from[end] = cost, start
			}
		}
	}
	var buckets [][]rowLength
	for end := len(rows); end > 0; end = from[end] {
		buckets = append(buckets, rows[from[end]:end])
	}
	slices.Reverse(buckets)
	return buckets
}

// cost estimates the time of a bucket, in multiplications: those of the layers, those of the
// attention's scores, and the overhead of starting operations, which costs a GPU more
// multiplications than a CPU.
func (m *Model) cost(rows, source, target int) float64 {
	const passes = 4 // over a score, besides its two products
	start := 2e8
	if m.device != torch.CPU {
		start = 1e11
	}
	inner := float64(m.Heads * m.Head)
	position := float64(m.Model) * (4*inner + 2*float64(m.FeedForward)) * float64(m.Layers)
	score := 2 * inner * passes * float64(m.Layers)
	n, t := float64(source), float64(target)
	return start + float64(rows)*(n*position+n*n*score+t*(position+float64(m.Model*m.Vocabulary)))
}

// gatherRows returns a batch of some rows, truncated to the longest of their lengths.
func gatherRows(b task.Batch, rows []rowLength) task.Batch {
	g := task.Batch{Size: len(rows)}
	for _, length := range rows {
		g.SourceLen, g.TargetLen = max(g.SourceLen, length.source), max(g.TargetLen, length.target)
	}
	for _, length := range rows {
		source, target := length.row*b.SourceLen, length.row*b.TargetLen
		g.Prompts = append(g.Prompts, b.Prompts[length.row])
		g.Source = append(g.Source, b.Source[source:source+g.SourceLen]...)
		g.Mask = append(g.Mask, b.Mask[source:source+g.SourceLen]...)
		g.Whole = append(g.Whole, b.Whole[source:source+g.SourceLen]...)
		g.Target = append(g.Target, b.Target[target:target+g.TargetLen]...)
		if b.Last != nil {
			g.Last, g.Next = append(g.Last, b.Last[length.row]), append(g.Next, b.Next[length.row])
		}
	}
	return g
}
