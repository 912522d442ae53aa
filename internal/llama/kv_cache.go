package llama

import (
	"math"

	"rdrec/internal/torch"
)

// kvCache holds the keys and values of the rows that are being generated. It is allocated once; the
// slot of a finished row goes to the next one.
type kvCache struct {
	rows         int64           // number of slots
	groups       int64           // per row
	capacity     int64           // maximum number of tokens of a row, without the prefix
	keys, values []*torch.Tensor // by layer: [rows groups capacity, head]
	first        *torch.Tensor   // the cache index of each row's first token [rows, groups]
	last         *torch.Tensor   // the cache index of the last token that fits [rows groups]
	// masks holds, for each number of tokens that fit after a row's token, the mask with which it
	// attends to its own tokens: 0 or -inf. Each mask is the one before it without its first
	// element, so all are views of one vector. [capacity, capacity]
	masks *torch.Tensor
}

func newKVCache(s *torch.Scope, m *model, count, capacity int64) *kvCache {
	out := &kvCache{rows: count, groups: int64(m.config.Groups), capacity: capacity}
	for range m.layers {
		shape := []int64{count * out.groups * capacity, int64(m.config.Head)}
		out.keys = append(out.keys, s.Zeros(m.dtype, m.device, shape...))
		out.values = append(out.values, s.Zeros(m.dtype, m.device, shape...))
	}
	first, last := make([]int64, count*out.groups), make([]int64, count*out.groups)
	for i := range first {
		first[i] = int64(i) * capacity
		last[i] = first[i] + capacity - 1
	}
	out.first, out.last = m.int64s(s, first).View(count, -1), m.int64s(s, last)
	vector := s.Zeros(m.dtype, m.device, 2*capacity)
	vector.Narrow(0, capacity, capacity).Fill(math.Inf(-1))
	out.masks = vector.Strided([]int64{capacity, capacity}, []int64{1, 1}, 0)
	return out
}

// rowIndices returns the cache indices of the first tokens of each slot and group.
// [sequences groups tokens]
func (c *kvCache) rowIndices(slots *torch.Tensor, tokens int64) *torch.Tensor {
	offsets := slots.Scope().Arange(tokens, slots.Device())
	return c.first.IndexSelect(0, slots).Unsqueeze(2).Add(offsets).View(-1)
}

// step returns the cache of a step, and the mask with which its tokens attend to the rows' own
// tokens. [sequences groups, 1, past]
func (c *kvCache) step(in *stepInput) (cache stepCache, mask *torch.Tensor) {
	remaining := in.remaining()
	mask = c.masks.In(remaining).Narrow(1, 0, in.past).IndexSelect(0, remaining).Unsqueeze(1)
	indices := c.last.In(remaining).Narrow(0, 0, in.rows*c.groups).Sub(remaining)
	return stepCache{cache: c, past: in.past, indices: indices}, mask
}

// moveRow copies a row's keys and values to another slot.
func (c *kvCache) moveRow(s *torch.Scope, from, to int) {
	row := c.groups * c.capacity
	for i := range c.keys {
		for _, all := range []*torch.Tensor{c.keys[i], c.values[i]} {
			all := s.Use(all)
			all.Narrow(0, int64(to)*row, row).SetTo(all.Narrow(0, int64(from)*row, row))
		}
	}
}

// prefillCache is the cache of a pass over several tokens of new rows, which attend to each other.
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

// stepCache is the cache of a pass over one token for each of the first slots, which attends to all
// earlier tokens.
type stepCache struct {
	cache   *kvCache
	indices *torch.Tensor // [sequences groups]
	past    int64         // length of the longest row, including the new token
}

func (w stepCache) update(layer int, keys, values *torch.Tensor) (allKeys, allValues *torch.Tensor) {
	shape := keys.Shape() // [sequences, groups, 1, head]
	rows, head := shape[0]*shape[1], shape[3]
	cached := func(all, added *torch.Tensor) *torch.Tensor {
		all.IndexCopyTo(0, w.indices, added.Reshape(rows, head))
		used := added.Scope().Use(all).Narrow(0, 0, rows*w.cache.capacity)
		return used.View(rows, w.cache.capacity, head).Narrow(1, 0, w.past)
	}
	return cached(w.cache.keys[layer], keys), cached(w.cache.values[layer], values)
}

// causalMask returns the mask with which each token attends to itself and to earlier tokens: 0 or
// -inf. [1, tokens groupSize, tokens]
func causalMask(s *torch.Scope, m *model, tokens int64) *torch.Tensor {
	mask := s.Full(math.Inf(-1), m.dtype, m.device, tokens, tokens).UpperTriangle(1)
	return mask.RepeatInterleave(int64(m.config.Heads/m.config.Groups), 0).Unsqueeze(0)
}
