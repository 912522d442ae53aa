package llama

import (
	"math"

	"rdrec/internal/torch"
)

// cache is the memory of the rows that are being written: keys and values of their own tokens, set
// aside once. A row that has ended gives its slot to the next one.
type kvCache struct {
	config       Config
	device       torch.Device
	rows         int64           // how many rows fit
	capacity     int64           // how many tokens of its own a row may have
	keys, values []*torch.Tensor // by layer: [rows groups room, head]
}

func newKVCache(s *torch.Scope, m *model, count, capacity int64) *kvCache {
	out := &kvCache{config: m.config, device: m.device, rows: count, capacity: capacity}
	for range m.layers {
		shape := []int64{count * int64(m.config.Groups) * capacity, int64(m.config.Head)}
		out.keys = append(out.keys, s.Zeros(m.dtype, m.device, shape...))
		out.values = append(out.values, s.Zeros(m.dtype, m.device, shape...))
	}
	return out
}

// indices are where the slots' groups keep what stands at the given positions, one position after
// another for each row and group: [sequences groups tokens] indices of the slots' rows.
func (c *kvCache) indices(slots []int, from []int, tokens int) []int64 {
	groups := int64(c.config.Groups)
	indices := make([]int64, 0, len(slots)*c.config.Groups*tokens)
	for i, slot := range slots {
		for group := range groups {
			start := (int64(slot)*groups+group)*c.capacity + int64(from[i])
			for token := range int64(tokens) {
				indices = append(indices, start+token)
			}
		}
	}
	return indices
}

// moveRow copies a row's keys and values to another slot.
func (c *kvCache) moveRow(s *torch.Scope, from, to int) {
	row := int64(c.config.Groups) * c.capacity
	for i := range c.keys {
		for _, all := range []*torch.Tensor{c.keys[i], c.values[i]} {
			all := s.Use(all)
			all.Narrow(0, int64(to)*row, row).SetTo(all.Narrow(0, int64(from)*row, row))
		}
	}
}

// prefillCache is the memory of a pass that reads several tokens of new rows: they look at each
// other, and the slots keep them.
type prefillCache struct {
	cache   *kvCache
	indices *torch.Tensor // [sequences groups tokens]
}

func (r prefillCache) update(layer int, keys, values *torch.Tensor) (allKeys, allValues *torch.Tensor) {
	shape := keys.Shape() // [sequences, groups, tokens, head]
	keys, values = keys.Contiguous(), values.Contiguous()
	r.cache.keys[layer].IndexCopyTo(0, r.indices, keys.View(-1, shape[3]))
	r.cache.values[layer].IndexCopyTo(0, r.indices, values.View(-1, shape[3]))
	return keys.View(shape[0]*shape[1], shape[2], shape[3]), values.View(shape[0]*shape[1], shape[2], shape[3])
}

// stepCache is the memory of a pass that adds one token to each of the first slots, which look at
// all of their past.
type stepCache struct {
	cache   *kvCache
	indices *torch.Tensor // [sequences groups]
	past    int64         // how many positions the longest row has, the new one included
}

func (w stepCache) update(layer int, keys, values *torch.Tensor) (allKeys, allValues *torch.Tensor) {
	shape := keys.Shape() // [sequences, groups, 1, head]
	rows, head := shape[0]*shape[1], shape[3]
	cached := func(all, added *torch.Tensor) *torch.Tensor {
		all.IndexCopyTo(0, w.indices, added.Reshape(rows, head))
		return added.Scope().Use(all).Narrow(0, 0, rows*w.cache.capacity).View(rows, w.cache.capacity, head).Narrow(1, 0, w.past)
	}
	return cached(w.cache.keys[layer], keys), cached(w.cache.values[layer], values)
}

// causalMask lets each token look at itself and at those before it: [1, tokens fan, tokens], 0 or
// -inf.
func causalMask(tokens, groupSize int) []float32 {
	out := make([]float32, tokens*groupSize*tokens)
	for token := range tokens {
		for query := range groupSize {
			row := out[(token*groupSize+query)*tokens:]
			for key := token + 1; key < tokens; key++ {
				row[key] = float32(math.Inf(-1))
			}
		}
	}
	return out
}

// pastMask lets each row look at its own past: [sequences, past], 0 or -inf. at is the position
// that each row writes now.
func pastMask(at []int, past int) []float32 {
	out := make([]float32, len(at)*past)
	for row, position := range at {
		for key := position + 1; key < past; key++ {
			out[row*past+key] = float32(math.Inf(-1))
		}
	}
	return out
}
