package llama

import (
	"slices"

	"rdrec/internal/torch"
)

// prefix is the keys and values of a prefix that all rows share, computed once.
type prefix struct {
	ids          []int64
	groups       int64
	keys, values []*torch.Tensor // by layer: [groups, head, ids] and [groups, ids, head]
}

// update stores the keys and values of the prefix.
func (p *prefix) update(_ int, keys, values *torch.Tensor) (allKeys, allValues *torch.Tensor) {
	allKeys, allValues = keys.Squeeze(0).Contiguous(), values.Squeeze(0).Contiguous() // [groups, ids, head]
	p.keys = append(p.keys, torch.Keep(allKeys.Transpose(1, 2).Clone()))
	p.values = append(p.values, torch.Keep(allValues.Clone()))
	return allKeys, allValues
}

func (p *prefix) free() {
	if p == nil {
		return
	}
	for _, t := range slices.Concat(p.keys, p.values) {
		t.Free()
	}
}

// attend computes the attention to the prefix and to the rows' own keys. The prefix's keys are
// multiplied by all rows' queries in one product for each group, without a copy for each row.
// scores is [sequences groups, tokens groupSize, own keys], queries [sequences groups, tokens
// groupSize, head].
func (p *prefix) attend(layer int, queries, scores, values *torch.Tensor) *torch.Tensor {
	shape := queries.Shape()
	rows, queryCount, head := shape[0]/p.groups, shape[1], shape[2]
	length := int64(len(p.ids))
	byGroup := queries.View(rows, p.groups, queryCount, head).Transpose(0, 1).Reshape(p.groups, rows*queryCount, head)
	prefixScores := byGroup.MatMul(p.keys[layer]) // [groups, rows queries, ids]
	prefixScores = prefixScores.View(p.groups, rows, queryCount, length).Transpose(0, 1)
	prefixScores = prefixScores.Reshape(rows*p.groups, queryCount, length)
	weights := torch.Cat(-1, prefixScores, scores).Softmax(-1) // [sequences groups, queries, ids + own keys]
	prefixWeights := weights.View(rows, p.groups, queryCount, -1).Narrow(-1, 0, length).Transpose(0, 1)
	prefixWeights = prefixWeights.Reshape(p.groups, rows*queryCount, length)
	attended := prefixWeights.MatMul(p.values[layer]) // [groups, rows queries, head]
	attended = attended.View(p.groups, rows, queryCount, head).Transpose(0, 1).Reshape(rows*p.groups, queryCount, head)
	return attended.AddBatched(weights.Narrow(-1, length, values.Dim(1)), values)
}
