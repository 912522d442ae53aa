package t5

import (
	"errors"

	"rdrec/internal/spec"
	"rdrec/internal/task"
	"rdrec/internal/torch"
)

// noLabel is a label that no token has: with it, padding counts in the loss as any other token.
const noLabel = -100

var errNoTarget = errors.New("batch has no target token to learn")

// Pass is what one pass over a batch computed, in a scope.
type Pass struct {
	Embedded *torch.Tensor // [batch, prompts + source, model], what the encoder read
	Encoded  *torch.Tensor // [batch, prompts + source, model]
	Logits   *torch.Tensor // [batch, target, vocabulary], before the softmax
}

// Forward scores every token at every position of the targets.
func (m *Model) Forward(s *torch.Scope, b task.Batch, p spec.Protocol) (Pass, error) {
	if err := m.checkTargets(b); err != nil {
		return Pass{}, err
	}
	n := m.assemble(m.views, 0)
	pass := n.run(s, b, p, m.device)
	return Pass{pass.embedded, pass.encoded, n.logits(pass.decoded)}, nil
}

// Loss is the mean cross-entropy of the batch's targets, without dropout. Protocol paper counts padding (REFERENCE.md 2).
func (m *Model) Loss(s *torch.Scope, b task.Batch, p spec.Protocol) (*torch.Tensor, error) {
	if err := m.checkTargets(b); err != nil {
		return nil, err
	}
	inner := s.Sub()
	defer inner.Close()
	return s.Adopt(m.assemble(m.views, 0).loss(inner, b, p, m.device)), nil
}

// Gradient is the loss with dropout, drawn from seed, and its derivative by [Model.Flat].
func (m *Model) Gradient(s *torch.Scope, b task.Batch, p spec.Protocol, seed int64) (loss, gradient *torch.Tensor, err error) {
	if err := m.checkTargets(b); err != nil {
		return nil, nil, err
	}
	leaf := s.Use(m.flat).Leaf()
	forward := func() {
		// What the backward pass needs, libtorch keeps itself and frees as it goes: our handles would only hold it longer.
		inner := s.Sub()
		defer inner.Close()
		n := m.assemble(m.cut(inner.Use(leaf)), m.Dropout)
		loss = s.Adopt(n.loss(inner, b, p, m.device))
	}
	if m.Dropout > 0 {
		torch.Seeded(seed, forward)
	} else {
		forward()
	}
	return loss, loss.Gradient(leaf), nil
}

func (m *Model) checkTargets(b task.Batch) error {
	if err := m.checkBatch(b); err != nil {
		return err
	}
	for _, label := range b.Target {
		if label != m.Pad {
			return nil
		}
	}
	return errNoTarget
}

type pass struct{ embedded, encoded, decoded *torch.Tensor }

func (n *network) run(s *torch.Scope, b task.Batch, p spec.Protocol, device torch.Device) pass {
	embedded := n.embed(s, b, device)
	mask := n.mask(s, b, device)
	encoded := n.encode(embedded, mask)
	if !p.MaskCross {
		mask = nil
	}
	tokens := s.FromInt64(n.shift(b), int64(b.Size), int64(b.TargetLen)).On(device)
	return pass{embedded, encoded, n.decode(tokens, encoded, mask)}
}

func (n *network) loss(s *torch.Scope, b task.Batch, p spec.Protocol, device torch.Device) *torch.Tensor {
	decoded := n.run(s, b, p, device).decoded.View(-1, n.Model) // [batch * target, model]
	labels := b.Target
	if p.SkipPads { // only the rows that count are scored
		var rows []int64
		rows, labels = n.counted(b)
		decoded = decoded.IndexSelect(0, s.FromInt64(rows, int64(len(rows))).On(device)) // [counted, model]
	}
	wanted := s.FromInt64(labels, int64(len(labels))).On(device) // [rows]
	return n.logits(decoded).CrossEntropy(wanted, noLabel)
}

// shift is what the decoder reads to answer the targets: the start token, then all but the last. [batch, target]
func (n *network) shift(b task.Batch) []int64 {
	shifted := make([]int64, len(b.Target))
	for row := 0; row < len(shifted); row += b.TargetLen {
		shifted[row] = n.Start
		copy(shifted[row+1:row+b.TargetLen], b.Target[row:])
	}
	return shifted
}

// counted lists the places of the targets that are no padding, and their labels.
func (n *network) counted(b task.Batch) (rows, labels []int64) {
	for i, label := range b.Target {
		if label != n.Pad {
			rows, labels = append(rows, int64(i)), append(labels, label)
		}
	}
	return rows, labels
}
