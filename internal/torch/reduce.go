package torch

import (
	lib "github.com/sugarme/gotch/libtch"
)

// Sum returns the sum of all elements.
func (t *Tensor) Sum() *Tensor {
	var out lib.Ctensor
	lib.AtgSum(&out, t.handle(), int32(t.DType()))
	return innermostScope(t).wrap("sum", out)
}

// SumAlong returns the sum along a dimension, which is dropped.
func (t *Tensor) SumAlong(dim int64) *Tensor {
	var out lib.Ctensor
	lib.AtgSumDimIntlist(&out, t.handle(), []int64{dim}, 1, 0, int32(t.DType()))
	return innermostScope(t).wrap("sum", out)
}

// MeanAlong returns the mean along a dimension, which keeps size 1.
func (t *Tensor) MeanAlong(dim int64) *Tensor {
	var out lib.Ctensor
	lib.AtgMeanDim(&out, t.handle(), []int64{dim}, 1, 1, int32(t.DType()))
	return innermostScope(t).wrap("mean", out)
}

// Norm returns the Euclidean norm of all elements.
func (t *Tensor) Norm() *Tensor { return unary("norm", lib.AtgNorm, t) }

// All returns whether every element is true.
func (t *Tensor) All() *Tensor { return unary("all", lib.AtgAll, t) }

// ArgMax returns the index of the largest element along a dimension, which is dropped.
func (t *Tensor) ArgMax(dim int64) *Tensor {
	var out lib.Ctensor
	lib.AtgArgmax(&out, t.handle(), dim, 0, 0)
	return innermostScope(t).wrap("argmax", out)
}

// MaxAlong returns the largest element along a dimension, which keeps size 1.
func (t *Tensor) MaxAlong(dim int64) *Tensor {
	var out lib.Ctensor
	lib.AtgAmax(&out, t.handle(), []int64{dim}, 1, 1)
	return innermostScope(t).wrap("amax", out)
}

// MinAlong returns the smallest element along a dimension, which keeps size 1.
func (t *Tensor) MinAlong(dim int64) *Tensor {
	var out lib.Ctensor
	lib.AtgAmin(&out, t.handle(), []int64{dim}, 1, 1)
	return innermostScope(t).wrap("amin", out)
}

// CountAlong returns the number of elements that are not 0 along a dimension, which is dropped.
func (t *Tensor) CountAlong(dim int64) *Tensor {
	var out lib.Ctensor
	lib.AtgCountNonzero(&out, t.handle(), dim, 0)
	return innermostScope(t).wrap("count_nonzero", out)
}

// LogSumExp returns log(sum(exp(t))) along a dimension, which is dropped.
func (t *Tensor) LogSumExp(dim int64) *Tensor {
	var out lib.Ctensor
	lib.AtgLogsumexp(&out, t.handle(), []int64{dim}, 1, 0)
	return innermostScope(t).wrap("logsumexp", out)
}

// CumSum returns the cumulative sum along a dimension.
func (t *Tensor) CumSum(dim int64) *Tensor {
	var out lib.Ctensor
	lib.AtgCumsum(&out, t.handle(), dim, int32(t.DType()))
	return innermostScope(t).wrap("cumsum", out)
}

// TopK returns the k largest elements along the last dimension, largest first, and their indices.
func (t *Tensor) TopK(k int64) (largest, indices *Tensor) {
	var out [2]lib.Ctensor
	lib.AtgTopk(&out[0], t.handle(), k, -1, 1, 1)
	s := innermostScope(t)
	return s.wrap("topk", out[0]), s.wrap("topk", out[1])
}

// Sort returns t sorted along the last dimension, and the original index of each element.
func (t *Tensor) Sort(descending bool) (sorted, indices *Tensor) {
	var out [2]lib.Ctensor
	lib.AtgSort(&out[0], t.handle(), -1, flag(descending))
	s := innermostScope(t)
	return s.wrap("sort", out[0]), s.wrap("sort", out[1])
}

// SortStable is [Tensor.Sort] that keeps the order of equal elements.
func (t *Tensor) SortStable(descending bool) (sorted, indices *Tensor) {
	var out [2]lib.Ctensor
	lib.AtgSortStable(&out[0], t.handle(), 1, -1, flag(descending))
	s := innermostScope(t)
	return s.wrap("sort", out[0]), s.wrap("sort", out[1])
}

func flag(b bool) int32 {
	if b {
		return 1
	}
	return 0
}
