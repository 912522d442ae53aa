package torch

import (
	lib "github.com/sugarme/gotch/libtch"
)

// View is t's elements under another shape, without a copy; one size may be -1.
func (t *Tensor) View(shape ...int64) *Tensor {
	var out lib.Ctensor
	lib.AtgView(&out, t.handle(), dims(shape), len(shape))
	return innermostScope(t).wrap("view", out)
}

// Reshape is View, with a copy where the elements do not lie so.
func (t *Tensor) Reshape(shape ...int64) *Tensor {
	var out lib.Ctensor
	lib.AtgReshape(&out, t.handle(), dims(shape), len(shape))
	return innermostScope(t).wrap("reshape", out)
}

// Transpose swaps two dimensions, without a copy.
func (t *Tensor) Transpose(a, b int64) *Tensor {
	var out lib.Ctensor
	lib.AtgTranspose(&out, t.handle(), a, b)
	return innermostScope(t).wrap("transpose", out)
}

// Permute orders the dimensions, without a copy.
func (t *Tensor) Permute(order ...int64) *Tensor {
	var out lib.Ctensor
	lib.AtgPermute(&out, t.handle(), order, len(order))
	return innermostScope(t).wrap("permute", out)
}

// Contiguous is t with its elements in row-major order.
func (t *Tensor) Contiguous() *Tensor { return unary("contiguous", lib.AtgContiguous, t) }

// Alias is another handle of t's memory.
func (t *Tensor) Alias() *Tensor {
	s := t.scope
	if s == nil {
		misuse("no scope for an alias (see Scope.Use)")
	}
	return s.wrap("alias", lib.AtShallowClone(t.handle()))
}

// Clone is a copy.
func (t *Tensor) Clone() *Tensor { return unary("clone", lib.AtgAliasCopy, t) }

// Detach is t's memory without its history of operations.
func (t *Tensor) Detach() *Tensor { return unary("detach", lib.AtgDetach, t) }

// Unsqueeze adds a dimension of size 1.
func (t *Tensor) Unsqueeze(dim int64) *Tensor {
	var out lib.Ctensor
	lib.AtgUnsqueeze(&out, t.handle(), dim)
	return innermostScope(t).wrap("unsqueeze", out)
}

// Squeeze drops a dimension of size 1.
func (t *Tensor) Squeeze(dim int64) *Tensor {
	var out lib.Ctensor
	lib.AtgSqueezeDim(&out, t.handle(), dim)
	return innermostScope(t).wrap("squeeze", out)
}

// Expand repeats dimensions of size 1, without a copy; -1 leaves a dimension as it is.
func (t *Tensor) Expand(shape ...int64) *Tensor {
	var out lib.Ctensor
	lib.AtgExpand(&out, t.handle(), dims(shape), len(shape), 0)
	return innermostScope(t).wrap("expand", out)
}

// RepeatInterleave repeats each slice of dimension dim n times in a row.
func (t *Tensor) RepeatInterleave(n, dim int64) *Tensor {
	var out lib.Ctensor
	lib.AtgRepeatInterleaveSelfInt(&out, t.handle(), n, dim, 0, 0, 1)
	return innermostScope(t).wrap("repeat_interleave", out)
}

// Narrow is length slices of dimension dim from start on, without a copy.
func (t *Tensor) Narrow(dim, start, length int64) *Tensor {
	var out lib.Ctensor
	lib.AtgNarrow(&out, t.handle(), dim, start, length)
	return innermostScope(t).wrap("narrow", out)
}

// Select is slice number index of dimension dim, without a copy and without that dimension.
func (t *Tensor) Select(dim, index int64) *Tensor {
	var out lib.Ctensor
	lib.AtgSelect(&out, t.handle(), dim, index)
	return innermostScope(t).wrap("select", out)
}

// Split cuts dimension dim into pieces of the given sizes, without a copy.
func (t *Tensor) Split(dim int64, sizes ...int64) []*Tensor {
	array := lib.AtgSplitWithSizes(t.handle(), sizes, len(sizes), dim)
	check("split")
	return innermostScope(t).wrapAll("split", takeArray(array))
}

// Unbind is t's slices along a dimension, without copies and without that dimension. Its gradient
// is one stacking, where that of as many Selects would be as many tensors of t's size.
func (t *Tensor) Unbind(dim int64) []*Tensor {
	array := lib.AtgUnbind(t.handle(), dim)
	check("unbind")
	return innermostScope(t).wrapAll("unbind", takeArray(array))
}

// Cat joins tensors along a dimension.
func Cat(dim int64, all ...*Tensor) *Tensor {
	var out lib.Ctensor
	lib.AtgCat(&out, handles(all), len(all), dim)
	return innermostScope(all...).wrap("cat", out)
}

// Stack joins tensors along a new dimension.
func Stack(dim int64, all ...*Tensor) *Tensor {
	var out lib.Ctensor
	lib.AtgStack(&out, handles(all), len(all), dim)
	return innermostScope(all...).wrap("stack", out)
}

// IndexSelect picks slices of dimension dim by their numbers.
func (t *Tensor) IndexSelect(dim int64, index *Tensor) *Tensor {
	var out lib.Ctensor
	lib.AtgIndexSelect(&out, t.handle(), dim, index.handle())
	return innermostScope(t, index).wrap("index_select", out)
}

// IndexSelectInto is IndexSelect into dst, which must have the result's shape and share no memory
// with t.
func (t *Tensor) IndexSelectInto(dst *Tensor, dim int64, index *Tensor) {
	inPlace("index_select", dst, func(out *lib.Ctensor) {
		lib.AtgIndexSelectOut(out, dst.handle(), t.handle(), dim, index.handle())
	})
}

// Gather picks elements along dimension dim: result[i][j] = t[i][index[i][j]] for dim 1.
func (t *Tensor) Gather(dim int64, index *Tensor) *Tensor {
	var out lib.Ctensor
	lib.AtgGather(&out, t.handle(), dim, index.handle(), 0)
	return innermostScope(t, index).wrap("gather", out)
}

// MaskedSelect picks the elements where mask is true, as one dimension.
func (t *Tensor) MaskedSelect(mask *Tensor) *Tensor {
	return pairwise("masked_select", lib.AtgMaskedSelect, t, mask)
}

func handles(all []*Tensor) []lib.Ctensor {
	cs := make([]lib.Ctensor, len(all))
	for i, t := range all {
		cs[i] = t.handle()
	}
	return cs
}

// Strided is t's memory under any shape, strides and offset, without a copy. The caller has checked
// that it stays inside.
func (t *Tensor) Strided(shape, stride []int64, offset int64) *Tensor {
	var out lib.Ctensor
	lib.AtgAsStrided(&out, t.handle(), dims(shape), len(shape), dims(stride), len(stride), offset, 0)
	return innermostScope(t).wrap("as_strided", out)
}
