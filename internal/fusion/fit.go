package fusion

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/optimize"

	"rdrec/internal/dataset"
	"rdrec/internal/metric"
	"rdrec/internal/prediction"
)

// ErrTooFew means that no user's choice was among the candidates, so there is nothing to fit on.
var ErrTooFew = errors.New("fusion: no validation item is among the candidates of the parts")

// Settings are the settings of [Fit].
type Settings struct {
	// Candidates is the number of items of each part.
	Candidates int
	// Users is the maximum number of users to fit on, sampled evenly; 0 means all.
	Users int
	// Groups are the shortest histories of all groups but the first, ascending.
	Groups []int
}

// Fitted is the result of [Fit].
type Fitted struct {
	Mix Mix `json:"mix"`
	// Validation is the NDCG@10 of the mix on the validation items that it was fitted on.
	Validation float64 `json:"validation_ndcg10"`
	// Dropped are the parts without which the mix was as good on these items, in that order.
	Dropped []string `json:"dropped,omitempty"`
	// Users is the number of validation users, Covered the number of those whose item is among the
	// candidates of all parts, which alone the weights are fitted on.
	Users   int `json:"users"`
	Covered int `json:"covered"`
	// Without has, for each part of the mix, the mix of all others, fitted on the same users; nil
	// for a mix of one part.
	Without []Mix `json:"without,omitempty"`
}

// RankAll returns the rankings of the mix and of those without each part, in their order. The parts
// rank once.
func (f Fitted) RankAll(
	ctx context.Context, parts []Part, users []dataset.User, k int, progress func(done, total int),
) ([][]prediction.Prediction, error) {
	all := make([][]prediction.Prediction, 1+len(f.Without))
	ask := lister{parts, max(k, f.Mix.Candidates), progress}
	err := ask.each(ctx, users, func(user dataset.User, lists []prediction.Prediction) {
		all[0] = append(all[0], f.Mix.rankFor(user, lists, k))
		for i, mix := range f.Without {
			all[i+1] = append(all[i+1], mix.rankFor(user, without(lists, i), k))
		}
	})
	return all, err
}

// choice is a user's lists, one for each part, and the item that the user chose.
type choice struct {
	history, item int
	lists         []prediction.Prediction
}

// Fit fits the weights of a mix on the validation items of users: each part ranks for the training
// items of a user, and the validation item is the user's choice.
func Fit(
	ctx context.Context, parts []Part, users []dataset.User, settings Settings, progress func(done, total int),
) (Fitted, error) {
	var asked []dataset.User
	truths := map[int]int{} // by user
	for _, user := range users {
		train, truth := user.TrainItems(), user.ValidationItem()
		if truth != 0 && !slices.Contains(train, truth) {
			asked, truths[user.ID] = append(asked, dataset.User{ID: user.ID, Items: train}), truth
		}
	}
	indices := dataset.SampleEvenly(len(asked), settings.Users)
	sampled := make([]dataset.User, len(indices))
	for i, index := range indices {
		sampled[i] = asked[index]
	}
	choices := make([]choice, 0, len(sampled))
	ask := lister{parts, settings.Candidates, progress}
	err := ask.each(ctx, sampled, func(user dataset.User, lists []prediction.Prediction) {
		choices = append(choices, choice{len(user.Items), truths[user.ID], lists})
	})
	if err != nil {
		return Fitted{}, err
	}
	return selectParts(parts, choices, settings)
}

// selectParts fits a mix of all parts, and then drops the part without which the NDCG@10 is highest
// as long as it does not fall.
func selectParts(parts []Part, choices []choice, settings Settings) (Fitted, error) {
	fitted := Fitted{Users: len(choices)}
	var err error
	if fitted.Mix, fitted.Covered, err = fit(parts, choices, settings); err != nil {
		return fitted, err
	}
	if fitted.Covered == 0 {
		return fitted, ErrTooFew
	}
	fitted.Validation = fitted.Mix.ndcg(choices)
	for len(parts) > 1 {
		best, bestScore := 0, -1.0
		fitted.Without = make([]Mix, len(parts))
		for i := range parts {
			rest := leaveOut(choices, i)
			if fitted.Without[i], _, err = fit(without(parts, i), rest, settings); err != nil {
				return fitted, fmt.Errorf("without %s: %w", parts[i].Name, err)
			}
			if score := fitted.Without[i].ndcg(rest); score > bestScore {
				best, bestScore = i, score
			}
		}
		if bestScore < fitted.Validation {
			return fitted, nil
		}
		fitted.Mix, fitted.Validation = fitted.Without[best], bestScore
		fitted.Dropped = append(fitted.Dropped, parts[best].Name)
		parts, choices = without(parts, best), leaveOut(choices, best)
	}
	fitted.Without = nil
	return fitted, nil
}

// ndcg returns the mean NDCG@10 of the mix.
func (m Mix) ndcg(choices []choice) float64 {
	const cut = 10
	sum := 0.0
	for _, c := range choices {
		items, _ := m.Rank(c.history, c.lists, cut)
		sum += metric.StrictNDCG(metric.List{Items: items, Truth: []int{c.item}}, cut)
	}
	return sum / float64(max(len(choices), 1))
}

// Select returns the parts of a mix, in its order.
func (m Mix) Select(parts []Part) []Part {
	selected := make([]Part, 0, len(m.Parts))
	for _, name := range m.Parts {
		index := slices.IndexFunc(parts, func(p Part) bool { return p.Name == name })
		if index >= 0 {
			selected = append(selected, parts[index])
		}
	}
	return selected
}

// without returns a copy of values that lacks one.
func without[T any](values []T, index int) []T {
	return slices.Delete(slices.Clone(values), index, index+1)
}

func leaveOut(choices []choice, part int) []choice {
	rest := make([]choice, len(choices))
	for i, c := range choices {
		rest[i] = choice{c.history, c.item, without(c.lists, part)}
	}
	return rest
}

// The penalties on weights, per user: those of all users are pulled to 0, and those of a group to
// those of all users as if by pullUsers users.
const (
	ridge     = 1e-3
	pullUsers = 50
)

// fit fits the weights of all users, then those of each group. Without a covered choice they are 0.
func fit(parts []Part, choices []choice, settings Settings) (mix Mix, covered int, err error) {
	mix.Candidates = settings.Candidates
	for _, part := range parts {
		mix.Parts, mix.Floors = append(mix.Parts, part.Name), append(mix.Floors, part.Floor)
	}
	for _, minimum := range append([]int{0}, settings.Groups...) {
		mix.Groups = append(mix.Groups, Group{MinHistory: minimum})
	}
	all := logit{prior: make([]float64, 2*len(parts)), ridge: ridge}
	groups := make([]logit, len(mix.Groups))
	for _, c := range choices {
		rows := mix.candidatesOf(c.lists)
		truth, found := slices.BinarySearch(rows.items, c.item)
		if !found {
			continue
		}
		all.add(rows, truth)
		groups[mix.group(c.history)].add(rows, truth)
	}
	common := all.prior
	if covered = len(all.truths); covered > 0 {
		if common, err = all.minimize(); err != nil {
			return mix, covered, err
		}
	}
	for i := range groups {
		weights := common
		if n := len(groups[i].truths); n > 0 && len(groups) > 1 {
			groups[i].prior, groups[i].ridge = common, pullUsers/float64(n)
			if weights, err = groups[i].minimize(); err != nil {
				return mix, covered, err
			}
		}
		g := &mix.Groups[i]
		g.Users, g.Score, g.Missing = len(groups[i].truths), weights[:len(parts)], weights[len(parts):]
	}
	return mix, covered, nil
}

// logit is the penalized loss of a conditional logit: the mean of minus the log-probability of each
// choice among its candidates, plus half of ridge times the squared distance of the weights from
// prior.
type logit struct {
	candidates []candidates
	truths     []int // the row of each choice
	prior      []float64
	ridge      float64
}

func (l *logit) add(c candidates, truth int) {
	l.candidates, l.truths = append(l.candidates, c), append(l.truths, truth)
}

// minimize returns the weights of the smallest loss.
func (l *logit) minimize() ([]float64, error) {
	problem := optimize.Problem{
		Func: func(weights []float64) float64 {
			loss, _, _ := l.evaluate(weights, 0)
			return loss
		},
		Grad: func(gradient, weights []float64) {
			_, g, _ := l.evaluate(weights, 1)
			copy(gradient, g)
		},
		Hess: func(hessian *mat.SymDense, weights []float64) {
			_, _, h := l.evaluate(weights, 2)
			hessian.CopySym(h)
		},
	}
	const tolerance = 1e-7 // of the gradient
	settings := &optimize.Settings{GradientThreshold: tolerance, MajorIterations: 100}
	found, err := optimize.Minimize(problem, slices.Clone(l.prior), settings, &optimize.Newton{})
	if found == nil {
		return nil, fmt.Errorf("fusion: fit the weights: %w", err)
	}
	// Near the minimum a step may no longer lower the rounded loss; then the gradient decides.
	if _, gradient, _ := l.evaluate(found.X, 1); floats.Norm(gradient, math.Inf(1)) > 1e-4 {
		return nil, fmt.Errorf("fusion: the fit of the weights does not converge: %s: %w", found.Status, err)
	}
	return found.X, nil
}

// evaluate returns the loss, with its gradient for an order of 1 or more and its Hessian for 2.
func (l *logit) evaluate(weights []float64, order int) (loss float64, gradient []float64, hessian *mat.SymDense) {
	d := len(weights)
	gradient, hessian = make([]float64, d), mat.NewSymDense(d, nil)
	scale := 1 / float64(len(l.truths))
	mean := make([]float64, d)
	for i, c := range l.candidates {
		utilities := c.utilities(weights)
		total := logSumExp(utilities)
		loss += scale * (total - utilities[l.truths[i]])
		if order == 0 {
			continue
		}
		clear(mean)
		for row, features := range c.features {
			share := math.Exp(utilities[row] - total)
			floats.AddScaled(mean, share, features)
			if order > 1 {
				hessian.SymRankOne(hessian, scale*share, mat.NewVecDense(d, features))
			}
		}
		floats.AddScaled(gradient, scale, mean)
		floats.AddScaled(gradient, -scale, c.features[l.truths[i]])
		if order > 1 {
			hessian.SymRankOne(hessian, -scale, mat.NewVecDense(d, mean))
		}
	}
	for i, weight := range weights {
		away := weight - l.prior[i]
		loss += l.ridge / 2 * away * away
		gradient[i] += l.ridge * away
		hessian.SetSym(i, i, hessian.At(i, i)+l.ridge)
	}
	return loss, gradient, hessian
}
