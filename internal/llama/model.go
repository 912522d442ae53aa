// Package llama is a teacher that runs in this process: language models of the Llama family on gotch. In: a model (a GGUF file,
// or a folder of Hugging Face's or Meta's: source.go and the file of each form), and prompts; out: replies. The steps: read the model's
// shape (config.go), its tokenizer (vocabulary.go) and its weights (weights.go); write
// prompts as the model was taught to read them (chat.go); read what all prompts begin with once (prefix.go) and the rest of each
// (engine.go); then write all replies token by token together (decode.go), where a finished reply's place goes to the next prompt.
//
// Shapes: rows are texts, tokens are new tokens of each row, groups are heads that share keys, and fan is heads in a group.
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
	turns     *torch.Tensor // complex [positions, head/2]
}

// layer is one block's weights; what reads the same input stands in one matrix.
type layer struct {
	attentionNorm *torch.Tensor // [model]
	attend        *torch.Matrix // queries, keys, values: [(heads + 2 groups) head, model]
	out           *torch.Matrix // [model, heads head]
	forwardNorm   *torch.Tensor // [model]
	gateUp        *torch.Matrix // gate, up: [2 forward, model]
	down          *torch.Matrix // [model, forward]
}

// free frees the weights.
func (m *model) free() {
	free := func(all ...interface{ Free() }) {
		for _, t := range all {
			t.Free()
		}
	}
	free(m.head, m.embedding, m.norm, m.turns)
	for _, l := range m.layers {
		free(l.attentionNorm, l.attend, l.out, l.forwardNorm, l.gateUp, l.down)
	}
}

// window is what one pass through the layers reads and where its keys and values go.
type window struct {
	rows, tokens int64
	turns        *torch.Tensor // rope's turns: complex [rows tokens, 1, head/2]
	mask         *torch.Tensor // 0 or -inf, broadcast to [rows groups, tokens fan, own keys]
	prefix       *prefix       // what all rows begin with; nil means nothing
	memory       memory
}

// memory takes a layer's new keys and values and answers all that the rows attend to beside the prefix.
type memory interface {
	// remember is given [rows, groups, tokens, head] and answers [rows groups, own keys, head].
	remember(layer int, keys, values *torch.Tensor) (allKeys, allValues *torch.Tensor)
}

// run takes embedded tokens through all layers: [rows tokens, model] to the same shape, the last norm not yet applied.
func (m *model) run(x *torch.Tensor, w *window) *torch.Tensor {
	for i := range m.layers {
		next := torch.Within(x, func(x *torch.Tensor) *torch.Tensor {
			l := &m.layers[i]
			x = m.attention(x, l, i, w)
			return m.forward(x, l, w)
		})
		x.Free()
		x = next
	}
	return x
}

// embed looks tokens up: [rows tokens, model].
func (m *model) embed(s *torch.Scope, ids []int64) *torch.Tensor {
	return m.numbers(s, ids).Embedding(m.embedding).To(torch.Float32)
}

// logits turns the last layer's output into one number for each piece of the vocabulary.
func (m *model) logits(x *torch.Tensor) *torch.Tensor {
	return m.head.Few(m.normed(x, m.norm)).To(torch.Float32)
}

// normed scales each row to a root mean square of 1, then by the norm's own weights, in the matrices' type.
func (m *model) normed(x, weight *torch.Tensor) *torch.Tensor {
	scale := x.Square().MeanAlong(-1).AddNumberTo(m.config.Epsilon).Rsqrt()
	return x.Mul(scale).MulTo(weight).To(m.dtype)
}

// product is x through a matrix. What is read and what is written goes two ways, each of which gives a row the same numbers whatever
// stands beside it.
func (w *window) product(x *torch.Tensor, weight *torch.Matrix) *torch.Tensor {
	if w.tokens > 1 {
		return weight.Many(x)
	}
	return weight.Few(x)
}

// add is x plus h through a matrix.
func (w *window) add(x, h *torch.Tensor, weight *torch.Matrix) *torch.Tensor {
	if w.tokens > 1 || h.DType() != x.DType() {
		return x.Add(w.product(h, weight))
	}
	return weight.AddFew(x, h)
}

// forward is the block's second half: SwiGLU.
func (m *model) forward(x *torch.Tensor, l *layer, w *window) *torch.Tensor {
	both := w.product(m.normed(x, l.forwardNorm), l.gateUp) // [rows tokens, 2 forward]
	width := int64(m.config.FeedForward)
	gate := both.Narrow(1, 0, width).Silu().MulTo(both.Narrow(1, width, width))
	return w.add(x, gate, l.down)
}
