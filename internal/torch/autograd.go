package torch

import (
	"unsafe"

	lib "github.com/sugarme/gotch/libtch"
)

// Leaf returns t's memory as a leaf that requires a gradient.
func (t *Tensor) Leaf() *Tensor {
	leaf := t.Detach()
	return inPlace("requires_grad_", leaf, func(out *lib.Ctensor) { lib.AtgSetRequiresGrad(out, leaf.handle(), 1) })
}

// Gradient returns the gradient of t, a scalar, with respect to a leaf. It frees t's autograd
// graph.
func (t *Tensor) Gradient(leaf *Tensor) *Tensor { return t.Gradients(leaf)[0] }

// Gradients is [Tensor.Gradient] for several leaves at once. It is nil for leaves that t does not
// depend on.
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

// Address returns the address of a CPU tensor's first element.
func (t *Tensor) Address() unsafe.Pointer {
	p := lib.AtDataPtr(t.handle())
	check("data_ptr")
	return p
}
