package torch

import (
	"github.com/klauspost/cpuid/v2"
	lib "github.com/sugarme/gotch/libtch"
)

// fewRows is the number of rows from which on oneDNN's speed repays its set-up.
const fewRows = 64

// manyOutputs is the number of outputs per row from which on weight and rows are exchanged. oneDNN
// reorders the operand in the weight's place for each product, so that operand should be the
// smaller one. This happens for the logits of a vocabulary.
const manyOutputs = 32

// Linear returns t times the transpose of weight [out, in]: a linear layer without bias.
func (t *Tensor) Linear(weight *Tensor) *Tensor {
	shape := t.Shape()
	in := shape[len(shape)-1]
	rows := int64(t.Numel()) / max(in, 1)
	if rows >= fewRows && prefersConvolution() && t.Device() == CPU && t.DType() == Float32 {
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

// prefersConvolution reports whether a convolution is faster than libtorch's matrix product
// (Intel's MKL). On AMD's processors, MKL uses 256-bit instructions, which halves its speed.
// oneDNN, which libtorch uses for convolutions only, uses 512-bit instructions.
func prefersConvolution() bool {
	return cpuid.CPU.IsVendor(cpuid.AMD) &&
		cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512DQ, cpuid.AVX512BW, cpuid.AVX512VL)
}

// convolve computes Linear as an equal convolution: the kernel has one point, t's rows are the
// points of images, and channels are the innermost dimension. It copies nothing if rows is
// divisible by the number of images, and its gradient is a convolution too.
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

// convolutionBatch returns the number of images for a number of rows. libtorch computes the
// gradient with oneDNN from 16 images on, and with a product of half the speed for fewer. If the
// rows are not divisible, rows of zeros fill 16 images, unless there are so few rows that this is
// slower.
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
