package torch

import (
	lib "github.com/sugarme/gotch/libtch"
)

func unary(op string, f func(*lib.Ctensor, lib.Ctensor), x *Tensor) *Tensor {
	var out lib.Ctensor
	f(&out, x.handle())
	return innermostScope(x).wrap(op, out)
}

func pairwise(op string, f func(*lib.Ctensor, lib.Ctensor, lib.Ctensor), x, y *Tensor) *Tensor {
	var out lib.Ctensor
	f(&out, x.handle(), y.handle())
	return innermostScope(x, y).wrap(op, out)
}

func withNumber(op string, f func(*lib.Ctensor, lib.Ctensor, lib.Cscalar), x *Tensor, y float64) *Tensor {
	var out lib.Ctensor
	withScalar(y, func(c lib.Cscalar) { f(&out, x.handle(), c) })
	return innermostScope(x).wrap(op, out)
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

// AddNumber is t + y.
func (t *Tensor) AddNumber(y float64) *Tensor { return withNumber("add", lib.AtgAddScalar, t, y) }

// MulNumber is t * y.
func (t *Tensor) MulNumber(y float64) *Tensor { return withNumber("mul", lib.AtgMulScalar, t, y) }

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
	inner := t.MulNumber(0.7978845608028654).Add(t.Square().Mul(t).MulNumber(0.044715 * 0.7978845608028654)).Tanh()
	return inner.AddNumber(1).Mul(t).MulNumber(0.5)
}

// Tanh is the hyperbolic tangent.
func (t *Tensor) Tanh() *Tensor { return unary("tanh", lib.AtgTanh, t) }

// Equal is where t and u are equal.
func (t *Tensor) Equal(u *Tensor) *Tensor { return pairwise("eq", lib.AtgEqTensor, t, u) }

// EqualNumber is where t equals y.
func (t *Tensor) EqualNumber(y float64) *Tensor { return withNumber("eq", lib.AtgEq, t, y) }

// NotEqualNumber is where t differs from y.
func (t *Tensor) NotEqualNumber(y float64) *Tensor { return withNumber("ne", lib.AtgNe, t, y) }

// GreaterNumber is where t > y.
func (t *Tensor) GreaterNumber(y float64) *Tensor { return withNumber("gt", lib.AtgGt, t, y) }

// LessNumber is where t < y.
func (t *Tensor) LessNumber(y float64) *Tensor { return withNumber("lt", lib.AtgLt, t, y) }

// Finite is where t is neither infinite nor no number.
func (t *Tensor) Finite() *Tensor { return unary("isfinite", lib.AtgIsfinite, t) }

// LogicalNot is where t is false.
func (t *Tensor) LogicalNot() *Tensor { return unary("logical_not", lib.AtgLogicalNot, t) }

// Where is t where condition holds, else u.
func (t *Tensor) Where(condition, u *Tensor) *Tensor {
	var out lib.Ctensor
	lib.AtgWhereSelf(&out, condition.handle(), t.handle(), u.handle())
	return innermostScope(condition, t, u).wrap("where", out)
}

// MaskedFill is t with value where mask is true.
func (t *Tensor) MaskedFill(mask *Tensor, value float64) *Tensor {
	var out lib.Ctensor
	withScalar(value, func(v lib.Cscalar) { lib.AtgMaskedFill(&out, t.handle(), mask.handle(), v) })
	return innermostScope(t, mask).wrap("masked_fill", out)
}

// To is t as another type of elements; t itself where it has that type already.
func (t *Tensor) To(dtype DType) *Tensor {
	var out lib.Ctensor
	lib.AtgToDtype(&out, t.handle(), int32(dtype), 0, 0)
	return innermostScope(t).wrap("to", out)
}

// ToDevice is t on another device; t itself where it is there already.
func (t *Tensor) ToDevice(device Device) *Tensor {
	var out lib.Ctensor
	lib.AtgTo(&out, t.handle(), int32(device))
	return innermostScope(t).wrap("to device", out)
}
