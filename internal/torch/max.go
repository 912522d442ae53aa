package torch

import (
	lib "github.com/sugarme/gotch/libtch"
)

// MaxAlong is the largest element along a dimension, which is dropped.
func (t *Tensor) MaxAlong(dim int64) *Tensor {
	var out lib.Ctensor
	lib.AtgAmax(&out, t.handle(), []int64{dim}, 1, 0)
	return owner(t).own("amax", out)
}
