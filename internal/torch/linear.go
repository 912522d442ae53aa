package torch

import (
	"github.com/klauspost/cpuid/v2"
	lib "github.com/sugarme/gotch/libtch"
)

// fewRows is from how many rows on oneDNN's set-up is paid back by its speed.
const fewRows = 64

// manyOutputs is from how many outputs a row on the weight is taken for the rows and the rows for
// the weight, which oneDNN lays out anew each time: so for the scores of a vocabulary.
const manyOutputs = 32

// Linear is t times the transpose of weight [out, in]: a layer without bias.
func (t *Tensor) Linear(weight *Tensor) *Tensor {
	shape := t.Shape()
	in := shape[len(shape)-1]
	if rows := int64(t.Numel()) / max(in, 1); rows >= fewRows && prefersConvolution() && t.Device() == CPU && t.DType() == Float32 {
		if out := weight.Dim(0); out >= manyOutputs*rows {
			s := innermostScope(t, weight)
			inner := s.Sub()
			defer inner.Close()
			transposed := inner.Use(weight).convolve(t.Reshape(rows, in), out, []int64{out, rows})
			return s.Adopt(transposed.Transpose(0, 1).Reshape(append(shape[:len(shape)-1], -1)...))
		}
		return t.convolve(weight, rows, append(shape[:len(shape)-1], -1))
	}
	var out lib.Ctensor
	lib.AtgLinear(&out, t.handle(), weight.handle(), nil)
	return innermostScope(t, weight).wrap("linear", out)
}

// prefersConvolution tells the processors where libtorch's matrix product (Intel's MKL) does half
// of what the processor can: on AMD's it keeps to 256-bit instructions. oneDNN, which libtorch uses
// for convolutions alone, does not.
func prefersConvolution() bool {
	return cpuid.CPU.IsVendor(cpuid.AMD) && cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512DQ, cpuid.AVX512BW, cpuid.AVX512VL)
}

// convolve is Linear as what it equals: a convolution with a kernel of one point, over pictures
// whose points are t's rows and whose channels lie innermost. It copies nothing where rows divide,
// and its gradient is by convolutions too.
func (t *Tensor) convolve(weight *Tensor, rows int64, shape []int64) *Tensor {
	out, in := weight.Dim(0), weight.Dim(1)
	s := innermostScope(t, weight)
	inner := s.Sub()
	defer inner.Close()
	x, images := inner.Use(t).Reshape(rows, in), convolutionBatch(rows)
	padded := (rows + images - 1) / images * images
	if padded > rows {
		x = Cat(0, x, inner.Zeros(Float32, CPU, padded-rows, in))
	}
	image := x.View(images, padded/images, 1, in).Permute(0, 3, 1, 2) // [convolutionBatch, in, rows of each, 1]
	kernel := inner.Use(weight).View(out, in, 1, 1)
	one, none := []int64{1, 1}, []int64{0, 0}
	var c lib.Ctensor
	lib.AtgMkldnnConvolution(&c, image.handle(), kernel.handle(), nil, none, 2, one, 2, one, 2, 1)
	product := inner.wrap("linear", c).Permute(0, 2, 3, 1) // [convolutionBatch, rows of each, 1, out]
	if padded > rows {
		product = product.Reshape(padded, out).Narrow(0, 0, rows)
	}
	return s.Adopt(product.Reshape(shape...))
}

// convolutionBatch is how many pictures so many rows are laid out as: libtorch's rule for the
// gradient takes oneDNN from 16 on, and for fewer a product half as quick. Where the rows do not
// divide, 16 do with some rows of zeros, unless the rows are so few that this is slower than the
// rule.
func convolutionBatch(rows int64) int64 {
	const fewest, points, worth = 16, 16, 1024
	if rows%fewest > 0 && rows < worth {
		return 1
	}
	for n := int64(fewest); rows/n >= points; n++ {
		if rows%n == 0 {
			return n
		}
	}
	return fewest
}
