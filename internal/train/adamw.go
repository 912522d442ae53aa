package train

import (
	"math"

	"rdrec/internal/torch"
)

// Settings are AdamW's. The reference sets the first two and leaves the others as PyTorch has them.
type Settings struct {
	LearningRate, WeightDecay float64
	// Beta1 and Beta2 say how long the running means of the gradient and of its square remember
	// (0.9, 0.999).
	Beta1, Beta2 float64
	// Epsilon keeps the divisor from 0 (1e-8).
	Epsilon float64
}

// AdamW moves weights against their gradient, by steps of about the learning rate, and decays all
// of them. It does PyTorch's arithmetic over one flat tensor: a dozen operations in all.
type AdamW struct {
	settings                  Settings
	weights                   *torch.Tensor
	firstMoment, secondMoment *torch.Tensor // running means of the gradient and of its square
	step                      int
}

// DefaultSettings are PyTorch's settings with a learning rate and a weight decay.
func DefaultSettings(learningRate, weightDecay float64) Settings {
	return Settings{LearningRate: learningRate, WeightDecay: weightDecay, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8}
}

// NewAdamW returns an optimizer of weights, whose moments are 0. The caller frees it.
func NewAdamW(weights *torch.Tensor, settings Settings) *AdamW {
	s := torch.NewScope()
	defer s.Close()
	moment := func() *torch.Tensor {
		return torch.Keep(s.Zeros(torch.Float32, weights.Device(), weights.Shape()...))
	}
	return &AdamW{settings: settings, weights: weights, firstMoment: moment(), secondMoment: moment()}
}

// Step moves the weights by one gradient, which is of their shape.
func (a *AdamW) Step(gradient *torch.Tensor) {
	a.step++
	set := a.settings
	// The moments start at 0; the corrections undo that.
	correction1 := 1 - math.Pow(set.Beta1, float64(a.step))
	correction2 := math.Sqrt(1 - math.Pow(set.Beta2, float64(a.step)))
	size := set.LearningRate / correction1

	a.weights.Scale(1 - set.LearningRate*set.WeightDecay)
	a.firstMoment.Lerp(gradient, 1-set.Beta1)
	scaled := gradient.MulNumber(math.Sqrt(1 - set.Beta2))
	a.secondMoment.Scale(set.Beta2).AddProduct(scaled, scaled)
	scaled.Free()

	root := a.secondMoment.In(gradient).Sqrt()
	a.weights.AddQuotient(a.firstMoment, root.Scale(1/correction2).AddNumberTo(set.Epsilon).Scale(-1/size))
	root.Free()
}

// Free frees the moments.
func (a *AdamW) Free() {
	a.firstMoment.Free()
	a.secondMoment.Free()
}
