package fusion_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/fusion"
	"rdrec/internal/prediction"
)

// randomLists returns lists of 1 to size items of 12, one for each part.
func randomLists(random *rand.Rand, parts, size int) []prediction.Prediction {
	lists := make([]prediction.Prediction, parts)
	for i := range lists {
		score := 0.0
		for _, item := range random.Perm(12)[:1+random.IntN(size)] {
			score -= random.Float64()
			lists[i].Items, lists[i].Scores = append(lists[i].Items, item+1), append(lists[i].Scores, score)
		}
	}
	return lists
}

// TestDerivatives compares the gradient with differences of the loss, and the Hessian with
// differences of the gradient.
func TestDerivatives(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 2))
	const parts, size, step = 3, 5, 1e-5
	floors := []float64{-4, -5, -6}
	var lists [][]prediction.Prediction
	var items []int
	for range 20 {
		user := randomLists(random, parts, size)
		lists, items = append(lists, user), append(items, user[random.IntN(parts)].Items[0])
	}
	prior, weights := make([]float64, 2*parts), make([]float64, 2*parts)
	for i := range weights {
		prior[i], weights[i] = random.NormFloat64(), random.NormFloat64()
	}
	_, gradient, hessian := fusion.Loss(lists, floors, items, prior, weights)
	for i := range weights {
		weights[i] += step
		above, gradientAbove, _ := fusion.Loss(lists, floors, items, prior, weights)
		weights[i] -= 2 * step
		below, gradientBelow, _ := fusion.Loss(lists, floors, items, prior, weights)
		weights[i] += step
		if want := (above - below) / (2 * step); math.Abs(gradient[i]-want) > 1e-7 {
			t.Errorf("gradient %d is %g, want %g", i, gradient[i], want)
		}
		for j := range weights {
			want := (gradientAbove[j] - gradientBelow[j]) / (2 * step)
			if math.Abs(hessian.At(i, j)-want) > 1e-7 {
				t.Errorf("Hessian %d, %d is %g, want %g", i, j, hessian.At(i, j), want)
			}
		}
	}
}

// TestLeavingAPartOut compares the candidates without a part with those of the other lists alone.
func TestLeavingAPartOut(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	floors := []float64{-4, -5, -6}
	for range 20 {
		lists := randomLists(random, 3, 5)
		for part := range lists {
			others := append(append([]prediction.Prediction{}, lists[:part]...), lists[part+1:]...)
			rest := append(append([]float64{}, floors[:part]...), floors[part+1:]...)
			wantItems, want := fusion.Candidates(others, rest, 5)
			items, got := fusion.CandidatesWithout(lists, floors, 5, part)
			if diff := cmp.Diff(wantItems, items); diff != "" {
				t.Errorf("without part %d (-want +got):\n%s", part, diff)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("features without part %d (-want +got):\n%s", part, diff)
			}
		}
	}
}
