package t5

import (
	"fmt"

	"rdrec/internal/torch"
)

// norm is T5's layer normalization (RMSNorm): it scales a hidden state to mean square 1, then by
// its weight, without centering or bias.
type norm struct {
	weight  *torch.Tensor // [model]
	epsilon float64
}

func (n norm) forward(x *torch.Tensor) *torch.Tensor {
	return torch.Within(x, func(x *torch.Tensor) *torch.Tensor {
		scale := x.Square().MeanAlong(-1).AddNumber(n.epsilon).Rsqrt() // [batch, length, 1]
		return x.Mul(scale).Mul(n.weight)                              // [batch, length, model]
	})
}

// block is one layer of a stack: self-attention, cross-attention (in the decoder) and feed-forward,
// each with a residual connection.
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
func (n *network) encode(s *torch.Scope, hidden, mask *torch.Tensor) *torch.Tensor {
	bias := n.segment(s, []string{biasName("encoder")}, func(n *network, in []*torch.Tensor) *torch.Tensor {
		bias := n.positionBias(in[0], n.encoder.bias, in[0].Dim(1), true) // [1, heads, length, length]
		if mask != nil {
			bias = bias.Add(mask) // [batch, heads, length, length]
		}
		return bias
	}, hidden)
	hidden = n.dropoutSegment(s, hidden)
	for i := range n.encoder.blocks {
		weights := []string{fmt.Sprintf("encoder.block.%d.", i)}
		hidden = n.segment(s, weights, func(n *network, in []*torch.Tensor) *torch.Tensor {
			b := n.encoder.blocks[i]
			return torch.Within(in[0], func(x *torch.Tensor) *torch.Tensor {
				x = x.Add(n.applyDropout(b.self.selfAttention(b.selfNorm.forward(x), in[1])))
				return x.Add(n.applyDropout(b.feed.forward(b.feedNorm.forward(x))))
			})
		}, hidden, bias)
	}
	return n.segment(s, []string{"encoder.final_layer_norm"}, func(n *network, in []*torch.Tensor) *torch.Tensor {
		return n.applyDropout(n.encoder.norm.forward(in[0]))
	}, hidden)
}

// decode runs the decoder over all embedded targets at once. [batch, target, model]
func (n *network) decode(s *torch.Scope, hidden, encoded, crossMask *torch.Tensor) *torch.Tensor {
	bias := n.segment(s, []string{biasName("decoder")}, func(n *network, in []*torch.Tensor) *torch.Tensor {
		return n.positionBias(in[0], n.decoder.bias, in[0].Dim(1), false) // [1, heads, target, target]
	}, hidden)
	hidden = n.dropoutSegment(s, hidden)
	for i := range n.decoder.blocks {
		weights := []string{fmt.Sprintf("decoder.block.%d.", i)}
		hidden = n.segment(s, weights, func(n *network, in []*torch.Tensor) *torch.Tensor {
			b := n.decoder.blocks[i]
			return torch.Within(in[0], func(x *torch.Tensor) *torch.Tensor {
				x = x.Add(n.applyDropout(b.self.selfAttention(b.selfNorm.forward(x), in[1])))
				x = x.Add(n.applyDropout(b.cross.crossAttention(b.crossNorm.forward(x), in[2], crossMask)))
				return x.Add(n.applyDropout(b.feed.forward(b.feedNorm.forward(x))))
			})
		}, hidden, bias, encoded)
	}
	return n.segment(s, []string{"decoder.final_layer_norm"}, func(n *network, in []*torch.Tensor) *torch.Tensor {
		return n.applyDropout(n.decoder.norm.forward(in[0]))
	}, hidden)
}

// dropoutSegment applies dropout as a segment of its own. Without dropout it adds no segment,
// because a segment's output must be a new tensor.
func (n *network) dropoutSegment(s *torch.Scope, hidden *torch.Tensor) *torch.Tensor {
	if n.dropout == 0 {
		return hidden
	}
	return n.segment(s, nil, func(n *network, in []*torch.Tensor) *torch.Tensor {
		return n.applyDropout(in[0])
	}, hidden)
}

// logits returns the logits of all tokens of the vocabulary. [..., vocabulary]
func (n *network) logits(hidden *torch.Tensor) *torch.Tensor { return n.logitsOf(hidden, n.head) }

// logitsOf returns the logits of the tokens whose rows head has. [..., tokens]
func (n *network) logitsOf(hidden, head *torch.Tensor) *torch.Tensor {
	if n.Tied {
		hidden = hidden.MulNumber(rsqrt(n.Model))
	}
	return n.toFloat32(n.linear(hidden, head))
}
