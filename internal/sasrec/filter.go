package sasrec

import (
	"fmt"
	"math"

	"rdrec/internal/torch"
)

// filterParameters lists the weights of BSARec. Unlike in SASRec each norm is after its part of the
// block, the embeddings are normalized, and the inner layer is four times as wide.
func (m *Model) filterParameters() []Parameter {
	d := int64(m.HiddenSize)
	all := []Parameter{
		{"items", []int64{int64(m.items) + 1, d}, deviation, 0}, // row 0 is padding
		{"positions", []int64{int64(m.MaxLength), d}, deviation, 0},
	}
	norm := func(name string) {
		all = append(all, Parameter{name + ".weight", []int64{d}, 0, 1}, Parameter{name + ".bias", []int64{d}, 0, 0})
	}
	norm("norm")
	for i := range m.Blocks {
		name := fmt.Sprintf("block%d.", i)
		all = append(
			all,
			Parameter{name + "sqrt_beta", []int64{d}, 1, 0},
			Parameter{name + "qkv", []int64{3 * d, d}, deviation, 0},
			Parameter{name + "out", []int64{d, d}, deviation, 0},
			Parameter{name + "up", []int64{4 * d, d}, deviation, 0}, Parameter{name + "up_bias", []int64{4 * d}, 0, 0},
			Parameter{name + "down", []int64{d, 4 * d}, deviation, 0}, Parameter{name + "down_bias", []int64{d}, 0, 0},
		)
		norm(name + "filter_norm")
		norm(name + "attention_norm")
		norm(name + "feed_norm")
	}
	return all
}

// filteredBlocks returns the hidden states of BSARec: each block mixes a frequency filter with
// attention. [batch, width, dim]
func (n network) filteredBlocks(s *torch.Scope, x, mask *torch.Tensor, histories []int64) *torch.Tensor {
	batch, width := x.Dim(0), x.Dim(1)
	items := make([]float32, len(histories)) // 1 for an item, 0 for padding
	for i, item := range histories {
		items[i] = float32(min(item, 1))
	}
	present := s.FromFloat32(items, batch, width, 1).ToDevice(n.device)           // [batch, width, 1]
	filter := s.FromFloat32(n.lowPass(width), 1, width, width).ToDevice(n.device) // [1, to, from]
	x = n.applyDropout(n.norm("norm", x))                                         // [batch, width, dim]
	for i := range n.Blocks {
		name := fmt.Sprintf("block%d.", i)
		filtered := n.rescale(name, filter, x.Mul(present))
		filtered = n.norm(name+"filter_norm", n.applyDropout(filtered).Add(x))
		attended := n.norm(name+"attention_norm", n.selfAttention(name, x, mask).Add(x))
		x = filtered.MulNumber(n.Alpha).Add(attended.MulNumber(1 - n.Alpha))
		h := x.Linear(n.weights[name+"up"]).Add(n.weights[name+"up_bias"]).Gelu()
		h = h.Linear(n.weights[name+"down"]).Add(n.weights[name+"down_bias"])
		x = n.norm(name+"feed_norm", n.applyDropout(h).Add(x))
	}
	return x
}

// rescale keeps the low frequencies and multiplies the high ones of each dimension by the square of
// a weight. [batch, width, dim]
func (n network) rescale(name string, filter, x *torch.Tensor) *torch.Tensor {
	low := filter.MatMul(x)
	high := x.Sub(low)
	return low.Add(high.Mul(n.weights[name+"sqrt_beta"].Square()))
}

// lowPass returns the matrix that keeps the Cutoff lowest frequencies of a sequence of MaxLength
// positions, for the first width of them: the real Fourier transform, without the higher
// frequencies, and back. It depends on the distance of two positions alone, so padding may be on
// either side. [to, from]
func (m *Model) lowPass(width int64) []float32 {
	n := int64(m.MaxLength)
	kernel := make([]float64, n) // [distance]
	for distance := range kernel {
		for k := range m.Cutoff {
			share := 2.0 // a frequency and its conjugate
			if k == 0 || int64(2*k) == n {
				share = 1
			}
			angle := 2 * math.Pi * float64(k) * float64(distance) / float64(n)
			kernel[distance] += share * math.Cos(angle) / float64(n)
		}
	}
	matrix := make([]float32, width*width)
	for to := range width {
		for from := range width {
			matrix[to*width+from] = float32(kernel[(to-from+n)%n])
		}
	}
	return matrix
}
