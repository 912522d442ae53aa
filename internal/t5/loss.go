package t5

import (
	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/internal/torch"
)

// noLabel is a label that no token has: with it, padding counts in the loss as any other token.
const noLabel = -100

// Pass is what one pass over a batch computed, in a scope.
type Pass struct {
	Embedded *torch.Tensor // [batch, prompts + source, model], what the encoder read
	Encoded  *torch.Tensor // [batch, prompts + source, model]
	Logits   *torch.Tensor // [batch, target, vocabulary], before the softmax
}

// Forward scores every token at every position of the targets, padding included.
func (m *Model) Forward(s *torch.Scope, b task.Batch, p spec.Protocol) (Pass, error) {
	if err := m.checkTargets(b); err != nil {
		return Pass{}, err
	}
	n := m.assemble(m.views, 0, false)
	r := n.embed(s, []group{{batch: b, last: 1}}, m.device)[0]
	encoded, decoded := n.answer(s, r, p, m.device)
	return Pass{r.source, encoded, n.logits(decoded)}, nil
}

// Loss is the mean cross-entropy of the batch's targets, without dropout. Protocol paper counts padding (REFERENCE.md 2).
func (m *Model) Loss(s *torch.Scope, b task.Batch, p spec.Protocol) (*torch.Tensor, error) {
	if err := m.checkTargets(b); err != nil {
		return nil, err
	}
	inner := s.Sub()
	defer inner.Close()
	return s.Adopt(m.assemble(m.views, 0, false).loss(inner, m.groups(b, p, 0), p, m.device)), nil
}

// Gradient is the loss with dropout, drawn from seed, and its derivative by [Model.Flat]. See [Model.BFloat16] and [Model.Recompute].
func (m *Model) Gradient(s *torch.Scope, b task.Batch, p spec.Protocol, seed int64) (loss, gradient *torch.Tensor, err error) {
	if err := m.checkTargets(b); err != nil {
		return nil, nil, err
	}
	groups := m.groups(b, p, m.Dropout)
	if m.Recompute {
		loss, gradient = m.recomputed(s, groups, p, seed)
		return loss, gradient, nil
	}
	leaf := s.Use(m.flat).Leaf()
	forward := func() {
		// What the backward pass needs, libtorch keeps itself and frees as it goes: our handles would only hold it longer.
		inner := s.Sub()
		defer inner.Close()
		loss = s.Adopt(m.learning(m.cut(inner.Use(leaf))).loss(inner, groups, p, m.device))
	}
	if m.Dropout > 0 {
		torch.Seeded(seed, forward)
	} else {
		forward()
	}
	return loss, loss.Gradient(leaf), nil
}

// Accumulated is [Model.Gradient] worked at rows by rows, so that the activations of so many rows are in memory at a time. Loss and
// gradient are the whole batch's: to rounding without dropout, which draws otherwise for each part.
func (m *Model) Accumulated(s *torch.Scope, b task.Batch, p spec.Protocol, seed int64, rows int) (loss, gradient *torch.Tensor, err error) {
	err = m.InParts(b, p, rows, func(part task.Batch, from int, share float64) error {
		inner := s.Sub()
		defer inner.Close()
		l, g, err := m.Gradient(inner, part, p, seed+int64(from))
		switch {
		case err != nil:
			return err
		case share < 1:
			l, g = l.Scale(share), g.Scale(share)
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

// InParts calls f with some rows of a batch after the others, at most so many at a time (0 all), with the number of the first and with the
// share that their mean loss has in the batch's. Rows without anything to learn are left out.
func (m *Model) InParts(b task.Batch, p spec.Protocol, rows int, f func(part task.Batch, from int, share float64) error) error {
	if rows <= 0 || rows >= b.Size {
		return f(b, 0, 1)
	}
	all := m.labels(b, p)
	for from := 0; from < b.Size; from += rows {
		part := b.Rows(from, min(from+rows, b.Size))
		labels := m.labels(part, p)
		if labels == 0 {
			continue
		}
		if err := f(part, from, float64(labels)/float64(all)); err != nil {
			return err
		}
	}
	return nil
}

// labels is how many places of the targets count in the loss.
func (m *Model) labels(b task.Batch, p spec.Protocol) int {
	if !p.SkipPads {
		return len(b.Target)
	}
	places, _ := m.counted(b)
	return len(places)
}

// answer runs both stacks over a group. [rows, prompts + source, model], [rows, target, model]
func (n *network) answer(s *torch.Scope, r read, p spec.Protocol, device torch.Device) (encoded, decoded *torch.Tensor) {
	mask := n.padMask(s, r.batch, device)
	encoded = n.encode(s, r.source, mask)
	return encoded, n.decode(s, r.target, encoded, n.crossMask(encoded, mask, r.group, p.MaskCross))
}

// loss answers all groups and compares the answers that count with the labels.
func (n *network) loss(s *torch.Scope, groups []group, p spec.Protocol, device torch.Device) *torch.Tensor {
	answers := make([]*torch.Tensor, 0, len(groups))
	for _, r := range n.embed(s, groups, device) {
		_, decoded := n.answer(s, r, p, device)
		answers = append(answers, decoded)
	}
	return n.section(s, []string{n.headName()}, func(n *network, answers []*torch.Tensor) *torch.Tensor {
		var labels []int64
		counting := make([]*torch.Tensor, len(answers))
		for i, g := range groups {
			decoded, wanted := answers[i].View(-1, n.Model), g.batch.Target // [rows * target, model]
			if p.SkipPads {
				var places []int64
				places, wanted = n.counted(g.batch)
				decoded = decoded.IndexSelect(0, decoded.NewInt64(places, int64(len(places)))) // [counted, model]
			}
			counting[i], labels = decoded, append(labels, wanted...)
		}
		logits := n.logits(torch.Cat(0, counting...)) // [all that count, vocabulary]
		return logits.CrossEntropy(logits.NewInt64(labels, int64(len(labels))), noLabel)
	}, answers...)
}

// counted lists the places of the targets that are no padding, and their labels.
func (c Config) counted(b task.Batch) (places, labels []int64) {
	for i, label := range b.Target {
		if label != c.Pad {
			places, labels = append(places, int64(i)), append(labels, label)
		}
	}
	return places, labels
}
