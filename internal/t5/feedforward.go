package t5

import "rdrec/internal/torch"

// feedForward projects each position to the inner width, applies the activation and projects it
// back.
type feedForward struct {
	n      *network
	wi, wo *torch.Tensor // [feed-forward, model] (twice as many rows when gated), [model, feed-forward]
}

func (f feedForward) forward(x *torch.Tensor) *torch.Tensor {
	return torch.Within(x, func(x *torch.Tensor) *torch.Tensor {
		wide := f.n.linear(x, f.wi) // [batch, length, feed-forward]
		if f.n.gated() {
			halves := wide.Split(-1, f.n.FeedForward, f.n.FeedForward)
			wide = halves[0].Gelu().Mul(halves[1])
		} else {
			wide = wide.Relu()
		}
		return f.n.linear(f.n.applyDropout(wide), f.wo) // [batch, length, model]
	})
}
