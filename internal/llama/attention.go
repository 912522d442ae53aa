package llama

import (
	"rdrec/internal/torch"
)

// attention is the block's self-attention with its residual connection: each token attends to the
// prefix, to its row's earlier tokens and to itself.
func (m *model) attention(x *torch.Tensor, l *layer, i int, w *forwardPass) *torch.Tensor {
	c := m.config
	heads, groups, head := int64(c.Heads), int64(c.Groups), int64(c.Head)
	groupSize := heads / groups
	all := w.linear(m.rmsNorm(x, l.attentionNorm), l.qkv)            // [sequences tokens, (heads + 2 groups) head]
	rotated := m.applyRope(all.Narrow(1, 0, (heads+groups)*head), w) // [sequences tokens, heads + groups, head]

	queries := rotated.Narrow(1, 0, heads).Reshape(w.rows, w.tokens, groups, groupSize*head).Permute(0, 2, 1, 3)
	queries = queries.Reshape(w.rows*groups, w.tokens*groupSize, head) // [sequences groups, tokens groupSize, head]
	keys := rotated.Narrow(1, heads, groups).View(w.rows, w.tokens, groups, head).Permute(0, 2, 1, 3)
	values := all.Narrow(1, (heads+groups)*head, groups*head).View(w.rows, w.tokens, groups, head).Permute(0, 2, 1, 3)
	keys, values = w.cache.update(i, keys, values) // [sequences groups, own keys, head]

	scores := w.mask.AddBatched(queries, keys.Transpose(1, 2)) // [sequences groups, tokens groupSize, own keys]
	var attended *torch.Tensor
	if w.prefix == nil {
		attended = scores.Softmax(-1).MatMul(values) // [sequences groups, tokens groupSize, head]
	} else {
		attended = w.prefix.attend(i, queries, scores, values)
	}
	attended = attended.View(w.rows, groups, w.tokens, groupSize*head).Permute(0, 2, 1, 3)
	attended = attended.Reshape(w.rows*w.tokens, heads*head)
	return w.addLinear(x, attended, l.out)
}

// applyRope applies rotary position embeddings (RoPE): each pair of a head's neighboring dimensions
// is a complex number, rotated by an angle that grows with the position. GGUF files and Meta's
// checkpoints pair neighbors. Hugging Face's pair halves, and their rows are reordered on reading.
func (m *model) applyRope(x *torch.Tensor, w *forwardPass) *torch.Tensor {
	heads := int64(m.config.Heads + m.config.Groups)
	pairs := x.To(torch.Float32).View(w.rows*w.tokens, heads, int64(m.config.Head)/2, 2).Complex()
	rotated := pairs.Mul(w.rope).Real() // [sequences tokens, heads, head/2, 2]
	return rotated.View(w.rows*w.tokens, heads, int64(m.config.Head)).To(m.dtype)
}
