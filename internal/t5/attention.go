package t5

import (
	"math"

	"rdrec/internal/torch"
)

func rsqrt(n int64) float64 { return 1 / math.Sqrt(float64(n)) }

// attention is multi-head attention. Unlike the original transformer, T5 does not scale scores by
// the head's width.
type attention struct {
	n *network
	// query is the fused projection of queries, keys and values in self-attention, and the
	// projection of queries alone in cross-attention.
	query *torch.Tensor // [3 * heads * head, model] or [heads * head, model]
	keys  *torch.Tensor // [2 * heads * head, model], of keys and values, in cross-attention
	out   *torch.Tensor // [model, heads * head]
}

// selfAttention computes the attention of x to itself. [batch, length, model]
func (a attention) selfAttention(x, bias *torch.Tensor) *torch.Tensor {
	return torch.Within(x, func(x *torch.Tensor) *torch.Tensor {
		qkv := a.splitHeads(a.n.linear(x, a.query), 3) // 3 x [batch, heads, length, head]
		return a.n.linear(a.mergeHeads(a.weightedSum(qkv[0], qkv[1], qkv[2], bias)), a.out)
	})
}

// crossAttention computes the attention of x to the encoder's states. [batch, target, model]
func (a attention) crossAttention(x, encoded, mask *torch.Tensor) *torch.Tensor {
	return torch.Within(x, func(x *torch.Tensor) *torch.Tensor {
		q := a.splitHeads(a.n.linear(x, a.query), 1)[0]                              // [batch, heads, target, head]
		kv := a.splitHeads(a.n.linear(encoded.In(x), a.keys), 2)                     // 2 x [batch, heads, source, head]
		return a.n.linear(a.mergeHeads(a.weightedSum(q, kv[0], kv[1], mask)), a.out) // [batch, target, model]
	})
}

// splitHeads splits the product of count fused projections by projection and head.
// count x [batch, heads, length, head]
func (a attention) splitHeads(x *torch.Tensor, count int64) []*torch.Tensor {
	batch, length := x.Dim(0), x.Dim(1)
	return x.View(batch, length, count, a.n.Heads, a.n.Head).Permute(2, 0, 3, 1, 4).Contiguous().Unbind(0)
}

// weightedSum returns softmax(q k' + bias) v. [batch, heads, queries, head]
func (a attention) weightedSum(q, k, v, bias *torch.Tensor) *torch.Tensor {
	scores := a.n.toFloat32(q.MatMul(k.Transpose(-1, -2))) // [batch, heads, queries, keys]
	if bias != nil {
		scores.AddTo(bias)
	}
	weights := a.n.applyDropout(scores.Softmax(-1))
	if a.n.half {
		weights = weights.To(torch.BFloat16)
	}
	return weights.MatMul(v)
}

// mergeHeads concatenates the heads. [batch, length, heads * head]
func (a attention) mergeHeads(x *torch.Tensor) *torch.Tensor {
	shape := x.Shape() // [batch, heads, length, head]
	return x.Transpose(1, 2).Reshape(shape[0], shape[2], shape[1]*shape[3])
}
