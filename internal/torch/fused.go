package torch

import (
	lib "github.com/sugarme/gotch/libtch"
)

// AddLinear returns t plus x times the transpose of weight [out, in], in one operation: a linear
// layer with a residual connection.
func (t *Tensor) AddLinear(x, weight *Tensor) *Tensor {
	var out lib.Ctensor
	transposed := innermostScope(t, x, weight).Use(weight).Transpose(0, 1)
	lib.AtgAddmm(&out, t.handle(), x.handle(), transposed.handle())
	return innermostScope(t, x, weight).wrap("addmm", out)
}

// LinearFew and LinearMany are Linear with a fixed algorithm each. Linear chooses the algorithm by
// the number of rows, so that a row's result depends on the number of other rows. LinearFew is
// faster for up to some dozen rows, in multiples of 16; LinearMany is faster for more.
func (t *Tensor) LinearFew(weight *Tensor) *Tensor {
	var out lib.Ctensor
	lib.AtgLinear(&out, t.handle(), weight.handle(), nil)
	return innermostScope(t, weight).wrap("linear", out)
}

// LinearMany is Linear with the algorithm for many rows; see [Tensor.LinearFew].
func (t *Tensor) LinearMany(weight *Tensor) *Tensor {
	if !prefersConvolution() || t.Device() != CPU || t.DType() != Float32 {
		return t.LinearFew(weight)
	}
	shape := t.Shape()
	last := len(shape) - 1
	return t.convolve(weight, int64(t.Numel())/max(shape[last], 1), append(shape[:last], -1))
}

// AddBatched returns t plus the products of two batches of matrices [batch, rows, inner] and
// [batch, inner, columns]; t is broadcast.
func (t *Tensor) AddBatched(x, y *Tensor) *Tensor {
	var out lib.Ctensor
	withScalar(1, func(one lib.Cscalar) { lib.AtgBaddbmm(&out, t.handle(), x.handle(), y.handle(), one, one) })
	return innermostScope(t, x, y).wrap("baddbmm", out)
}

// Complex returns the pairs of the last dimension as complex numbers, without a copy.
func (t *Tensor) Complex() *Tensor { return unary("view_as_complex", lib.AtgViewAsComplex, t) }

// Real returns complex numbers as pairs in a new last dimension, without a copy.
func (t *Tensor) Real() *Tensor { return unary("view_as_real", lib.AtgViewAsReal, t) }

// ScatterTo sets elements along dimension dim in place: t[i][index[i][j]] = u[i][j] for dim 1.
func (t *Tensor) ScatterTo(dim int64, index, u *Tensor) *Tensor {
	return inPlace("scatter_", t, func(out *lib.Ctensor) {
		lib.AtgScatter_(out, t.handle(), dim, index.handle(), u.handle())
	})
}

// Scope returns the scope that frees t; nil if t was kept.
func (t *Tensor) Scope() *Scope { return t.scope }
