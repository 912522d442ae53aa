package gguf

import "fmt"

// Type is the encoding of a tensor's values, with the format's number.
type Type uint32

// The supported types.
const (
	F32  Type = 0
	F16  Type = 1
	Q40  Type = 2
	Q41  Type = 3
	Q80  Type = 8
	Q4K  Type = 12
	Q5K  Type = 13
	Q6K  Type = 14
	BF16 Type = 30
)

// block is the smallest unit of a type: its number of values, its bytes, and its decoder.
type block struct {
	name          string
	values, bytes int
	read          func(out []float32, raw []byte)
}

// layout returns the block of a type, if the type is supported.
func (t Type) layout() (block, bool) {
	switch t {
	case F32:
		return block{"F32", 1, 4, readF32}, true
	case F16:
		return block{"F16", 1, 2, readF16}, true
	case BF16:
		return block{"BF16", 1, 2, readBF16}, true
	case Q40:
		return block{"Q4_0", 32, 18, readQ40}, true
	case Q41:
		return block{"Q4_1", 32, 20, readQ41}, true
	case Q80:
		return block{"Q8_0", 32, 34, readQ80}, true
	case Q4K:
		return block{"Q4_K", 256, 144, readQ4K}, true
	case Q5K:
		return block{"Q5_K", 256, 176, readQ5K}, true
	case Q6K:
		return block{"Q6_K", 256, 210, readQ6K}, true
	default:
		return block{}, false
	}
}

// String returns the type's name in the format.
func (t Type) String() string {
	if layout, ok := t.layout(); ok {
		return layout.name
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// dequantize decodes raw blocks, which contain exactly len(out) values.
func (b block) dequantize(out []float32, raw []byte) {
	for at := 0; at < len(out); at += b.values {
		b.read(out[at:at+b.values], raw[:b.bytes])
		raw = raw[b.bytes:]
	}
}
