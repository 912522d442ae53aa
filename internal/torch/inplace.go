package torch

import (
	lib "github.com/sugarme/gotch/libtch"
)

// SetTo copies u's elements into t, with conversion and broadcasting.
func (t *Tensor) SetTo(u *Tensor) *Tensor {
	lib.AtCopy_(t.handle(), u.handle())
	check("copy_")
	return t
}

// Fill sets every element to value.
func (t *Tensor) Fill(value float64) *Tensor {
	return inPlace("fill_", t, func(out *lib.Ctensor) {
		withScalar(value, func(v lib.Cscalar) { lib.AtgFill_(out, t.handle(), v) })
	})
}

// AddTo adds u to t in place.
func (t *Tensor) AddTo(u *Tensor) *Tensor {
	return inPlace("add_", t, func(out *lib.Ctensor) { lib.AtgAdd_(out, t.handle(), u.handle()) })
}

// AddNumberTo adds y to t in place.
func (t *Tensor) AddNumberTo(y float64) *Tensor {
	return inPlace("add_", t, func(out *lib.Ctensor) {
		withScalar(y, func(v lib.Cscalar) { lib.AtgAddScalar_(out, t.handle(), v) })
	})
}

// Scale multiplies t by y in place.
func (t *Tensor) Scale(y float64) *Tensor {
	return inPlace("mul_", t, func(out *lib.Ctensor) {
		withScalar(y, func(v lib.Cscalar) { lib.AtgMulScalar_(out, t.handle(), v) })
	})
}

// MulTo multiplies t by u in place.
func (t *Tensor) MulTo(u *Tensor) *Tensor {
	return inPlace("mul_", t, func(out *lib.Ctensor) { lib.AtgMul_(out, t.handle(), u.handle()) })
}

// SqrtTo replaces t's elements by their square roots.
func (t *Tensor) SqrtTo() *Tensor {
	return inPlace("sqrt_", t, func(out *lib.Ctensor) { lib.AtgSqrt_(out, t.handle()) })
}

// ExpTo replaces t's elements by e to their power.
func (t *Tensor) ExpTo() *Tensor {
	return inPlace("exp_", t, func(out *lib.Ctensor) { lib.AtgExp_(out, t.handle()) })
}

// Lerp moves t towards end in place: t += weight * (end - t).
func (t *Tensor) Lerp(end *Tensor, weight float64) *Tensor {
	return inPlace("lerp_", t, func(out *lib.Ctensor) {
		withScalar(weight, func(w lib.Cscalar) { lib.AtgLerp_(out, t.handle(), end.handle(), w) })
	})
}

// AddQuotient adds a / b to t in place.
func (t *Tensor) AddQuotient(a, b *Tensor) *Tensor {
	return inPlace("addcdiv_", t, func(out *lib.Ctensor) {
		lib.AtgAddcdiv_(out, t.handle(), a.handle(), b.handle())
	})
}

// AddProduct adds a * b to t in place.
func (t *Tensor) AddProduct(a, b *Tensor) *Tensor {
	return inPlace("addcmul_", t, func(out *lib.Ctensor) {
		lib.AtgAddcmul_(out, t.handle(), a.handle(), b.handle())
	})
}

// MaskedFillTo sets t to value in place where mask is true.
func (t *Tensor) MaskedFillTo(mask *Tensor, value float64) *Tensor {
	return inPlace("masked_fill_", t, func(out *lib.Ctensor) {
		withScalar(value, func(v lib.Cscalar) { lib.AtgMaskedFill_(out, t.handle(), mask.handle(), v) })
	})
}

// IndexCopyTo sets the slices of dimension dim at index to u's, in place.
func (t *Tensor) IndexCopyTo(dim int64, index, u *Tensor) *Tensor {
	return inPlace("index_copy_", t, func(out *lib.Ctensor) {
		lib.AtgIndexCopy_(out, t.handle(), dim, index.handle(), u.handle())
	})
}

// IndexFillTo sets the slices of dimension dim at index to value, in place.
func (t *Tensor) IndexFillTo(dim int64, index *Tensor, value float64) *Tensor {
	return inPlace("index_fill_", t, func(out *lib.Ctensor) {
		withScalar(value, func(v lib.Cscalar) { lib.AtgIndexFill_(out, t.handle(), dim, index.handle(), v) })
	})
}

// Uniform samples every element from the uniform distribution over [from, to). Call it inside
// [Seeded].
func (t *Tensor) Uniform(from, to float64) *Tensor {
	return inPlace("uniform_", t, func(out *lib.Ctensor) { lib.AtgUniform_(out, t.handle(), from, to) })
}

// Normal samples every element from a normal distribution. Call it inside [Seeded].
func (t *Tensor) Normal(mean, deviation float64) *Tensor {
	return inPlace("normal_", t, func(out *lib.Ctensor) { lib.AtgNormal_(out, t.handle(), mean, deviation) })
}
