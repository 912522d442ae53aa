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

// Gradient is the derivative of t, a single number, by a leaf. It frees the history of t's
// operations.
func (t *Tensor) Gradient(leaf *Tensor) *Tensor { return t.Gradients(leaf)[0] }

// Gradients is [Tensor.Gradient] by several leaves at once; nil for those that t does not depend
// on.
func (t *Tensor) Gradients(leaves ...*Tensor) []*Tensor {
	of, by, out := t.handle(), handles(leaves), make([]lib.Ctensor, len(leaves))
	lib.AtRunBackward(&of, 1, &by[0], len(by), &out[0], 0, 0)
	check("backward")
	gradients := make([]*Tensor, len(leaves))
	for i, c := range out {
		if lib.AtDefined(c) {
			gradients[i] = innermostScope(t, leaves[i]).wrap("backward", c)
		} else {
			lib.AtFree(c)
		}
	}
	return gradients
}

// Address is where a CPU tensor's first element lies.
func (t *Tensor) Address() unsafe.Pointer {
	p := lib.AtDataPtr(t.handle())
	check("data_ptr")
	return p
}
