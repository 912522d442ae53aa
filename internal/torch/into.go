package torch

import (
	lib "github.com/sugarme/gotch/libtch"
)

// LinearInto is Linear into dst, which must have the result's shape.
func (t *Tensor) LinearInto(dst, weight *Tensor) {
	inPlace("linear", dst, func(out *lib.Ctensor) { lib.AtgLinearOut(out, dst.handle(), t.handle(), weight.handle(), nil) })
}

// LogSoftmaxInto is LogSoftmax into dst, which must have t's shape and share no memory with it.
func (t *Tensor) LogSoftmaxInto(dst *Tensor, dim int64) {
	inPlace("log_softmax", dst, func(out *lib.Ctensor) { lib.Atg_LogSoftmaxOut(out, dst.handle(), t.handle(), dim, 0) })
}
