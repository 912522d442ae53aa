package t5

import "rdrec/internal/torch"

// norm scales a hidden state to mean square 1, then by its weight. It neither centres nor shifts.
type norm struct {
	weight  *torch.Tensor // [model]
	epsilon float64
}

func (n norm) forward(x *torch.Tensor) *torch.Tensor {
	return torch.Within(x, func(x *torch.Tensor) *torch.Tensor {
		scale := x.Square().MeanAlong(-1).Plus(n.epsilon).Rsqrt() // [batch, length, 1]
		return x.Mul(scale).Mul(n.weight)                         // [batch, length, model]
	})
}

// block is one layer of a stack: self-attention, cross-attention (in the decoder), feed-forward; each is added to what came in.
type block struct {
	selfNorm, crossNorm, feedNorm norm
	self, cross                   attention
	feed                          feedForward
}

// stack is the encoder or the decoder.
type stack struct {
	blocks []block
	norm   norm
	bias   *torch.Tensor // [buckets, heads], shared by all blocks
}

// encode runs the encoder over embedded inputs. [batch, length, model]
func (n *network) encode(hidden *torch.Tensor, mask *torch.Tensor) *torch.Tensor {
	bias := n.relativeBias(hidden, n.encoder.bias, hidden.Dim(1), true) // [1, heads, length, length]
	if mask != nil {
		bias = bias.Add(mask) // [batch, heads, length, length]
	}
	hidden = n.drop(hidden)
	for _, b := range n.encoder.blocks {
		hidden = torch.Within(hidden, func(x *torch.Tensor) *torch.Tensor {
			x = x.Add(n.drop(b.self.overItself(b.selfNorm.forward(x), bias)))
			return x.Add(n.drop(b.feed.forward(b.feedNorm.forward(x))))
		})
	}
	return n.drop(n.encoder.norm.forward(hidden))
}

// decode runs the decoder over all embedded tokens at once. [batch, target, model]
func (n *network) decode(hidden, encoded, crossMask *torch.Tensor) *torch.Tensor {
	bias := n.relativeBias(hidden, n.decoder.bias, hidden.Dim(1), false) // [1, heads, target, target]
	hidden = n.drop(hidden)
	for _, b := range n.decoder.blocks {
		hidden = torch.Within(hidden, func(x *torch.Tensor) *torch.Tensor {
			x = x.Add(n.drop(b.self.overItself(b.selfNorm.forward(x), bias)))
			x = x.Add(n.drop(b.cross.overEncoded(b.crossNorm.forward(x), encoded, crossMask)))
			return x.Add(n.drop(b.feed.forward(b.feedNorm.forward(x))))
		})
	}
	return n.drop(n.decoder.norm.forward(hidden))
}

// logits scores every token of the vocabulary. [..., vocabulary]
func (n *network) logits(hidden *torch.Tensor) *torch.Tensor {
	if n.Tied {
		hidden = hidden.Times(rsqrt(n.Model))
	}
	return hidden.Linear(n.head)
}
