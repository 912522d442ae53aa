package torch

import (
	lib "github.com/sugarme/gotch/libtch"
)

func unary(op string, f func(*lib.Ctensor, lib.Ctensor), x *Tensor) *Tensor {
	var out lib.Ctensor
	f(&out, x.handle())
	return owner(x).own(op, out)
}

func pairwise(op string, f func(*lib.Ctensor, lib.Ctensor, lib.Ctensor), x, y *Tensor) *Tensor {
	var out lib.Ctensor
	f(&out, x.handle(), y.handle())
	return owner(x, y).own(op, out)
}

func withNumber(op string, f func(*lib.Ctensor, lib.Ctensor, lib.Cscalar), x *Tensor, y float64) *Tensor {
	var out lib.Ctensor
	withScalar(y, func(c lib.Cscalar) { f(&out, x.handle(), c) })
	return owner(x).own(op, out)
}

// inPlace runs an operation that changes t and frees the second handle of t that it answers with.
func inPlace(op string, t *Tensor, f func(out *lib.Ctensor)) *Tensor {
	var out lib.Ctensor
	f(&out)
	check(op)
	lib.AtFree(out)
	made.Add(1)
	return t
}

// Add is t + u, element by element, with broadcasting.
func (t *Tensor) Add(u *Tensor) *Tensor { return pairwise("add", lib.AtgAdd, t, u) }

// Sub is t - u.
func (t *Tensor) Sub(u *Tensor) *Tensor { return pairwise("sub", lib.AtgSub, t, u) }

// Mul is t * u, element by element.
func (t *Tensor) Mul(u *Tensor) *Tensor { return pairwise("mul", lib.AtgMul, t, u) }

// Div is t / u.
func (t *Tensor) Div(u *Tensor) *Tensor { return pairwise("div", lib.AtgDiv, t, u) }

// Plus is t + y.
func (t *Tensor) Plus(y float64) *Tensor { return withNumber("add", lib.AtgAddScalar, t, y) }

// Times is t * y.
func (t *Tensor) Times(y float64) *Tensor { return withNumber("mul", lib.AtgMulScalar, t, y) }

// Neg is -t.
func (t *Tensor) Neg() *Tensor { return unary("neg", lib.AtgNeg, t) }

// Exp is e to the t.
func (t *Tensor) Exp() *Tensor { return unary("exp", lib.AtgExp, t) }

// Log is the natural logarithm.
func (t *Tensor) Log() *Tensor { return unary("log", lib.AtgLog, t) }

// Sqrt is the square root.
func (t *Tensor) Sqrt() *Tensor { return unary("sqrt", lib.AtgSqrt, t) }

// Rsqrt is one over the square root.
func (t *Tensor) Rsqrt() *Tensor { return unary("rsqrt", lib.AtgRsqrt, t) }

// Square is t * t.
func (t *Tensor) Square() *Tensor { return unary("square", lib.AtgSquare, t) }

// Abs is the absolute value.
func (t *Tensor) Abs() *Tensor { return unary("abs", lib.AtgAbs, t) }

// Sin is the sine.
func (t *Tensor) Sin() *Tensor { return unary("sin", lib.AtgSin, t) }

// Cos is the cosine.
func (t *Tensor) Cos() *Tensor { return unary("cos", lib.AtgCos, t) }

// Relu is max(t, 0).
func (t *Tensor) Relu() *Tensor { return unary("relu", lib.AtgRelu, t) }

// Silu is t * sigmoid(t).
func (t *Tensor) Silu() *Tensor { return unary("silu", lib.AtgSilu, t) }

// Gelu is T5 v1.1's activation, in its tanh form.
func (t *Tensor) Gelu() *Tensor {
	inner := t.Times(0.7978845608028654).Add(t.Square().Mul(t).Times(0.044715 * 0.7978845608028654)).Tanh()
	return inner.Plus(1).Mul(t).Times(0.5)
}

// Tanh is the hyperbolic tangent.
func (t *Tensor) Tanh() *Tensor { return unary("tanh", lib.AtgTanh, t) }

// Equal is where t and u are equal.
func (t *Tensor) Equal(u *Tensor) *Tensor { return pairwise("eq", lib.AtgEqTensor, t, u) }

// Is is where t equals y.
func (t *Tensor) Is(y float64) *Tensor { return withNumber("eq", lib.AtgEq, t, y) }

// IsNot is where t differs from y.
func (t *Tensor) IsNot(y float64) *Tensor { return withNumber("ne", lib.AtgNe, t, y) }

// Above is where t > y.
func (t *Tensor) Above(y float64) *Tensor { return withNumber("gt", lib.AtgGt, t, y) }

// Below is where t < y.
func (t *Tensor) Below(y float64) *Tensor { return withNumber("lt", lib.AtgLt, t, y) }

// Finite is where t is neither infinite nor no number.
func (t *Tensor) Finite() *Tensor { return unary("isfinite", lib.AtgIsfinite, t) }

// Not is where t is false.
func (t *Tensor) Not() *Tensor { return unary("logical_not", lib.AtgLogicalNot, t) }

// Where is t where condition holds, else u.
func (t *Tensor) Where(condition, u *Tensor) *Tensor {
	var out lib.Ctensor
	lib.AtgWhereSelf(&out, condition.handle(), t.handle(), u.handle())
	return owner(condition, t, u).own("where", out)
}

// MaskedFill is t with value where mask is true.
func (t *Tensor) MaskedFill(mask *Tensor, value float64) *Tensor {
	var out lib.Ctensor
	withScalar(value, func(v lib.Cscalar) { lib.AtgMaskedFill(&out, t.handle(), mask.handle(), v) })
	return owner(t, mask).own("masked_fill", out)
}

// To is t as another type of elements; t itself where it has that type already.
func (t *Tensor) To(dtype DType) *Tensor {
	var out lib.Ctensor
	lib.AtgToDtype(&out, t.handle(), int32(dtype), 0, 0)
	return owner(t).own("to", out)
}

// On is t on another device; t itself where it is there already.
func (t *Tensor) On(device Device) *Tensor {
	var out lib.Ctensor
	lib.AtgTo(&out, t.handle(), int32(device))
	return owner(t).own("to device", out)
}
