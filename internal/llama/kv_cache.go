package llama

import (
	"math"

	"rdrec/internal/torch"
)

// kvCache holds the keys and values of the rows that are being generated. It is allocated once; the
// slot of a finished row goes to the next one.
type kvCache struct {
	config       Config
	device       torch.Device
	rows         int64           // number of slots
	capacity     int64           // maximum number of tokens of a row, without the prefix
	keys, values []*torch.Tensor // by layer: [rows groups capacity, head]
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

// indices returns the cache indices of tokens positions from the given ones on, for each slot and
// group. [sequences groups tokens]
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

// pastMask returns the mask with which each row attends to its own tokens: 0 or -inf. at is the
// current position of each row. [sequences, past]
func pastMask(at []int, past int) []float32 {
	out := make([]float32, len(at)*past)
	for row, position := range at {
		for key := position + 1; key < past; key++ {
			out[row*past+key] = float32(math.Inf(-1))
		}
	}
	return out
}
