package llama

import (
	"rdrec/internal/torch"
)

// attention is the block's first half: each token looks at the prefix, at its row's own past and at itself.
func (m *model) attention(x *torch.Tensor, l *layer, i int, w *window) *torch.Tensor {
	c := m.config
	heads, groups, head := int64(c.Heads), int64(c.Groups), int64(c.Head)
	fan := heads / groups
	all := w.product(m.normed(x, l.attentionNorm), l.attend)   // [rows tokens, (heads + 2 groups) head]
	turned := m.turn(all.Narrow(1, 0, (heads+groups)*head), w) // [rows tokens, heads + groups, head]

	queries := turned.Narrow(1, 0, heads).Reshape(w.rows, w.tokens, groups, fan*head).Permute(0, 2, 1, 3)
	queries = queries.Reshape(w.rows*groups, w.tokens*fan, head) // [rows groups, tokens fan, head]
	keys := turned.Narrow(1, heads, groups).View(w.rows, w.tokens, groups, head).Permute(0, 2, 1, 3)
	values := all.Narrow(1, (heads+groups)*head, groups*head).View(w.rows, w.tokens, groups, head).Permute(0, 2, 1, 3)
	keys, values = w.memory.remember(i, keys, values) // [rows groups, own keys, head]

	found := w.mask.AddBatched(queries, keys.Transpose(1, 2)) // [rows groups, tokens fan, own keys]
	var seen *torch.Tensor
	if w.prefix == nil {
		seen = found.Softmax(-1).MatMul(values) // [rows groups, tokens fan, head]
	} else {
		seen = w.prefix.attend(i, queries, found, values)
	}
	seen = seen.View(w.rows, groups, w.tokens, fan*head).Permute(0, 2, 1, 3).Reshape(w.rows*w.tokens, heads*head)
	return w.add(x, seen, l.out)
}

// turn applies rope: each pair of a head's neighbours is a complex number, turned by an angle that grows with the position. GGUF files
// and Meta's checkpoints pair neighbours; Hugging Face's pair halves, and their rows are reordered when they are read.
func (m *model) turn(x *torch.Tensor, w *window) *torch.Tensor {
	heads := int64(m.config.Heads + m.config.Groups)
	pairs := x.To(torch.Float32).View(w.rows*w.tokens, heads, int64(m.config.Head)/2, 2).Complex()
	turned := pairs.Mul(w.turns).Real() // [rows tokens, heads, head/2, 2]
	return turned.View(w.rows*w.tokens, heads, int64(m.config.Head)).To(m.dtype)
}
