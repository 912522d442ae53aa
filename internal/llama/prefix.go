package llama

import (
	"slices"

	"rdrec/internal/torch"
)

// prefix is the keys and values of what all prompts begin with, read once and shared by all rows.
type prefix struct {
	ids          []int64
	groups       int64
	keys, values []*torch.Tensor // by layer: [groups, head, ids] and [groups, ids, head]
}

// remember keeps the keys and values of the one row that is read.
func (p *prefix) remember(_ int, keys, values *torch.Tensor) (allKeys, allValues *torch.Tensor) {
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

// attend looks at the prefix and at the rows' own keys together. The prefix's keys meet all rows' queries in one product for each
// group, without a copy for each row. found is [rows groups, tokens fan, own keys], queries [rows groups, tokens fan, head].
func (p *prefix) attend(layer int, queries, found, values *torch.Tensor) *torch.Tensor {
	shape := queries.Shape()
	rows, asks, head := shape[0]/p.groups, shape[1], shape[2]
	length := int64(len(p.ids))
	byGroup := queries.View(rows, p.groups, asks, head).Transpose(0, 1).Reshape(p.groups, rows*asks, head)
	ahead := byGroup.MatMul(p.keys[layer]) // [groups, rows asks, ids]
	ahead = ahead.View(p.groups, rows, asks, length).Transpose(0, 1).Reshape(rows*p.groups, asks, length)
	weights := torch.Cat(-1, ahead, found).Softmax(-1) // [rows groups, asks, ids + own keys]
	ours := weights.View(rows, p.groups, asks, -1).Narrow(-1, 0, length).Transpose(0, 1).Reshape(p.groups, rows*asks, length)
	seen := ours.MatMul(p.values[layer]) // [groups, rows asks, head]
	seen = seen.View(p.groups, rows, asks, head).Transpose(0, 1).Reshape(rows*p.groups, asks, head)
	return seen.AddBatched(weights.Narrow(-1, length, values.Dim(1)), values)
}
