package fusion

import (
	"gonum.org/v1/gonum/mat"

	"rdrec/internal/prediction"
)

// Loss returns the loss of a logit over the choices of items from lists of up to five, with its
// derivatives.
func Loss(
	lists [][]prediction.Prediction, floors []float64, items []int, prior, weights []float64,
) (loss float64, gradient []float64, hessian *mat.SymDense) {
	const size = 5
	l := logit{prior: prior, ridge: ridge}
	for i, user := range lists {
		l.choices = append(l.choices, newChoice(newCandidates(user, floors, size), 0, items[i]))
	}
	l.evaluate(weights)
	return l.loss, l.gradient, l.hessian
}

// Candidates returns the items and features of a user's lists.
func Candidates(lists []prediction.Prediction, floors []float64, size int) ([]int, [][]float64) {
	c := newCandidates(lists, floors, size)
	return c.items, c.features
}

// CandidatesWithout returns those without a part.
func CandidatesWithout(lists []prediction.Prediction, floors []float64, size, part int) ([]int, [][]float64) {
	c := newCandidates(lists, floors, size).leaveOut(part)
	return c.items, c.features
}
