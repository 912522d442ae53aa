// Package llama is a teacher that runs Llama language models in this process, on gotch. Its input
// is a model (a GGUF file, or a folder in Hugging Face's or Meta's format: source.go and one file
// per format) and prompts; its output is replies. The steps: read the model's configuration
// (config.go), its tokenizer (vocabulary.go) and its weights (weights.go); render prompts with the
// model's chat template (chat_template.go); prefill shared prefixes once (prefix.go) and the rest
// of each prompt (engine.go); then generate replies together, token by token (generate.go). The
// slot of a finished reply goes to the next prompt (continuous batching).
//
// In shapes, sequences (or rows) are texts, tokens are the new tokens of each row, groups are
// key/value heads, and groupSize is the number of query heads per group.
package llama

import (
	"rdrec/internal/torch"
)

// model is the weights and the forward pass.
type model struct {
	config    Config
	dtype     torch.DType // of matrices and the KV cache; sums are float32
	device    torch.Device
	embedding *torch.Tensor // [vocabulary, model]
	layers    []layer
	norm      *torch.Tensor // [model]
	head      *torch.Matrix // [vocabulary, model], the embedding if they are tied
	ropeTable *torch.Tensor // complex [positions, head/2]
}

// layer is one block's weights. Weights with the same input share one matrix.
type layer struct {
	attentionNorm   *torch.Tensor // [model]
	qkv             *torch.Matrix // queries, keys, values: [(heads + 2 groups) head, model]
	out             *torch.Matrix // [model, heads head]
	feedForwardNorm *torch.Tensor // [model]
	gateUp          *torch.Matrix // gate, up: [2 forward, model]
	down            *torch.Matrix // [model, forward]
}

// free frees the weights.
func (m *model) free() {
	free := func(all ...interface{ Free() }) {
		for _, t := range all {
			t.Free()
		}
	}
	free(m.head, m.embedding, m.norm, m.ropeTable)
	for _, l := range m.layers {
		free(l.attentionNorm, l.qkv, l.out, l.feedForwardNorm, l.gateUp, l.down)
	}
}

// forwardPass is the input of one pass through the layers, except the tokens, and its KV cache.
type forwardPass struct {
	rows, tokens int64
	rope         *torch.Tensor // RoPE's rotations: complex [sequences tokens, 1, head/2]
	mask         *torch.Tensor // 0 or -inf, broadcast to [sequences groups, tokens groupSize, own keys]
	prefix       *prefix       // the shared prefix of all rows; nil means none
	cache        layerCache
}

// layerCache stores a layer's new keys and values and returns those that the rows attend to,
// besides the prefix.
type layerCache interface {
	// update takes [sequences, groups, tokens, head] and returns [sequences groups, own keys,
	// head].
	update(layer int, keys, values *torch.Tensor) (allKeys, allValues *torch.Tensor)
}

// run runs embedded tokens through all layers, without the final norm. [sequences tokens, model]
func (m *model) run(x *torch.Tensor, w *forwardPass) *torch.Tensor {
	for i := range m.layers {
		next := torch.Within(x, func(x *torch.Tensor) *torch.Tensor {
			l := &m.layers[i]
			x = m.attention(x, l, i, w)
			return m.feedForward(x, l, w)
		})
		x.Free()
		x = next
	}
	return x
}

// embed returns the embeddings of tokens [sequences tokens]. [sequences tokens, model]
func (m *model) embed(ids *torch.Tensor) *torch.Tensor {
	return ids.Embedding(m.embedding).To(torch.Float32)
}

// logits returns the logits of all tokens of the vocabulary.
func (m *model) logits(x *torch.Tensor) *torch.Tensor {
	return m.head.Few(m.rmsNorm(x, m.norm)).To(torch.Float32)
}

// rmsNorm scales each row to a root mean square of 1, then by the norm's weights, in the matrices'
// type.
func (m *model) rmsNorm(x, weight *torch.Tensor) *torch.Tensor {
	scale := x.Square().MeanAlong(-1).AddNumberTo(m.config.Epsilon).Rsqrt()
	return x.Mul(scale).MulTo(weight).To(m.dtype)
}

// linear returns x times a matrix. Prefill and generation use different algorithms. With each, a
// row's result is independent of the other rows.
func (w *forwardPass) linear(x *torch.Tensor, weight *torch.Matrix) *torch.Tensor {
	if w.tokens > 1 {
		return weight.Many(x)
	}
	return weight.Few(x)
}

// addLinear returns x plus h times a matrix.
func (w *forwardPass) addLinear(x, h *torch.Tensor, weight *torch.Matrix) *torch.Tensor {
	if w.tokens > 1 || h.DType() != x.DType() {
		return x.Add(w.linear(h, weight))
	}
	return weight.AddFew(x, h)
}

// feedForward is the block's feed-forward layer (SwiGLU) with its residual connection.
func (m *model) feedForward(x *torch.Tensor, l *layer, w *forwardPass) *torch.Tensor {
	both := w.linear(m.rmsNorm(x, l.feedForwardNorm), l.gateUp) // [sequences tokens, 2 forward]
	width := int64(m.config.FeedForward)
	gate := both.Narrow(1, 0, width).Silu().MulTo(both.Narrow(1, width, width))
	return w.addLinear(x, gate, l.down)
}
