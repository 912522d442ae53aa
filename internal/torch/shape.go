package torch

import (
	lib "github.com/sugarme/gotch/libtch"
)

// View returns t with another shape, without a copy; one size may be -1.
func (t *Tensor) View(shape ...int64) *Tensor {
	var out lib.Ctensor
	lib.AtgView(&out, t.handle(), dims(shape), len(shape))
	return innermostScope(t).wrap("view", out)
}

// ViewAs returns t's memory as elements of another type of the same size, without a copy.
func (t *Tensor) ViewAs(dtype DType) *Tensor {
	var out lib.Ctensor
	lib.AtgViewDtype(&out, t.handle(), int32(dtype))
	return innermostScope(t).wrap("view", out)
}

// Reshape is View, with a copy if t's memory layout requires one.
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

// Permute reorders the dimensions, without a copy.
func (t *Tensor) Permute(order ...int64) *Tensor {
	var out lib.Ctensor
	lib.AtgPermute(&out, t.handle(), order, len(order))
	return innermostScope(t).wrap("permute", out)
}

// Contiguous returns t with its elements in row-major order.
func (t *Tensor) Contiguous() *Tensor { return unary("contiguous", lib.AtgContiguous, t) }

// Alias returns another handle of t's memory.
func (t *Tensor) Alias() *Tensor {
	s := t.scope
	if s == nil {
		misuse("no scope for an alias (see Scope.Use)")
	}
	return s.wrap("alias", lib.AtShallowClone(t.handle()))
}

// Clone returns a copy.
func (t *Tensor) Clone() *Tensor { return unary("clone", lib.AtgAliasCopy, t) }

// Detach returns t's memory without its autograd graph.
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

// RepeatInterleave repeats each slice of dimension dim n times in succession.
func (t *Tensor) RepeatInterleave(n, dim int64) *Tensor {
	var out lib.Ctensor
	lib.AtgRepeatInterleaveSelfInt(&out, t.handle(), n, dim, 0, 0, 1)
	return innermostScope(t).wrap("repeat_interleave", out)
}

// Narrow returns length slices of dimension dim from start on, without a copy.
func (t *Tensor) Narrow(dim, start, length int64) *Tensor {
	var out lib.Ctensor
	lib.AtgNarrow(&out, t.handle(), dim, start, length)
	return innermostScope(t).wrap("narrow", out)
}

// Select returns the slice at index of dimension dim, without a copy and without that dimension.
func (t *Tensor) Select(dim, index int64) *Tensor {
	var out lib.Ctensor
	lib.AtgSelect(&out, t.handle(), dim, index)
	return innermostScope(t).wrap("select", out)
}

// Split splits dimension dim into parts of the given sizes, without a copy.
func (t *Tensor) Split(dim int64, sizes ...int64) []*Tensor {
	array := lib.AtgSplitWithSizes(t.handle(), sizes, len(sizes), dim)
	check("split")
	return innermostScope(t).wrapAll("split", takeArray(array))
}

// Unbind returns t's slices along a dimension, without copies and without that dimension. Its
// gradient is one stack, while that of as many Selects would be as many tensors of t's size.
func (t *Tensor) Unbind(dim int64) []*Tensor {
	array := lib.AtgUnbind(t.handle(), dim)
	check("unbind")
	return innermostScope(t).wrapAll("unbind", takeArray(array))
}

// Cat concatenates tensors along a dimension.
func Cat(dim int64, all ...*Tensor) *Tensor {
	var out lib.Ctensor
	lib.AtgCat(&out, handles(all), len(all), dim)
	return innermostScope(all...).wrap("cat", out)
}

// Stack concatenates tensors along a new dimension.
func Stack(dim int64, all ...*Tensor) *Tensor {
	var out lib.Ctensor
	lib.AtgStack(&out, handles(all), len(all), dim)
	return innermostScope(all...).wrap("stack", out)
}

// IndexSelect returns the slices of dimension dim at index.
func (t *Tensor) IndexSelect(dim int64, index *Tensor) *Tensor {
	var out lib.Ctensor
	lib.AtgIndexSelect(&out, t.handle(), dim, index.handle())
	return innermostScope(t, index).wrap("index_select", out)
}

// IndexSelectInto writes the result of IndexSelect to dst, which must have the result's shape and
// share no memory with t.
func (t *Tensor) IndexSelectInto(dst *Tensor, dim int64, index *Tensor) {
	inPlace("index_select", dst, func(out *lib.Ctensor) {
		lib.AtgIndexSelectOut(out, dst.handle(), t.handle(), dim, index.handle())
	})
}

// Gather selects elements along dimension dim: result[i][j] = t[i][index[i][j]] for dim 1.
func (t *Tensor) Gather(dim int64, index *Tensor) *Tensor {
	var out lib.Ctensor
	lib.AtgGather(&out, t.handle(), dim, index.handle(), 0)
	return innermostScope(t, index).wrap("gather", out)
}

// MaskedSelect returns the elements where mask is true, as one dimension.
func (t *Tensor) MaskedSelect(mask *Tensor) *Tensor {
	return pairwise("masked_select", lib.AtgMaskedSelect, t, mask)
}

// UpperTriangle returns a matrix with zeros below the given diagonal; 0 is the main diagonal.
func (t *Tensor) UpperTriangle(diagonal int64) *Tensor {
	var out lib.Ctensor
	lib.AtgTriu(&out, t.handle(), diagonal)
	return innermostScope(t).wrap("triu", out)
}

func handles(all []*Tensor) []lib.Ctensor {
	cs := make([]lib.Ctensor, len(all))
	for i, t := range all {
		cs[i] = t.handle()
	}
	return cs
}

// Strided returns t's memory with a shape, strides and an offset, without a copy. The caller must
// check that they stay within the memory.
func (t *Tensor) Strided(shape, stride []int64, offset int64) *Tensor {
	var out lib.Ctensor
	lib.AtgAsStrided(&out, t.handle(), dims(shape), len(shape), dims(stride), len(stride), offset, 0)
	return innermostScope(t).wrap("as_strided", out)
}
