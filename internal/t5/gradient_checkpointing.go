package t5

import (
	"slices"
	"strings"

	"rdrec/internal/spec"
	"rdrec/internal/torch"
)

// savedActivations is a forward pass that saves only the inputs and outputs of its segments. The
// backward pass recomputes each segment from copies of its inputs and weights that record
// gradients.
type savedActivations struct {
	model    *Model
	scope    *torch.Scope // owns the tensors between segments
	seed     int64
	segments []*segment
	// gradients are the gradients of the loss with respect to the tensors between segments.
	gradients map[*torch.Tensor]*torch.Tensor
}

// segment is a part of the forward pass. Apart from constants and weights, it shares only in and
// out with other segments.
type segment struct {
	weights []string // prefixes of the names of its weights
	compute segmentFunc
	in, out []*torch.Tensor
	seed    int64
}

type segmentFunc func(s *torch.Scope, n *network, in []*torch.Tensor) []*torch.Tensor

// segments computes a part of the forward pass, as a checkpointed segment if n saves activations.
func (n *network) segments(s *torch.Scope, weights []string, f segmentFunc, in ...*torch.Tensor) []*torch.Tensor {
	if n.saved == nil {
		return f(s, n, in)
	}
	return n.saved.forward(weights, f, in)
}

// segment is segments with a single result.
func (n *network) segment(
	s *torch.Scope, weights []string, f func(n *network, in []*torch.Tensor) *torch.Tensor, in ...*torch.Tensor,
) *torch.Tensor {
	return n.segments(s, weights, func(_ *torch.Scope, n *network, in []*torch.Tensor) []*torch.Tensor {
		return []*torch.Tensor{f(n, in)}
	}, in...)[0]
}

// checkpointedGradient is [Model.Gradient] with gradient checkpointing.
func (m *Model) checkpointedGradient(
	s *torch.Scope, buckets []lengthBucket, p spec.Protocol, seed int64,
) (loss, gradient *torch.Tensor) {
	inner := s.Sub()
	defer inner.Close()
	t := &savedActivations{model: m, scope: inner, seed: seed, gradients: map[*torch.Tensor]*torch.Tensor{}}
	n := m.assemble(m.views, m.Dropout, false) // segments have networks of their own
	n.saved, n.headWeight = t, m.HeadWeight
	loss = n.loss(inner, buckets, p, m.device)
	gradient = s.Zeros(torch.Float32, m.device, int64(m.flat.Numel()))
	views := m.cut(inner.Use(gradient))
	for _, segment := range slices.Backward(t.segments) {
		t.backward(segment, views)
	}
	return s.Adopt(loss), gradient
}

// forward computes a segment and frees its intermediate activations.
func (t *savedActivations) forward(weights []string, f segmentFunc, in []*torch.Tensor) []*torch.Tensor {
	const apart = 1_000_003 // more than the rows of a batch, whose micro-batches have neighbouring seeds
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

// run computes the segment. Weights that it does not use may be nil.
func (c *segment) run(s *torch.Scope, m *Model, views, in []*torch.Tensor) (out []*torch.Tensor) {
	n := m.trainingNetwork(views)
	if m.Dropout == 0 {
		return c.compute(s, n, in)
	}
	torch.Seeded(c.seed, func() { out = c.compute(s, n, in) })
	return out
}

// backward adds the segment's part of the gradient and accumulates the gradients of its inputs. It
// frees the segment's outputs, since all later segments are done.
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

// backwardRoot returns a scalar whose gradient with respect to the segment's outputs is theirs: the
// loss itself, or the sum of the outputs' products with their gradients.
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
		return out[0] // the last segment's output: the loss
	}
	return root
}

// accumulate adds to the gradient of a tensor between segments. It does not add in place, because
// libtorch may return the same gradient for two leaves.
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
