package fusion_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"rdrec/internal/dataset"
	"rdrec/internal/fusion"
	"rdrec/internal/prediction"
)

// BenchmarkFit fits six parts of 100 items each, with groups, to 1,000 of the 5,000 users that are
// the default.
func BenchmarkFit(b *testing.B) {
	const parts, users, items, size = 6, 1000, 12_000, 100
	random := rand.New(rand.NewPCG(6, 1))
	asked := make([]dataset.User, users)
	for i := range asked {
		asked[i] = dataset.User{ID: i + 1, Items: random.Perm(items)[:5+random.IntN(10)]}
	}
	all := make([]fusion.Part, parts)
	for i := range all {
		lists := map[int]prediction.Prediction{}
		for _, user := range asked {
			var p prediction.Prediction
			score := 0.0
			for _, item := range random.Perm(items)[:size] {
				score -= random.Float64() / 10
				p.Items, p.Scores = append(p.Items, item), append(p.Scores, score)
			}
			// The parts find the item of every second user, at different places.
			if truth := user.ValidationItem(); random.IntN(2) == 0 && !slices.Contains(p.Items, truth) {
				p.Items[random.IntN(size)] = truth
			}
			lists[user.ID] = p
		}
		all[i] = fusion.Part{
			Name: string(rune('a' + i)), Floor: -20,
			Recommend: func(_ context.Context, users []dataset.User, _ int) ([]prediction.Prediction, error) {
				ranked := make([]prediction.Prediction, len(users))
				for i, user := range users {
					ranked[i] = lists[user.ID]
				}
				return ranked, nil
			},
		}
	}
	settings := fusion.Settings{Candidates: size, Groups: []int{4, 8}}
	for b.Loop() {
		if _, err := fusion.Fit(b.Context(), all, asked, settings, nil); err != nil {
			b.Fatal(err)
		}
	}
}
