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

// readQ50 reads 32 signed five-bit values with one scale; the fifth bits are in separate bytes.
func readQ50(out []float32, raw []byte) {
	scale, fifth := float16(raw), binary.LittleEndian.Uint32(raw[2:])
	for i, b := range raw[6:22] {
		out[i] = float32(int(b&15|bit(fifth, i)<<4)-16) * scale
		out[i+16] = float32(int(b>>4|bit(fifth, i+16)<<4)-16) * scale
	}
}

// readQ51 reads 32 five-bit values with a scale and a minimum.
func readQ51(out []float32, raw []byte) {
	scale, minimum, fifth := float16(raw), float16(raw[2:]), binary.LittleEndian.Uint32(raw[4:])
	for i, b := range raw[8:24] {
		out[i] = float32(float32(b&15|bit(fifth, i)<<4)*scale) + minimum
		out[i+16] = float32(float32(b>>4|bit(fifth, i+16)<<4)*scale) + minimum
	}
}

// bit returns the i-th bit.
func bit(bits uint32, i int) byte { return byte(bits >> i & 1) }

// nonlinear are the values that the four bits of the types IQ4 stand for.
var nonlinear = [16]float32{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

// readIQ4NL reads 32 indices of nonlinear with one scale.
func readIQ4NL(out []float32, raw []byte) { lookUp(out, raw[2:18], float16(raw)) }

// lookUp decodes 32 indices of nonlinear.
func lookUp(out []float32, raw []byte, scale float32) {
	for i, b := range raw {
		out[i], out[i+16] = scale*nonlinear[b&15], scale*nonlinear[b>>4]
	}
}

// readIQ4XS reads 256 indices of nonlinear: eight groups of 32, each with a scale of six bits.
func readIQ4XS(out []float32, raw []byte) {
	d, high, low, quants := float16(raw), binary.LittleEndian.Uint16(raw[2:]), raw[4:8], raw[8:136]
	for group := range 8 {
		scale := int(low[group/2]>>(group%2*4)&15) | int(high>>(2*group)&3)<<4
		lookUp(out[32*group:], quants[16*group:16*group+16], d*float32(scale-32))
	}
}

// readQ2K reads 256 two-bit values: sixteen groups of 16, each with a scale and a minimum of four
// bits. Each of the two halves of 128 values has four values in a byte.
func readQ2K(out []float32, raw []byte) {
	scales, quants, d, dmin := raw[:16], raw[16:80], float16(raw[80:]), float16(raw[82:])
	for i := range out {
		s := scales[i/16]
		q := quants[i/128*32+i%32] >> (i % 128 / 32 * 2) & 3
		out[i] = float32(d*float32(s&15)*float32(q)) - dmin*float32(s>>4)
	}
}

// readQ3K reads 256 signed three-bit values: sixteen groups of 16, each with a scale of six bits.
// The low two bits are as in Q2_K. The third bits, inverted, are in 32 separate bytes.
func readQ3K(out []float32, raw []byte) {
	third, quants, packed, d := raw[:32], raw[32:96], raw[96:108], float16(raw[108:])
	for i := range out {
		group := i / 16
		scale := int(packed[group%8]>>(group/8*4)&15) | int(packed[8+group%4]>>(group/4*2)&3)<<4
		q := int(quants[i/128*32+i%32] >> (i % 128 / 32 * 2) & 3)
		q -= int(^third[i%32]>>(i/32)&1) << 2
		out[i] = d * float32(scale-32) * float32(q)
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
