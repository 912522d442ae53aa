// Package llama is a teacher that runs in this process: language models of the Llama family on
// gotch. In: a model (a GGUF file, or a folder of Hugging Face's or Meta's: source.go and the file
// of each form), and prompts; out: replies. The steps: read the model's shape (config.go), its
// tokenizer (vocabulary.go) and its weights (weights.go); write prompts as the model was taught to
// read them (chat_template.go); read what all prompts begin with once (prefix.go) and the rest of
// each (engine.go); then write all replies token by token together (generate.go), where a finished
// reply's place goes to the next prompt.
//
// Shapes: rows are texts, tokens are new tokens of each row, groups are heads that share keys, and
// fan is heads in a group.
package llama

import (
	"rdrec/internal/torch"
)

// model is the weights and how they are applied.
type model struct {
	config    Config
	dtype     torch.DType // of the weights of matrices and of the cache; sums are kept in float32
	device    torch.Device
	embedding *torch.Tensor // [vocabulary, model]
	layers    []layer
	norm      *torch.Tensor // [model]
	head      *torch.Matrix // [vocabulary, model], the embedding where they are tied
	ropeTable *torch.Tensor // complex [positions, head/2]
}

// layer is one block's weights; what reads the same input stands in one matrix.
type layer struct {
	attentionNorm   *torch.Tensor // [model]
	qkv             *torch.Matrix // queries, keys, values: [(heads + 2 groups) head, model]
	out             *torch.Matrix // [model, heads head]
	feedForwardNorm *torch.Tensor // [model]
	gateUp          *torch.Matrix // gate, up: [2 forward, model]
	down            *torch.Matrix // [model, forward]
}

// stateFree frees the weights.
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

// forwardPass is what one pass through the layers reads and where its keys and values go.
type forwardPass struct {
	rows, tokens int64
	rope         *torch.Tensor // rope's turns: complex [sequences tokens, 1, head/2]
	mask         *torch.Tensor // 0 or -inf, broadcast to [sequences groups, tokens fan, own keys]
	prefix       *prefix       // what all rows begin with; nil means nothing
	cache        layerCache
}

// layerCache takes a layer's new keys and values and answers all that the rows attend to beside the
// prefix.
type layerCache interface {
	// update is given [sequences, groups, tokens, head] and answers [sequences groups, own keys,
	// head].
	update(layer int, keys, values *torch.Tensor) (allKeys, allValues *torch.Tensor)
}

// run takes embedded tokens through all layers: [sequences tokens, model] to the same shape, the
// last norm not yet applied.
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

// embed looks tokens up: [sequences tokens, model].
func (m *model) embed(s *torch.Scope, ids []int64) *torch.Tensor {
	return m.int64s(s, ids).Embedding(m.embedding).To(torch.Float32)
}

// logits turns the last layer's output into one number for each piece of the vocabulary.
func (m *model) logits(x *torch.Tensor) *torch.Tensor {
	return m.head.Few(m.rmsNorm(x, m.norm)).To(torch.Float32)
}

// rmsNorm scales each row to a root mean square of 1, then by the norm's own weights, in the
// matrices' type.
func (m *model) rmsNorm(x, weight *torch.Tensor) *torch.Tensor {
	scale := x.Square().MeanAlong(-1).AddNumberTo(m.config.Epsilon).Rsqrt()
	return x.Mul(scale).MulTo(weight).To(m.dtype)
}

// pack is x through a matrix. What is read and what is written goes two ways, each of which gives a
// row the same numbers whatever stands beside it.
func (w *forwardPass) linear(x *torch.Tensor, weight *torch.Matrix) *torch.Tensor {
	if w.tokens > 1 {
		return weight.Many(x)
	}
	return weight.Few(x)
}

// addLinear is x plus h through a matrix.
func (w *forwardPass) addLinear(x, h *torch.Tensor, weight *torch.Matrix) *torch.Tensor {
	if w.tokens > 1 || h.DType() != x.DType() {
		return x.Add(w.linear(h, weight))
	}
	return weight.AddFew(x, h)
}

// feedForward is the block's second half: SwiGLU.
func (m *model) feedForward(x *torch.Tensor, l *layer, w *forwardPass) *torch.Tensor {
	both := w.linear(m.rmsNorm(x, l.feedForwardNorm), l.gateUp) // [sequences tokens, 2 forward]
	width := int64(m.config.FeedForward)
	gate := both.Narrow(1, 0, width).Silu().MulTo(both.Narrow(1, width, width))
	return w.addLinear(x, gate, l.down)
}
