package t5

import (
	"slices"
	"strings"

	"rdrec/internal/spec"
	"rdrec/internal/torch"
)

// saved is a forward pass that keeps what its sections began with and ended in, and nothing that
// they computed between. Going back, each section is computed once more, from copies of its inputs
// and weights that record what is done with them.
type savedActivations struct {
	model    *Model
	scope    *torch.Scope // owns what goes from section to section
	seed     int64
	segments []*segment
	// gradients are of the loss by the tensors that go from section to section.
	gradients map[*torch.Tensor]*torch.Tensor
}

// segment is a part of the forward pass: in and out are all that it shares with the others, beside
// constants and weights.
type segment struct {
	weights []string // name the names of its weights begin with
	compute segmentFunc
	in, out []*torch.Tensor
	seed    int64
}

type segmentFunc func(s *torch.Scope, n *network, in []*torch.Tensor) []*torch.Tensor

// segments computes a part of the forward pass, or has the tape do it.
func (n *network) segments(s *torch.Scope, weights []string, f segmentFunc, in ...*torch.Tensor) []*torch.Tensor {
	if n.saved == nil {
		return f(s, n, in)
	}
	return n.saved.forward(weights, f, in)
}

// segment is sections with a single result.
func (n *network) segment(
	s *torch.Scope, weights []string, f func(n *network, in []*torch.Tensor) *torch.Tensor, in ...*torch.Tensor,
) *torch.Tensor {
	return n.segments(s, weights, func(_ *torch.Scope, n *network, in []*torch.Tensor) []*torch.Tensor {
		return []*torch.Tensor{f(n, in)}
	}, in...)[0]
}

// checkpointedGradient is [Model.Gradient] by a tape.
func (m *Model) checkpointedGradient(s *torch.Scope, groups []lengthBucket, p spec.Protocol, seed int64) (loss, gradient *torch.Tensor) {
	inner := s.Sub()
	defer inner.Close()
	t := &savedActivations{model: m, scope: inner, seed: seed, gradients: map[*torch.Tensor]*torch.Tensor{}}
	n := m.assemble(m.views, m.Dropout, false) // segments have networks of their own
	n.saved = t
	loss = n.loss(inner, groups, p, m.device)
	gradient = s.Zeros(torch.Float32, m.device, int64(m.flat.Numel()))
	views := m.cut(inner.Use(gradient))
	for _, segment := range slices.Backward(t.segments) {
		t.backward(segment, views)
	}
	return s.Adopt(loss), gradient
}

// forward computes a section and forgets how.
func (t *savedActivations) forward(weights []string, f segmentFunc, in []*torch.Tensor) []*torch.Tensor {
	const apart = 1_000_003 // more than the rows of a batch, whose parts begin with neighbouring seeds
	segment := &segment{weights: weights, compute: f, in: in, seed: t.seed + apart*int64(len(t.segments))}
	t.segments = append(t.segments, segment)
	inner := t.scope.Sub()
	defer inner.Close()
	torch.NoGrad(func() {
		views := make([]*torch.Tensor, len(t.model.views))
		for i := range t.model.fusedWeights {
			if segment.uses(t.model.fusedWeights[i]) {
				views[i] = inner.Use(t.model.views[i])
			}
		}
		segment.out = segment.run(inner, t.model, views, in)
	})
	for i, out := range segment.out {
		segment.out[i] = t.scope.Adopt(out)
	}
	return segment.out
}

func (c *segment) uses(p fusedWeight) bool {
	return slices.ContainsFunc(c.weights, func(prefix string) bool { return strings.HasPrefix(p.name, prefix) })
}

// run computes the section with weights of which those that it does not use are nil.
func (c *segment) run(s *torch.Scope, m *Model, views, in []*torch.Tensor) (out []*torch.Tensor) {
	n := m.trainingNetwork(views)
	if m.Dropout == 0 {
		return c.compute(s, n, in)
	}
	torch.Seeded(c.seed, func() { out = c.compute(s, n, in) })
	return out
}

// backward adds the section's share to the gradient and passes on what its inputs get. What the
// section ended in is freed: all that came after it has been there already.
func (t *savedActivations) backward(c *segment, gradient []*torch.Tensor) {
	inner := t.scope.Sub()
	defer inner.Close()
	var leaves []*torch.Tensor
	leaf := func(x *torch.Tensor) *torch.Tensor {
		leaves = append(leaves, inner.Use(x).Leaf())
		return leaves[len(leaves)-1]
	}
	in := make([]*torch.Tensor, len(c.in))
	for i, x := range c.in {
		in[i] = leaf(x)
	}
	views, used := make([]*torch.Tensor, len(t.model.views)), []int{}
	for i, piece := range t.model.fusedWeights {
		if c.uses(piece) {
			views[i], used = leaf(t.model.views[i]), append(used, i)
		}
	}
	all := t.backwardRoot(c, c.run(inner, t.model, views, in)).Gradients(leaves...)
	for i, x := range c.in {
		t.accumulate(x, all[i])
	}
	for i, piece := range used {
		if g := all[len(in)+i]; g != nil {
			gradient[piece].AddTo(g)
		}
	}
	for _, out := range c.out {
		if g := t.gradients[out]; g != nil {
			g.Free()
			delete(t.gradients, out)
			out.Free()
		}
	}
}

// backwardRoot is a number whose derivative by the section's results is what they got: the loss
// itself, or the sum of products with it.
func (t *savedActivations) backwardRoot(c *segment, out []*torch.Tensor) *torch.Tensor {
	var root *torch.Tensor
	for i, x := range out {
		g := t.gradients[c.out[i]]
		if g == nil {
			continue
		}
		product := x.Mul(g).Sum()
		if root == nil {
			root = product
		} else {
			root = root.Add(product)
		}
	}
	if root == nil {
		return out[0] // the last section's: the loss
	}
	return root
}

// accumulate adds to what a tensor between sections gets. Not in place: libtorch may give two
// leaves the same gradient.
func (t *savedActivations) accumulate(x, gradient *torch.Tensor) {
	if gradient == nil {
		return
	}
	if before := t.gradients[x]; before != nil {
		gradient = before.Add(gradient)
		before.Free()
	}
	t.gradients[x] = t.scope.Adopt(gradient)
}
