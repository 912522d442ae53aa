package gguf

import (
	"encoding/binary"
	"math"
)

func readF32(out []float32, raw []byte) {
	out[0] = math.Float32frombits(binary.LittleEndian.Uint32(raw))
}

func readF16(out []float32, raw []byte) { out[0] = float16(raw) }

func readBF16(out []float32, raw []byte) {
	out[0] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(raw)) << 16)
}

// readQ40 reads 32 signed four-bit values with one scale.
func readQ40(out []float32, raw []byte) {
	scale := float16(raw)
	for i, b := range raw[2:18] {
		out[i] = float32(int(b&15)-8) * scale
		out[i+16] = float32(int(b>>4)-8) * scale
	}
}

// readQ41 reads 32 four-bit values with a scale and a minimum.
func readQ41(out []float32, raw []byte) {
	scale, minimum := float16(raw), float16(raw[2:])
	for i, b := range raw[4:20] {
		out[i] = float32(float32(b&15)*scale) + minimum
		out[i+16] = float32(float32(b>>4)*scale) + minimum
	}
}

// readQ80 reads 32 signed bytes with one scale.
func readQ80(out []float32, raw []byte) {
	scale := float16(raw)
	for i, b := range raw[2:34] {
		out[i] = float32(int8(b)) * scale
	}
}

// scaleMin unpacks the j-th of eight six-bit scales and minimums from the twelve bytes of a K type.
func scaleMin(packed []byte, j int) (scale, minimum float32) {
	if j < 4 {
		return float32(packed[j] & 63), float32(packed[j+4] & 63)
	}
	return float32(packed[j+4]&15 | packed[j-4]>>6<<4), float32(packed[j+4]>>4 | packed[j]>>6<<4)
}

// readQ4K reads 256 four-bit values: eight groups of 32, each with a scale and a minimum.
func readQ4K(out []float32, raw []byte) {
	d, dmin, packed, quants := float16(raw), float16(raw[2:]), raw[4:16], raw[16:144]
	for pair := range 4 {
		s1, m1 := scaleMin(packed, 2*pair)
		s2, m2 := scaleMin(packed, 2*pair+1)
		low, high := out[64*pair:64*pair+32], out[64*pair+32:64*pair+64]
		for i, b := range quants[32*pair : 32*pair+32] {
			low[i] = float32(d*s1*float32(b&15)) - dmin*m1
			high[i] = float32(d*s2*float32(b>>4)) - dmin*m2
		}
	}
}

// readQ5K is readQ4K with the fifth bits of all values in 32 separate bytes.
func readQ5K(out []float32, raw []byte) {
	d, dmin, packed, fifth, quants := float16(raw), float16(raw[2:]), raw[4:16], raw[16:48], raw[48:176]
	for pair := range 4 {
		s1, m1 := scaleMin(packed, 2*pair)
		s2, m2 := scaleMin(packed, 2*pair+1)
		low, high := out[64*pair:64*pair+32], out[64*pair+32:64*pair+64]
		for i, b := range quants[32*pair : 32*pair+32] {
			bits := fifth[i] >> (2 * pair)
			low[i] = float32(d*s1*float32(b&15|bits&1<<4)) - dmin*m1
			high[i] = float32(d*s2*float32(b>>4|bits>>1&1<<4)) - dmin*m2
		}
	}
}

// readQ6K reads 256 signed six-bit values: four low bits and two high bits stored separately, and
// sixteen groups with a scale of eight bits.
func readQ6K(out []float32, raw []byte) {
	low, high, scales, d := raw[:128], raw[128:192], raw[192:208], float16(raw[208:])
	for part := range 2 {
		o, l, h, s := out[128*part:], low[64*part:], high[32*part:], scales[8*part:]
		for i := range 32 {
			group := i / 16
			for quarter, q := range [4]byte{
				l[i]&15 | h[i]&3<<4, l[i+32]&15 | h[i]>>2&3<<4, l[i]>>4 | h[i]>>4&3<<4, l[i+32]>>4 | h[i]>>6<<4,
			} {
				o[32*quarter+i] = d * float32(int8(s[group+2*quarter])) * float32(int(q)-32)
			}
		}
	}
}

// float16 reads an IEEE half-precision number.
func float16(raw []byte) float32 {
	bits := binary.LittleEndian.Uint16(raw)
	sign, exponent, fraction := uint32(bits>>15)<<31, uint32(bits>>10&31), uint32(bits&1023)
	switch exponent {
	case 0: // zero and subnormal numbers
		value := float32(fraction) * (1.0 / (1 << 24))
		return math.Float32frombits(math.Float32bits(value) | sign)
	case 31: // infinity or NaN
		return math.Float32frombits(sign | 255<<23 | fraction<<13)
	default:
		return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
	}
}
