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

// inPlace runs an operation that changes t, and frees the second handle of t that it returns.
func inPlace(op string, t *Tensor, f func(out *lib.Ctensor)) *Tensor {
	var out lib.Ctensor
	f(&out)
	check(op)
	lib.AtFree(out)
	made.Add(1)
	return t
}

// Add returns t + u, element by element, with broadcasting.
func (t *Tensor) Add(u *Tensor) *Tensor { return pairwise("add", lib.AtgAdd, t, u) }

// Sub returns t - u.
func (t *Tensor) Sub(u *Tensor) *Tensor { return pairwise("sub", lib.AtgSub, t, u) }

// Mul returns t * u, element by element.
func (t *Tensor) Mul(u *Tensor) *Tensor { return pairwise("mul", lib.AtgMul, t, u) }

// Div returns t / u.
func (t *Tensor) Div(u *Tensor) *Tensor { return pairwise("div", lib.AtgDiv, t, u) }

// AddNumber returns t + y.
func (t *Tensor) AddNumber(y float64) *Tensor { return withNumber("add", lib.AtgAddScalar, t, y) }

// MulNumber returns t * y.
func (t *Tensor) MulNumber(y float64) *Tensor { return withNumber("mul", lib.AtgMulScalar, t, y) }

// Neg returns -t.
func (t *Tensor) Neg() *Tensor { return unary("neg", lib.AtgNeg, t) }

// Exp returns e to the power of t.
func (t *Tensor) Exp() *Tensor { return unary("exp", lib.AtgExp, t) }

// Log returns the natural logarithm.
func (t *Tensor) Log() *Tensor { return unary("log", lib.AtgLog, t) }

// Sqrt returns the square root.
func (t *Tensor) Sqrt() *Tensor { return unary("sqrt", lib.AtgSqrt, t) }

// Rsqrt returns the reciprocal of the square root.
func (t *Tensor) Rsqrt() *Tensor { return unary("rsqrt", lib.AtgRsqrt, t) }

// Square returns t * t.
func (t *Tensor) Square() *Tensor { return unary("square", lib.AtgSquare, t) }

// Abs returns the absolute value.
func (t *Tensor) Abs() *Tensor { return unary("abs", lib.AtgAbs, t) }

// Sin returns the sine.
func (t *Tensor) Sin() *Tensor { return unary("sin", lib.AtgSin, t) }

// Cos returns the cosine.
func (t *Tensor) Cos() *Tensor { return unary("cos", lib.AtgCos, t) }

// Relu returns max(t, 0).
func (t *Tensor) Relu() *Tensor { return unary("relu", lib.AtgRelu, t) }

// Silu returns t * sigmoid(t).
func (t *Tensor) Silu() *Tensor { return unary("silu", lib.AtgSilu, t) }

// Gelu returns the tanh approximation of GELU, T5 v1.1's activation.
func (t *Tensor) Gelu() *Tensor {
	inner := t.MulNumber(0.7978845608028654).Add(t.Square().Mul(t).MulNumber(0.044715 * 0.7978845608028654)).Tanh()
	return inner.AddNumber(1).Mul(t).MulNumber(0.5)
}

// Tanh returns the hyperbolic tangent.
func (t *Tensor) Tanh() *Tensor { return unary("tanh", lib.AtgTanh, t) }

// Equal returns where t and u are equal, as booleans.
func (t *Tensor) Equal(u *Tensor) *Tensor { return pairwise("eq", lib.AtgEqTensor, t, u) }

// EqualNumber returns where t equals y.
func (t *Tensor) EqualNumber(y float64) *Tensor { return withNumber("eq", lib.AtgEq, t, y) }

// NotEqualNumber returns where t differs from y.
func (t *Tensor) NotEqualNumber(y float64) *Tensor { return withNumber("ne", lib.AtgNe, t, y) }

// GreaterNumber returns where t > y.
func (t *Tensor) GreaterNumber(y float64) *Tensor { return withNumber("gt", lib.AtgGt, t, y) }

// LessNumber returns where t < y.
func (t *Tensor) LessNumber(y float64) *Tensor { return withNumber("lt", lib.AtgLt, t, y) }

// Less returns where t < u.
func (t *Tensor) Less(u *Tensor) *Tensor { return pairwise("lt", lib.AtgLtTensor, t, u) }

// LessEqual returns where t <= u.
func (t *Tensor) LessEqual(u *Tensor) *Tensor { return pairwise("le", lib.AtgLeTensor, t, u) }

// Greater returns where t > u.
func (t *Tensor) Greater(u *Tensor) *Tensor { return pairwise("gt", lib.AtgGtTensor, t, u) }

// Minimum returns the smaller of t and u, element by element.
func (t *Tensor) Minimum(u *Tensor) *Tensor { return pairwise("minimum", lib.AtgMinimum, t, u) }

// Finite returns where t is neither infinite nor NaN.
func (t *Tensor) Finite() *Tensor { return unary("isfinite", lib.AtgIsfinite, t) }

// LogicalNot returns where t is false.
func (t *Tensor) LogicalNot() *Tensor { return unary("logical_not", lib.AtgLogicalNot, t) }

// Where returns t where condition is true, and u elsewhere.
func (t *Tensor) Where(condition, u *Tensor) *Tensor {
	var out lib.Ctensor
	lib.AtgWhereSelf(&out, condition.handle(), t.handle(), u.handle())
	return innermostScope(condition, t, u).wrap("where", out)
}

// MaskedFill returns t with value where mask is true.
func (t *Tensor) MaskedFill(mask *Tensor, value float64) *Tensor {
	var out lib.Ctensor
	withScalar(value, func(v lib.Cscalar) { lib.AtgMaskedFill(&out, t.handle(), mask.handle(), v) })
	return innermostScope(t, mask).wrap("masked_fill", out)
}

// To returns t converted to an element type; t itself if it has that type already.
func (t *Tensor) To(dtype DType) *Tensor {
	var out lib.Ctensor
	lib.AtgToDtype(&out, t.handle(), int32(dtype), 0, 0)
	return innermostScope(t).wrap("to", out)
}

// ToDevice returns t on a device; t itself if it is there already.
func (t *Tensor) ToDevice(device Device) *Tensor {
	var out lib.Ctensor
	lib.AtgTo(&out, t.handle(), int32(device))
	return innermostScope(t).wrap("to device", out)
}
