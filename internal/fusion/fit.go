package fusion

import (
	"context"
	"errors"
	"fmt"
	"slices"

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

// choice is a user's candidates and the item that the user chose.
type choice struct {
	candidates
	history int
	// truth is the row of the item among the candidates, -1 if it is not one of them.
	truth int
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
	choices, floors := make([]choice, 0, len(sampled)), floorsOf(parts)
	ask := lister{parts, settings.Candidates, progress}
	err := ask.each(ctx, sampled, func(user dataset.User, lists []prediction.Prediction) {
		united := newCandidates(lists, floors, settings.Candidates)
		choices = append(choices, newChoice(united, len(user.Items), truths[user.ID]))
	})
	if err != nil {
		return Fitted{}, err
	}
	return selectParts(parts, choices, settings)
}

func newChoice(c candidates, history, item int) choice {
	row, found := slices.BinarySearch(c.items, item)
	if !found {
		row = -1
	}
	return choice{c, history, row}
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
		if c.truth < 0 {
			continue
		}
		rank, utilities := 0, c.utilities(m.Groups[m.group(c.history)].weights())
		for row, utility := range utilities {
			if utility > utilities[c.truth] || utility == utilities[c.truth] && row < c.truth {
				rank++
			}
		}
		if rank < cut {
			sum += metric.Discount(rank)
		}
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

func floorsOf(parts []Part) []float64 {
	floors := make([]float64, len(parts))
	for i, part := range parts {
		floors[i] = part.Floor
	}
	return floors
}

// leaveOut returns the choices among the items that other parts list.
func leaveOut(choices []choice, part int) []choice {
	rest := make([]choice, len(choices))
	for i, c := range choices {
		item := 0
		if c.truth >= 0 {
			item = c.items[c.truth]
		}
		rest[i] = newChoice(c.leaveOut(part), c.history, item)
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
	mix.Candidates, mix.Floors = settings.Candidates, floorsOf(parts)
	for _, part := range parts {
		mix.Parts = append(mix.Parts, part.Name)
	}
	for _, minimum := range append([]int{0}, settings.Groups...) {
		mix.Groups = append(mix.Groups, Group{MinHistory: minimum})
	}
	all := logit{prior: make([]float64, 2*len(parts)), ridge: ridge}
	groups := make([]logit, len(mix.Groups))
	for _, c := range choices {
		if c.truth >= 0 {
			group := &groups[mix.group(c.history)]
			all.choices, group.choices = append(all.choices, c), append(group.choices, c)
		}
	}
	common := all.prior
	if covered = len(all.choices); covered > 0 {
		if common, err = all.minimize(); err != nil {
			return mix, covered, err
		}
	}
	for i := range groups {
		weights := common
		if n := len(groups[i].choices); n > 0 && len(groups) > 1 {
			groups[i].prior, groups[i].ridge = common, pullUsers/float64(n)
			if weights, err = groups[i].minimize(); err != nil {
				return mix, covered, err
			}
		}
		g := &mix.Groups[i]
		g.Users, g.Score, g.Missing = len(groups[i].choices), weights[:len(parts)], weights[len(parts):]
	}
	return mix, covered, nil
}
