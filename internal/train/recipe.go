package train

import (
	"math"

	"rdrec/internal/spec"
	"rdrec/internal/torch"
)

// learningRate returns the rate of the next step: it rises from 0 for warmup_steps, and then stays
// or falls to 0 along a cosine.
func (t *trainer) learningRate() float64 {
	settings := t.job.Spec.Train
	return scheduledRate(settings.LearningRate, t.state.Step, settings.WarmupSteps, t.steps, settings.Scheduler)
}

// scheduledRate returns the learning rate after so many of all steps.
func scheduledRate(rate float64, step, warmup, steps int, scheduler string) float64 {
	switch {
	case step < warmup:
		return rate * float64(step+1) / float64(warmup)
	case scheduler == spec.Cosine:
		progress := float64(step-warmup) / float64(max(steps-warmup, 1))
		return rate * (1 + math.Cos(math.Pi*progress)) / 2
	default:
		return rate
	}
}

// clipNorm scales a gradient down to the norm limit if its norm is above that; 0 means no limit.
func clipNorm(gradient *torch.Tensor, limit float64) {
	if limit == 0 {
		return
	}
	s := torch.NewScope()
	defer s.Close()
	number := func(x float64) *torch.Tensor { return s.Full(x, torch.Float64, gradient.Device()) }
	scale := number(limit).Div(s.Use(gradient).Norm().To(torch.Float64)).Minimum(number(1))
	gradient.MulTo(scale.To(torch.Float32))
}

// average is a moving average of the weights. A nil average does nothing.
type average struct {
	weights *torch.Tensor
	// aside is the trained weights while the average is in the model; nil otherwise.
	aside *torch.Tensor
}

// newAverage returns the average before the first step: the weights.
func newAverage(weights *torch.Tensor) *average {
	s := torch.NewScope()
	defer s.Close()
	return &average{weights: torch.Keep(s.Use(weights).Clone())}
}

// update moves the average towards the weights after a step. The decay rate is lower in the first
// steps, so that the initial weights are soon forgotten.
func (a *average) update(weights *torch.Tensor, decay float64, step int) {
	if a != nil {
		a.weights.Lerp(weights, 1-min(decay, float64(1+step)/float64(10+step)))
	}
}

// swapIn sets the model's weights to the average; swapOut undoes it.
func (a *average) swapIn(weights *torch.Tensor) {
	if a == nil {
		return
	}
	s := torch.NewScope()
	defer s.Close()
	a.aside = torch.Keep(s.Use(weights).Clone())
	weights.SetTo(a.weights)
}

func (a *average) swapOut(weights *torch.Tensor) {
	if a == nil {
		return
	}
	weights.SetTo(a.aside)
	a.aside.Free()
	a.aside = nil
}

// trained returns the trained weights, given those in the model.
func (a *average) trained(weights *torch.Tensor) *torch.Tensor {
	if a != nil && a.aside != nil {
		return a.aside
	}
	return weights
}

func (a *average) free() {
	if a == nil {
		return
	}
	a.weights.Free()
	if a.aside != nil {
		a.aside.Free()
	}
}
