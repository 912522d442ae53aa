package torch

import (
	"unsafe"

	lib "github.com/sugarme/gotch/libtch"
)

// Leaf is t's memory as a tensor that gradients are taken for.
func (t *Tensor) Leaf() *Tensor {
	leaf := t.Detach()
	return inPlace("requires_grad_", leaf, func(out *lib.Ctensor) { lib.AtgSetRequiresGrad(out, leaf.handle(), 1) })
}

// Gradient is the derivative of t, a single number, by a leaf. It frees the history of t's operations.
func (t *Tensor) Gradient(leaf *Tensor) *Tensor {
	var out lib.Ctensor
	of, by := t.handle(), leaf.handle()
	lib.AtRunBackward(&of, 1, &by, 1, &out, 0, 0)
	return owner(t, leaf).own("backward", out)
}

// Address is where a CPU tensor's first element lies.
func (t *Tensor) Address() unsafe.Pointer {
	p := lib.AtDataPtr(t.handle())
	check("data_ptr")
	return p
}
