package torch

import (
	lib "github.com/sugarme/gotch/libtch"
)

// AddBatched is t plus the products of two batches of matrices [batch, rows, inner] and [batch, inner, columns]; t is broadcast.
func (t *Tensor) AddBatched(x, y *Tensor) *Tensor {
	var out lib.Ctensor
	withScalar(1, func(one lib.Cscalar) { lib.AtgBaddbmm(&out, t.handle(), x.handle(), y.handle(), one, one) })
	return owner(t, x, y).own("baddbmm", out)
}

// Complex reads the last dimension's pairs as complex numbers, without a copy.
func (t *Tensor) Complex() *Tensor { return unary("view_as_complex", lib.AtgViewAsComplex, t) }

// Real reads complex numbers as pairs along a new last dimension, without a copy.
func (t *Tensor) Real() *Tensor { return unary("view_as_real", lib.AtgViewAsReal, t) }

// ScatterTo sets elements along dimension dim in place: t[i][index[i][j]] = u[i][j] for dim 1.
func (t *Tensor) ScatterTo(dim int64, index, u *Tensor) *Tensor {
	return inPlace("scatter_", t, func(out *lib.Ctensor) { lib.AtgScatter_(out, t.handle(), dim, index.handle(), u.handle()) })
}

// Scope is what frees t; nil where t was kept.
func (t *Tensor) Scope() *Scope { return t.scope }
