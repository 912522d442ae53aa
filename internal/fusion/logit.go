package fusion

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/optimize"
)

// logit is the penalized loss of a conditional logit: the mean of minus the log-probability of each
// choice among its candidates, plus half of ridge times the squared distance of the weights from
// prior.
type logit struct {
	choices []choice // each with its item among the candidates
	prior   []float64
	ridge   float64

	// at are the weights that the loss and its derivatives below belong to, nil at first. The
	// optimizer asks for them one by one, and each needs the probabilities of all candidates.
	at       []float64
	loss     float64
	gradient []float64
	hessian  *mat.SymDense
}

// minimize returns the weights of the smallest loss.
func (l *logit) minimize() ([]float64, error) {
	problem := optimize.Problem{
		Func: func(weights []float64) float64 {
			l.evaluate(weights)
			return l.loss
		},
		Grad: func(gradient, weights []float64) {
			l.evaluate(weights)
			copy(gradient, l.gradient)
		},
		Hess: func(hessian *mat.SymDense, weights []float64) {
			l.evaluate(weights)
			hessian.CopySym(l.hessian)
		},
	}
	const tolerance = 1e-7 // of the gradient
	settings := &optimize.Settings{GradientThreshold: tolerance, MajorIterations: 100}
	found, err := optimize.Minimize(problem, slices.Clone(l.prior), settings, &optimize.Newton{})
	if found == nil {
		return nil, fmt.Errorf("fusion: fit the weights: %w", err)
	}
	// Near the minimum a step may no longer lower the rounded loss; then the gradient decides.
	if l.evaluate(found.X); floats.Norm(l.gradient, math.Inf(1)) > 1e-4 {
		return nil, fmt.Errorf("fusion: the fit of the weights does not converge: %s: %w", found.Status, err)
	}
	return found.X, nil
}

// evaluate sets the loss, its gradient and its Hessian at weights.
func (l *logit) evaluate(weights []float64) {
	if slices.Equal(l.at, weights) {
		return
	}
	d := len(weights)
	l.at, l.loss, l.gradient = slices.Clone(weights), 0, make([]float64, d)
	moments := make([]float64, d*d) // the upper triangle of the covariance of the features
	mean := make([]float64, d)
	for _, c := range l.choices {
		utilities := c.utilities(weights)
		l.loss -= utilities[c.truth]
		l.loss += softmax(utilities)
		clear(mean)
		for row, features := range c.features {
			share := utilities[row]
			for i, value := range features {
				scaled := share * value
				mean[i] += scaled
				for j, other := range features[i:] {
					moments[i*d+i+j] += scaled * other
				}
			}
		}
		floats.Add(l.gradient, mean)
		floats.Sub(l.gradient, c.features[c.truth])
		for i, value := range mean {
			floats.AddScaled(moments[i*d+i:(i+1)*d], -value, mean[i:])
		}
	}
	scale := 1 / float64(len(l.choices))
	l.loss *= scale
	floats.Scale(scale, l.gradient)
	floats.Scale(scale, moments)
	for i, weight := range weights {
		away := weight - l.prior[i]
		l.loss += l.ridge / 2 * away * away
		l.gradient[i] += l.ridge * away
		moments[i*d+i] += l.ridge
	}
	l.hessian = mat.NewSymDense(d, moments)
}
