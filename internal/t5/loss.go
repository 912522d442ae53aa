package t5

import (
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/internal/torch"
)

// ignoreIndex is a label that no token has, so that padding counts in the loss like any other
// token.
const ignoreIndex = -100

// ForwardOutput is the output of a forward pass over a batch.
type ForwardOutput struct {
	Embedded *torch.Tensor // [batch, prompts + source, model], the encoder's input
	Encoded  *torch.Tensor // [batch, prompts + source, model]
	Logits   *torch.Tensor // [batch, target, vocabulary], before the softmax
}

// Forward computes the logits of all tokens at every target position, including padding.
func (m *Model) Forward(s *torch.Scope, b task.Batch, p spec.Protocol) (ForwardOutput, error) {
	if err := m.checkTargets(b); err != nil {
		return ForwardOutput{}, err
	}
	n := m.assemble(m.views, 0, false)
	embedded, _ := n.embed(s, []lengthBucket{{batch: b, padRepeats: 1}}, m.device)
	encoded, decoded := n.forward(s, embedded[0], p, m.device)
	return ForwardOutput{embedded[0].source, encoded, n.logits(decoded)}, nil
}

// Loss returns the mean cross-entropy of the batch's targets, without dropout. Protocol paper
// counts padding (docs/deviations.md, behavior 2).
func (m *Model) Loss(s *torch.Scope, b task.Batch, p spec.Protocol) (*torch.Tensor, error) {
	if err := m.checkTargets(b); err != nil {
		return nil, err
	}
	inner := s.Sub()
	defer inner.Close()
	n := m.assemble(m.views, 0, false)
	n.headWeight = m.HeadWeight
	return s.Adopt(n.loss(inner, m.lengthBuckets(b, p, 0), p, m.device)), nil
}

// Gradient returns the loss with dropout, sampled with seed, and its gradient with respect to
// [Model.Flat]. See [Model.BFloat16] and [Model.GradientCheckpointing].
func (m *Model) Gradient(
	s *torch.Scope, b task.Batch, p spec.Protocol, seed int64,
) (loss, gradient *torch.Tensor, err error) {
	if err := m.checkTargets(b); err != nil {
		return nil, nil, err
	}
	buckets := m.lengthBuckets(b, p, m.Dropout)
	if m.GradientCheckpointing {
		loss, gradient = m.checkpointedGradient(s, buckets, p, seed)
		return loss, gradient, nil
	}
	leaf := s.Use(m.flat).Leaf()
	forward := func() {
		// libtorch keeps the tensors that the backward pass needs and frees them as it goes. Our
		// handles would only keep them longer.
		inner := s.Sub()
		defer inner.Close()
		loss = s.Adopt(m.trainingNetwork(m.cut(inner.Use(leaf))).loss(inner, buckets, p, m.device))
	}
	if m.Dropout > 0 {
		torch.Seeded(seed, forward)
	} else {
		forward()
	}
	return loss, loss.Gradient(leaf), nil
}

// AccumulatedGradient is [Model.Gradient] computed in micro-batches of at most rows rows, so that
// only their activations are in memory. Without dropout, loss and gradient equal the whole batch's
// up to rounding; with dropout, each micro-batch samples its own.
func (m *Model) AccumulatedGradient(
	s *torch.Scope, b task.Batch, p spec.Protocol, seed int64, rows int,
) (loss, gradient *torch.Tensor, err error) {
	sum := gradientSum{scope: s}
	err = m.MicroBatches(b, p, rows, func(microBatch task.Batch, from int, weight float64) error {
		return sum.add(m, microBatch, p, seed+int64(from), weight)
	})
	return sum.loss, sum.gradient, err
}

// Share is the part of a batch of one of several processes, from 0.
type Share struct {
	Process, Processes int
	// MicroBatch is the number of rows of a micro-batch; at most Rows of them are computed at a
	// time. 0 means all.
	MicroBatch, Rows int
}

// SharedGradient is [Model.AccumulatedGradient] of a process's share of a batch: every nth
// micro-batch. The sum over the processes equals that of AccumulatedGradient with the rows of a
// micro-batch, up to rounding. Fewer rows at a time sample another dropout.
func (m *Model) SharedGradient(
	s *torch.Scope, b task.Batch, p spec.Protocol, seed int64, share Share,
) (loss, gradient *torch.Tensor, err error) {
	sum := gradientSum{scope: s}
	err = m.MicroBatches(b, p, share.MicroBatch, func(part task.Batch, from int, weight float64) error {
		if from/max(1, share.MicroBatch)%share.Processes != share.Process {
			return nil
		}
		return m.MicroBatches(part, p, share.Rows, func(inner task.Batch, at int, innerWeight float64) error {
			return sum.add(m, inner, p, seed+int64(from+at), weight*innerWeight)
		})
	})
	if err == nil && sum.gradient == nil { // more processes than micro-batches
		sum.loss = s.Zeros(torch.Float32, m.device)
		sum.gradient = s.Zeros(torch.Float32, m.device, int64(m.flat.Numel()))
	}
	return sum.loss, sum.gradient, err
}

// gradientSum is the sum of the losses and gradients of micro-batches; nil before the first.
type gradientSum struct {
	scope          *torch.Scope
	loss, gradient *torch.Tensor
}

// add adds the gradient of a micro-batch by the weight of its loss.
func (g *gradientSum) add(m *Model, b task.Batch, p spec.Protocol, seed int64, weight float64) error {
	inner := g.scope.Sub()
	defer inner.Close()
	loss, gradient, err := m.Gradient(inner, b, p, seed)
	switch {
	case err != nil:
		return err
	case weight < 1:
		loss, gradient = loss.Scale(weight), gradient.Scale(weight)
	}
	if g.gradient == nil {
		g.loss, g.gradient = g.scope.Adopt(loss), g.scope.Adopt(gradient)
		return nil
	}
	g.loss.AddTo(loss)
	g.gradient.AddTo(gradient)
	return nil
}

// MicroBatches calls f with consecutive micro-batches of at most rows rows (0: the whole batch),
// the index of their first row, and the weight of their mean loss in the batch's. Micro-batches
// without a label are skipped.
func (m *Model) MicroBatches(
	b task.Batch, p spec.Protocol, rows int, f func(microBatch task.Batch, from int, weight float64) error,
) error {
	if rows <= 0 || rows >= b.Size {
		return f(b, 0, 1)
	}
	all := m.labelCount(b, p)
	for from := 0; from < b.Size; from += rows {
		microBatch := b.Rows(from, min(from+rows, b.Size))
		labels := m.labelCount(microBatch, p)
		if labels == 0 {
			continue
		}
		if err := f(microBatch, from, float64(labels)/float64(all)); err != nil {
			return err
		}
	}
	return nil
}

// labelCount returns the number of target positions that count in the loss.
func (m *Model) labelCount(b task.Batch, p spec.Protocol) int {
	if !p.SkipPads {
		return len(b.Target)
	}
	positions, _ := m.labelPositions(b)
	return len(positions)
}

// forward runs both stacks over a bucket.
// [rows, prompts + source, model], [rows, target, model]
func (n *network) forward(
	s *torch.Scope, r embeddedBucket, p spec.Protocol, device torch.Device,
) (encoded, decoded *torch.Tensor) {
	mask := n.padMask(s, r.batch, device)
	encoded = n.encode(s, r.source, mask)
	return encoded, n.decode(s, r.target, encoded, n.crossMask(encoded, mask, r.lengthBucket, p.MaskCross))
}

// loss computes the cross-entropy of all buckets, over the target positions that count.
func (n *network) loss(s *torch.Scope, buckets []lengthBucket, p spec.Protocol, device torch.Device) *torch.Tensor {
	embedded, vectors := n.embed(s, buckets, device)
	decodedStates, encodedStates := make([]*torch.Tensor, len(embedded)), make([]*torch.Tensor, len(embedded))
	for i, r := range embedded {
		encodedStates[i], decodedStates[i] = n.forward(s, r, p, device)
	}
	if n.items != nil {
		return n.tokenSegment(s, buckets, passStates{decodedStates, encodedStates, vectors}, p)
	}
	return n.segment(s, []string{n.headName()}, func(n *network, decodedStates []*torch.Tensor) *torch.Tensor {
		var labels []int64
		selected := make([]*torch.Tensor, len(decodedStates))
		for i, g := range buckets {
			decoded, targets := decodedStates[i].View(-1, n.Model), g.batch.Target // [rows * target, model]
			if p.SkipPads {
				var positions []int64
				positions, targets = n.labelPositions(g.batch)
				index := decoded.NewInt64(positions, int64(len(positions)))
				decoded = decoded.IndexSelect(0, index) // [counted, model]
			}
			selected[i], labels = decoded, append(labels, targets...)
		}
		logits := n.logits(torch.Cat(0, selected...)) // [all counted, vocabulary]
		return logits.CrossEntropy(logits.NewInt64(labels, int64(len(labels))), ignoreIndex, n.labelSmoothing)
	}, decodedStates...)
}

// labelPositions returns the target positions that are not padding, and their labels.
func (c Config) labelPositions(b task.Batch) (positions, labels []int64) {
	for i, label := range b.Target {
		if label != c.Pad {
			positions, labels = append(positions, int64(i)), append(labels, label)
		}
	}
	return positions, labels
}
