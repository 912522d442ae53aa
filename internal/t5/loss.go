package t5

import (
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/internal/torch"
)

// ignoreIndex is a label that no token has: with it, padding counts in the loss as any other token.
const ignoreIndex = -100

// ForwardOutput is what one pass over a batch computed, in a scope.
type ForwardOutput struct {
	Embedded *torch.Tensor // [batch, prompts + source, model], what the encoder read
	Encoded  *torch.Tensor // [batch, prompts + source, model]
	Logits   *torch.Tensor // [batch, target, vocabulary], before the softmax
}

// Forward scores every token at every position of the targets, padding included.
func (m *Model) Forward(s *torch.Scope, b task.Batch, p spec.Protocol) (ForwardOutput, error) {
	if err := m.checkTargets(b); err != nil {
		return ForwardOutput{}, err
	}
	n := m.assemble(m.views, 0, false)
	r := n.embed(s, []lengthBucket{{batch: b, padRepeats: 1}}, m.device)[0]
	encoded, decoded := n.forward(s, r, p, m.device)
	return ForwardOutput{r.source, encoded, n.logits(decoded)}, nil
}

// Loss is the mean cross-entropy of the batch's targets, without dropout. Protocol paper counts
// padding (REFERENCE.md 2).
func (m *Model) Loss(s *torch.Scope, b task.Batch, p spec.Protocol) (*torch.Tensor, error) {
	if err := m.checkTargets(b); err != nil {
		return nil, err
	}
	inner := s.Sub()
	defer inner.Close()
	return s.Adopt(m.assemble(m.views, 0, false).loss(inner, m.lengthBuckets(b, p, 0), p, m.device)), nil
}

// Gradient is the loss with dropout, drawn from seed, and its derivative by [Model.Flat]. See
// [Model.BFloat16] and [Model.GradientCheckpointing].
func (m *Model) Gradient(s *torch.Scope, b task.Batch, p spec.Protocol, seed int64) (loss, gradient *torch.Tensor, err error) {
	if err := m.checkTargets(b); err != nil {
		return nil, nil, err
	}
	groups := m.lengthBuckets(b, p, m.Dropout)
	if m.GradientCheckpointing {
		loss, gradient = m.checkpointedGradient(s, groups, p, seed)
		return loss, gradient, nil
	}
	leaf := s.Use(m.flat).Leaf()
	forward := func() {
		// What the backward pass needs, libtorch keeps itself and frees as it goes: our handles
		// would only hold it longer.
		inner := s.Sub()
		defer inner.Close()
		loss = s.Adopt(m.trainingNetwork(m.cut(inner.Use(leaf))).loss(inner, groups, p, m.device))
	}
	if m.Dropout > 0 {
		torch.Seeded(seed, forward)
	} else {
		forward()
	}
	return loss, loss.Gradient(leaf), nil
}

// AccumulatedGradient is [Model.Gradient] worked at rows by rows, so that the activations of so
// many rows are in memory at a time. Loss and gradient are the whole batch's: to rounding without
// dropout, which draws otherwise for each part.
func (m *Model) AccumulatedGradient(s *torch.Scope, b task.Batch, p spec.Protocol, seed int64, rows int) (loss, gradient *torch.Tensor, err error) {
	err = m.MicroBatches(b, p, rows, func(microBatch task.Batch, from int, weight float64) error {
		inner := s.Sub()
		defer inner.Close()
		l, g, err := m.Gradient(inner, microBatch, p, seed+int64(from))
		switch {
		case err != nil:
			return err
		case weight < 1:
			l, g = l.Scale(weight), g.Scale(weight)
		}
		if gradient == nil {
			loss, gradient = s.Adopt(l), s.Adopt(g)
			return nil
		}
		loss.AddTo(l)
		gradient.AddTo(g)
		return nil
	})
	return loss, gradient, err
}

// MicroBatches calls f with some rows of a batch after the others, at most so many at a time (0
// all), with the number of the first and with the share that their mean loss has in the batch's.
// Rows without anything to learn are left out.
func (m *Model) MicroBatches(b task.Batch, p spec.Protocol, rows int, f func(microBatch task.Batch, from int, weight float64) error) error {
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

// labelCount is how many places of the targets count in the loss.
func (m *Model) labelCount(b task.Batch, p spec.Protocol) int {
	if !p.SkipPads {
		return len(b.Target)
	}
	positions, _ := m.labelPositions(b)
	return len(positions)
}

// forward runs both stacks over a group. [goldenRows, prompts + source, model], [goldenRows,
// target, model]
func (n *network) forward(s *torch.Scope, r embeddedGroup, p spec.Protocol, device torch.Device) (encoded, decoded *torch.Tensor) {
	mask := n.padMask(s, r.batch, device)
	encoded = n.encode(s, r.source, mask)
	return encoded, n.decode(s, r.target, encoded, n.crossMask(encoded, mask, r.lengthBucket, p.MaskCross))
}

// loss answers all groups and compares the answers that count with the labels.
func (n *network) loss(s *torch.Scope, groups []lengthBucket, p spec.Protocol, device torch.Device) *torch.Tensor {
	decodedStates := make([]*torch.Tensor, 0, len(groups))
	for _, r := range n.embed(s, groups, device) {
		_, decoded := n.forward(s, r, p, device)
		decodedStates = append(decodedStates, decoded)
	}
	return n.segment(s, []string{n.headName()}, func(n *network, decodedStates []*torch.Tensor) *torch.Tensor {
		var labels []int64
		selected := make([]*torch.Tensor, len(decodedStates))
		for i, g := range groups {
			decoded, targets := decodedStates[i].View(-1, n.Model), g.batch.Target // [goldenRows * target, model]
			if p.SkipPads {
				var positions []int64
				positions, targets = n.labelPositions(g.batch)
				decoded = decoded.IndexSelect(0, decoded.NewInt64(positions, int64(len(positions)))) // [labelPositions, model]
			}
			selected[i], labels = decoded, append(labels, targets...)
		}
		logits := n.logits(torch.Cat(0, selected...)) // [all that count, vocabulary]
		return logits.CrossEntropy(logits.NewInt64(labels, int64(len(labels))), ignoreIndex)
	}, decodedStates...)
}

// labelPositions lists the places of the targets that are no padding, and their labels.
func (c Config) labelPositions(b task.Batch) (positions, labels []int64) {
	for i, label := range b.Target {
		if label != c.Pad {
			positions, labels = append(positions, int64(i)), append(labels, label)
		}
	}
	return positions, labels
}
