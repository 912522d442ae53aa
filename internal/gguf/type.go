package gguf

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Type is the encoding of a tensor's values, with the format's number.
type Type uint32

// The supported types.
const (
	F32   Type = 0
	F16   Type = 1
	Q40   Type = 2
	Q41   Type = 3
	Q50   Type = 6
	Q51   Type = 7
	Q80   Type = 8
	Q2K   Type = 10
	Q3K   Type = 11
	Q4K   Type = 12
	Q5K   Type = 13
	Q6K   Type = 14
	IQ4NL Type = 20
	IQ4XS Type = 23
	BF16  Type = 30
)

// block is the smallest unit of a type: its number of values, its bytes, and its decoder.
type block struct {
	name          string
	values, bytes int
	read          func(out []float32, raw []byte)
}

// blocks is the table of the supported types.
var blocks = map[Type]block{
	F32:   {"F32", 1, 4, readF32},
	F16:   {"F16", 1, 2, readF16},
	BF16:  {"BF16", 1, 2, readBF16},
	Q40:   {"Q4_0", 32, 18, readQ40},
	Q41:   {"Q4_1", 32, 20, readQ41},
	Q50:   {"Q5_0", 32, 22, readQ50},
	Q51:   {"Q5_1", 32, 24, readQ51},
	Q80:   {"Q8_0", 32, 34, readQ80},
	Q2K:   {"Q2_K", 256, 84, readQ2K},
	Q3K:   {"Q3_K", 256, 110, readQ3K},
	Q4K:   {"Q4_K", 256, 144, readQ4K},
	Q5K:   {"Q5_K", 256, 176, readQ5K},
	Q6K:   {"Q6_K", 256, 210, readQ6K},
	IQ4NL: {"IQ4_NL", 32, 18, readIQ4NL},
	IQ4XS: {"IQ4_XS", 256, 136, readIQ4XS},
}

// unsupportedNames are the names of the format's other types, for errors.
var unsupportedNames = map[Type]string{
	4: "Q4_2", 5: "Q4_3", 9: "Q8_1", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 21: "IQ3_S",
	22: "IQ2_S", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 31: "Q4_0_4_4", 32: "Q4_0_4_8",
	33: "Q4_0_8_8", 34: "TQ1_0", 35: "TQ2_0", 36: "IQ4_NL_4_4", 37: "IQ4_NL_4_8", 38: "IQ4_NL_8_8", 39: "MXFP4",
}

// layout returns the block of a type, if the type is supported.
func (t Type) layout() (block, bool) {
	b, ok := blocks[t]
	return b, ok
}

// supported returns the names of the supported types, in the order of their numbers.
func supported() string {
	names := make([]string, 0, len(blocks))
	for _, t := range slices.Sorted(maps.Keys(blocks)) {
		names = append(names, t.String())
	}
	return strings.Join(names, ", ")
}

// String returns the type's name in the format, or its number if the name is unknown.
func (t Type) String() string {
	if layout, ok := t.layout(); ok {
		return layout.name
	}
	if name, ok := unsupportedNames[t]; ok {
		return "type " + name
	}
	return fmt.Sprintf("unknown type %d", uint32(t))
}

// dequantize decodes raw blocks, which contain exactly len(out) values.
func (b block) dequantize(out []float32, raw []byte) {
	for at := 0; at < len(out); at += b.values {
		b.read(out[at:at+b.values], raw[:b.bytes])
		raw = raw[b.bytes:]
	}
}
