package torch

import (
	lib "github.com/sugarme/gotch/libtch"
)

// MatMul is the matrix product over the last two dimensions, with broadcasting over the others.
func (t *Tensor) MatMul(u *Tensor) *Tensor { return pairwise("matmul", lib.AtgMatmul, t, u) }

// Embedding picks rows of table by t's numbers.
func (t *Tensor) Embedding(table *Tensor) *Tensor {
	var out lib.Ctensor
	lib.AtgEmbedding(&out, table.handle(), t.handle(), -1, 0, 0)
	return innermostScope(t, table).wrap("embedding", out)
}

// Softmax is exp(t) scaled to a sum of 1 along a dimension.
func (t *Tensor) Softmax(dim int64) *Tensor {
	var out lib.Ctensor
	lib.AtgSoftmax(&out, t.handle(), dim, int32(t.DType()))
	return innermostScope(t).wrap("softmax", out)
}

// LogSoftmax is the logarithm of Softmax.
func (t *Tensor) LogSoftmax(dim int64) *Tensor {
	var out lib.Ctensor
	lib.AtgLogSoftmax(&out, t.handle(), dim, int32(t.DType()))
	return innermostScope(t).wrap("log_softmax", out)
}

// Dropout sets elements to 0 with probability p and scales the others up. It must stand inside
// [Seeded].
func (t *Tensor) Dropout(p float64) *Tensor {
	var out lib.Ctensor
	lib.AtgDropout(&out, t.handle(), p, 1)
	return innermostScope(t).wrap("dropout", out)
}

// CrossEntropy is the mean over rows of -log softmax(t)[row][labels[row]]; rows whose label is
// ignore count nowhere.
func (t *Tensor) CrossEntropy(labels *Tensor, ignore int64) *Tensor {
	const mean = 1
	var out lib.Ctensor
	lib.AtgCrossEntropyLoss(&out, t.handle(), labels.handle(), nil, mean, ignore, 0)
	return innermostScope(t, labels).wrap("cross_entropy", out)
}

// Attention is softmax(query keys' * scale + bias) values; bias may be nil. Shapes [batch, heads,
// length, head].
func Attention(query, keys, values, bias *Tensor, scale float64) *Tensor {
	var out lib.Ctensor
	lib.AtgScaledDotProductAttention(&out, query.handle(), keys.handle(), values.handle(), optional(bias), 0, 0, scale, 0)
	return innermostScope(query, keys, values, bias).wrap("scaled_dot_product_attention", out)
}

// LayerNorm is t less its mean over the last dimension, over its standard deviation, times weight,
// plus bias.
func (t *Tensor) LayerNorm(weight, bias *Tensor, epsilon float64) *Tensor {
	var out lib.Ctensor
	lib.AtgLayerNorm(&out, t.handle(), []int64{t.Dim(-1)}, 1, weight.handle(), bias.handle(), epsilon, 1)
	return innermostScope(t, weight, bias).wrap("layer_norm", out)
}
