package llama

import (
	"math"

	"rdrec/internal/torch"
)

// slots is the memory of the rows that are being written: keys and values of their own tokens, set aside once. A row that has ended
// gives its slot to the next one.
type slots struct {
	config       Config
	device       torch.Device
	count        int64           // how many rows fit
	room         int64           // how many tokens of its own a row may have
	keys, values []*torch.Tensor // by layer: [count groups room, head]
}

func newSlots(s *torch.Scope, m *model, count, room int64) *slots {
	out := &slots{config: m.config, device: m.device, count: count, room: room}
	for range m.layers {
		shape := []int64{count * int64(m.config.Groups) * room, int64(m.config.Head)}
		out.keys = append(out.keys, s.Zeros(m.dtype, m.device, shape...))
		out.values = append(out.values, s.Zeros(m.dtype, m.device, shape...))
	}
	return out
}

// places are where the slots' groups keep what stands at the given positions, one position after another for each row and group:
// [rows groups tokens] indices of the slots' rows.
func (c *slots) places(slots []int, from []int, tokens int) []int64 {
	groups := int64(c.config.Groups)
	out := make([]int64, 0, len(slots)*c.config.Groups*tokens)
	for i, slot := range slots {
		for group := range groups {
			start := (int64(slot)*groups+group)*c.room + int64(from[i])
			for token := range int64(tokens) {
				out = append(out, start+token)
			}
		}
	}
	return out
}

// move copies a row's keys and values to another slot.
func (c *slots) move(s *torch.Scope, from, to int) {
	row := int64(c.config.Groups) * c.room
	for i := range c.keys {
		for _, all := range []*torch.Tensor{c.keys[i], c.values[i]} {
			all := s.Use(all)
			all.Narrow(0, int64(to)*row, row).SetTo(all.Narrow(0, int64(from)*row, row))
		}
	}
}

// reading is the memory of a pass that reads several tokens of new rows: they look at each other, and the slots keep them.
type reading struct {
	slots  *slots
	places *torch.Tensor // [rows groups tokens]
}

func (r reading) remember(layer int, keys, values *torch.Tensor) (allKeys, allValues *torch.Tensor) {
	shape := keys.Shape() // [rows, groups, tokens, head]
	keys, values = keys.Contiguous(), values.Contiguous()
	r.slots.keys[layer].IndexCopyTo(0, r.places, keys.View(-1, shape[3]))
	r.slots.values[layer].IndexCopyTo(0, r.places, values.View(-1, shape[3]))
	return keys.View(shape[0]*shape[1], shape[2], shape[3]), values.View(shape[0]*shape[1], shape[2], shape[3])
}

// writing is the memory of a pass that adds one token to each of the first slots, which look at all of their past.
type writing struct {
	slots  *slots
	places *torch.Tensor // [rows groups]
	past   int64         // how many positions the longest row has, the new one included
}

func (w writing) remember(layer int, keys, values *torch.Tensor) (allKeys, allValues *torch.Tensor) {
	shape := keys.Shape() // [rows, groups, 1, head]
	rows, head := shape[0]*shape[1], shape[3]
	remembered := func(all, fresh *torch.Tensor) *torch.Tensor {
		all.IndexCopyTo(0, w.places, fresh.Reshape(rows, head))
		return fresh.Scope().Use(all).Narrow(0, 0, rows*w.slots.room).View(rows, w.slots.room, head).Narrow(1, 0, w.past)
	}
	return remembered(w.slots.keys[layer], keys), remembered(w.slots.values[layer], values)
}

// causal lets each token look at itself and at those before it: [1, tokens fan, tokens], 0 or -inf.
func causal(tokens, fan int) []float32 {
	out := make([]float32, tokens*fan*tokens)
	for token := range tokens {
		for ask := range fan {
			row := out[(token*fan+ask)*tokens:]
			for key := token + 1; key < tokens; key++ {
				row[key] = float32(math.Inf(-1))
			}
		}
	}
	return out
}

// upTo lets each row look at its own past: [rows, past], 0 or -inf. at is the position that each row writes now.
func upTo(at []int, past int) []float32 {
	out := make([]float32, len(at)*past)
	for row, position := range at {
		for key := position + 1; key < past; key++ {
			out[row*past+key] = float32(math.Inf(-1))
		}
	}
	return out
}
