// Package optim optimizes weights. In: a model's weights as one flat tensor and, for each step, a
// gradient of the same shape; out: the weights, moved in place. The only optimizer is [AdamW].
package optim

import (
	"math"

	"rdrec/internal/torch"
)

// Config holds AdamW's hyperparameters. The reference sets the learning rate and the weight decay
// and keeps PyTorch's defaults for the others ([DefaultConfig]).
type Config struct {
	LearningRate, WeightDecay float64
	// Beta1 and Beta2 are the decay rates of the running means of the gradient and of its square.
	Beta1, Beta2 float64
	// Epsilon is added to the denominator.
	Epsilon float64
}

// AdamW updates weights by PyTorch's AdamW with decoupled weight decay on all of them. It applies a
// dozen operations to one flat tensor in each step.
type AdamW struct {
	config                    Config
	weights                   *torch.Tensor
	firstMoment, secondMoment *torch.Tensor // running means of the gradient and of its square
	step                      int
}

// DefaultConfig returns PyTorch's defaults with the given learning rate and weight decay.
func DefaultConfig(learningRate, weightDecay float64) Config {
	return Config{LearningRate: learningRate, WeightDecay: weightDecay, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8}
}

// NewAdamW returns an optimizer of weights before its first step. The caller frees it.
func NewAdamW(weights *torch.Tensor, config Config) *AdamW {
	s := torch.NewScope()
	defer s.Close()
	moment := func() *torch.Tensor {
		return torch.Keep(s.Zeros(torch.Float32, weights.Device(), weights.Shape()...))
	}
	return &AdamW{config: config, weights: weights, firstMoment: moment(), secondMoment: moment()}
}

// Step updates the weights by a gradient of their shape.
func (a *AdamW) Step(gradient *torch.Tensor) {
	a.step++
	c := a.config
	// The moments start at 0; the corrections remove that bias.
	correction1 := 1 - math.Pow(c.Beta1, float64(a.step))
	correction2 := math.Sqrt(1 - math.Pow(c.Beta2, float64(a.step)))
	size := c.LearningRate / correction1

	a.weights.Scale(1 - c.LearningRate*c.WeightDecay)
	a.firstMoment.Lerp(gradient, 1-c.Beta1)
	scaled := gradient.MulNumber(math.Sqrt(1 - c.Beta2))
	a.secondMoment.Scale(c.Beta2).AddProduct(scaled, scaled)
	scaled.Free()

	root := a.secondMoment.In(gradient).Sqrt()
	a.weights.AddQuotient(a.firstMoment, root.Scale(1/correction2).AddNumberTo(c.Epsilon).Scale(-1/size))
	root.Free()
}

// Moments returns the running means of the gradient and of its square, for checkpoints. They belong
// to the optimizer; setting them restores it.
func (a *AdamW) Moments() (first, second *torch.Tensor) { return a.firstMoment, a.secondMoment }

// SetStep sets the number of steps taken, for an optimizer whose moments were restored.
func (a *AdamW) SetStep(step int) { a.step = step }

// SetLearningRate sets the learning rate of the next steps.
func (a *AdamW) SetLearningRate(rate float64) { a.config.LearningRate = rate }

// Free frees the moments.
func (a *AdamW) Free() {
	a.firstMoment.Free()
	a.secondMoment.Free()
}
