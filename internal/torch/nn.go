package torch

import (
	lib "github.com/sugarme/gotch/libtch"
)

// MatMul returns the matrix product over the last two dimensions, with broadcasting over the
// others.
func (t *Tensor) MatMul(u *Tensor) *Tensor { return pairwise("matmul", lib.AtgMatmul, t, u) }

// Embedding returns the rows of table at t's indices.
func (t *Tensor) Embedding(table *Tensor) *Tensor {
	var out lib.Ctensor
	lib.AtgEmbedding(&out, table.handle(), t.handle(), -1, 0, 0)
	return innermostScope(t, table).wrap("embedding", out)
}

// Softmax returns exp(t) scaled to a sum of 1 along a dimension.
func (t *Tensor) Softmax(dim int64) *Tensor {
	var out lib.Ctensor
	lib.AtgSoftmax(&out, t.handle(), dim, int32(t.DType()))
	return innermostScope(t).wrap("softmax", out)
}

// LogSoftmax returns the logarithm of Softmax.
func (t *Tensor) LogSoftmax(dim int64) *Tensor {
	var out lib.Ctensor
	lib.AtgLogSoftmax(&out, t.handle(), dim, int32(t.DType()))
	return innermostScope(t).wrap("log_softmax", out)
}

// Dropout returns t with elements set to 0 with probability p and the others scaled by 1 / (1 - p).
// Call it inside [Seeded].
func (t *Tensor) Dropout(p float64) *Tensor {
	var out lib.Ctensor
	lib.AtgDropout(&out, t.handle(), p, 1)
	return innermostScope(t).wrap("dropout", out)
}

// CrossEntropy returns the mean over rows of -log softmax(t)[row][labels[row]], without rows whose
// label is ignore. A smoothing above 0 gives all classes together that part of a label's weight.
func (t *Tensor) CrossEntropy(labels *Tensor, ignore int64, smoothing float64) *Tensor {
	const mean = 1
	var out lib.Ctensor
	lib.AtgCrossEntropyLoss(&out, t.handle(), labels.handle(), nil, mean, ignore, smoothing)
	return innermostScope(t, labels).wrap("cross_entropy", out)
}

// Attention returns softmax(query keys' * scale + bias) values; bias may be nil. Shapes are [batch,
// heads, length, head].
func Attention(query, keys, values, bias *Tensor, scale float64) *Tensor {
	var out lib.Ctensor
	q, k, v := query.handle(), keys.handle(), values.handle()
	lib.AtgScaledDotProductAttention(&out, q, k, v, optional(bias), 0, 0, scale, 0)
	return innermostScope(query, keys, values, bias).wrap("scaled_dot_product_attention", out)
}

// LayerNorm returns t normalized over the last dimension to mean 0 and variance 1, times weight,
// plus bias.
func (t *Tensor) LayerNorm(weight, bias *Tensor, epsilon float64) *Tensor {
	var out lib.Ctensor
	lib.AtgLayerNorm(&out, t.handle(), []int64{t.Dim(-1)}, 1, weight.handle(), bias.handle(), epsilon, 1)
	return innermostScope(t, weight, bias).wrap("layer_norm", out)
}
