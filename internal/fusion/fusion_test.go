package fusion_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
	"rdrec/internal/fusion"
	"rdrec/internal/prediction"
)

func list(items []int, scores ...float64) prediction.Prediction {
	return prediction.Prediction{Items: items, Scores: scores}
}

// TestRankByHand mixes two lists. The first is full, so an item that it lacks has its lowest score,
// -2; the second is not, so such an item has the floor, -4.
func TestRankByHand(t *testing.T) {
	m := fusion.Mix{Parts: []string{"a", "b"}, Floors: []float64{-9, -4}, Candidates: 2, Groups: []fusion.Group{
		{Score: []float64{1, 0.5}, Missing: []float64{-1, 0}},
		{MinHistory: 3, Score: []float64{0, 1}, Missing: []float64{0, 0}},
	}}
	lists := []prediction.Prediction{list([]int{7, 5}, -1, -2), list([]int{9}, -2)}
	// 7: -1 + .5 * -4 = -3; 5: -2 + .5 * -4 = -4; 9: -2 - 1 + .5 * -2 = -4, and 5 comes before 9.
	total := math.Log(math.Exp(-3) + 2*math.Exp(-4))
	items, scores := m.Rank(2, lists, 9)
	if diff := cmp.Diff([]int{7, 5, 9}, items); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
	for i, want := range []float64{-3 - total, -4 - total, -4 - total} {
		if math.Abs(scores[i]-want) > 1e-12 {
			t.Errorf("score %d is %g, want %g", i, scores[i], want)
		}
	}
	// From a history of three items on, only the second part counts.
	if items, _ := m.Rank(3, lists, 1); !slices.Equal(items, []int{9}) {
		t.Errorf("the second group's best item is %v", items)
	}
	if items, scores := m.Rank(1, make([]prediction.Prediction, 2), 5); len(items)+len(scores) > 0 {
		t.Errorf("without candidates: %v, %v", items, scores)
	}
}

// shop has users with 4 to 9 items of 50; the validation item is sampled from the
// logarithmic scores of its two parts, by weights that the test sets.
type shop struct {
	users  []dataset.User
	scores map[int][2][]float64 // by user; index item-1
}

func newShop(n int, weight func(history int) [2]float64) shop {
	random := rand.New(rand.NewPCG(3, 1)) //nolint:gosec // not a secret
	s := shop{scores: map[int][2][]float64{}}
	for id := 1; id <= n; id++ {
		user := dataset.User{ID: id}
		for range 2 + random.IntN(6) {
			user.Items = append(user.Items, 51+random.IntN(9)) // never ranked
		}
		var scores [2][]float64
		utilities := make([]float64, 50)
		w := weight(len(user.Items))
		best, bestUtility := 0, math.Inf(-1)
		for item := range utilities {
			for part := range scores {
				scores[part] = append(scores[part], random.NormFloat64())
				utilities[item] += w[part] * scores[part][item]
			}
			gumbel := -math.Log(-math.Log(random.Float64()))
			if utility := utilities[item] + gumbel; utility > bestUtility {
				best, bestUtility = item+1, utility
			}
		}
		user.Items = append(user.Items, best, 60)
		s.users, s.scores[id] = append(s.users, user), scores
	}
	return s
}

func (s shop) part(index int, name string) fusion.Part {
	return fusion.Part{Name: name, Floor: -10, Recommend: func(
		_ context.Context, users []dataset.User, k int,
	) ([]prediction.Prediction, error) {
		var all []prediction.Prediction
		for _, user := range users {
			scores := s.scores[user.ID][index]
			order := make([]int, len(scores))
			for i := range order {
				order[i] = i
			}
			slices.SortFunc(order, func(a, b int) int { return cmpDescending(scores[a], scores[b]) })
			p := prediction.Prediction{User: user.ID}
			for _, i := range order[:min(k, len(order))] {
				p.Items, p.Scores = append(p.Items, i+1), append(p.Scores, scores[i])
			}
			all = append(all, p)
		}
		return all, nil
	}}
}

func cmpDescending(a, b float64) int {
	switch {
	case a > b:
		return -1
	case a < b:
		return 1
	default:
		return 0
	}
}

// TestFitFindsTheWeights: choices sampled by a logit give back its weights, by groups that differ.
func TestFitFindsTheWeights(t *testing.T) {
	weights := func(history int) [2]float64 {
		if history >= 5 {
			return [2]float64{0.5, 2}
		}
		return [2]float64{1.5, 1}
	}
	s := newShop(6000, weights)
	parts := []fusion.Part{s.part(0, "head"), s.part(1, "counts")}
	got, err := fusion.Fit(t.Context(), parts, s.users, fusion.Settings{Candidates: 50, Groups: []int{5}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.Users != 6000 || got.Covered != 6000 || len(got.Mix.Groups) != 2 {
		t.Fatalf("fitted on %d of %d users in %d groups", got.Covered, got.Users, len(got.Mix.Groups))
	}
	for i, history := range []int{2, 5} {
		g, want := got.Mix.Groups[i], weights(history)
		for part, w := range want {
			if math.Abs(g.Score[part]-w) > 0.1 {
				t.Errorf("group from %d items: weight %d is %.3f, want %g", g.MinHistory, part, g.Score[part], w)
			}
		}
	}
	if got.Mix.Groups[0].Users+got.Mix.Groups[1].Users != 6000 {
		t.Errorf("the groups have %d and %d users", got.Mix.Groups[0].Users, got.Mix.Groups[1].Users)
	}
	// Without the second part only the first is left.
	if diff := cmp.Diff([]string{"head"}, got.Without[1].Parts); diff != "" || len(got.Without) != 2 {
		t.Errorf("without counts (-want +got):\n%s", diff)
	}
}

// TestMixFindsMoreThanItsParts: on other users the mix finds more first items than each of its
// parts.
func TestMixFindsMoreThanItsParts(t *testing.T) {
	s := newShop(4000, func(int) [2]float64 { return [2]float64{2, 2} })
	parts := []fusion.Part{s.part(0, "head"), s.part(1, "counts")}
	got, err := fusion.Fit(t.Context(), parts, s.users[:2000], fusion.Settings{Candidates: 20, Users: 1000}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.Users != 1000 || got.Covered < 900 || got.Covered > 1000 {
		t.Errorf("fitted on %d of %d users", got.Covered, got.Users)
	}
	test := s.users[2000:]
	hits := func(recommend func(context.Context, []dataset.User, int) ([]prediction.Prediction, error)) (n int) {
		ranked, err := recommend(t.Context(), test, 1)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range ranked {
			if p.User != test[i].ID {
				t.Fatalf("row %d is of user %d, want %d", i, p.User, test[i].ID)
			}
			if p.Items[0] == test[i].ValidationItem() {
				n++
			}
		}
		return n
	}
	var done []int
	mixed := hits(func(ctx context.Context, users []dataset.User, k int) ([]prediction.Prediction, error) {
		r := fusion.Recommender{Parts: parts, Mix: got.Mix}
		return r.Recommend(ctx, users, k, func(d, _ int) { done = append(done, d) })
	})
	for _, part := range parts {
		if alone := hits(part.Recommend); float64(mixed) < 1.3*float64(alone) {
			t.Errorf("the mix has %d hits, %s alone %d", mixed, part.Name, alone)
		}
	}
	if len(done) != 8 || done[7] != 2000 { // 2,000 users in parts of 256
		t.Errorf("progress was %v", done)
	}
}

// TestFitDropsAPartThatAddsNothing: without noise the mix is as good, and without a good part it is
// not.
func TestFitDropsAPartThatAddsNothing(t *testing.T) {
	s := newShop(1500, func(int) [2]float64 { return [2]float64{2, 2} })
	noise := newShop(1500, func(int) [2]float64 { return [2]float64{} })
	random := rand.New(rand.NewPCG(9, 9)) //nolint:gosec // not a secret
	for _, user := range noise.users {    // in order, so that each run samples the same
		scores := noise.scores[user.ID][0]
		for item := range scores {
			scores[item] = random.NormFloat64()
		}
	}
	parts := []fusion.Part{s.part(0, "head"), noise.part(0, "noise"), s.part(1, "counts")}
	got, err := fusion.Fit(t.Context(), parts, s.users, fusion.Settings{Candidates: 50}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Dropped, []string{"noise"}) || !slices.Equal(got.Mix.Parts, []string{"head", "counts"}) {
		t.Errorf("dropped %v, kept %v", got.Dropped, got.Mix.Parts)
	}
	if selected := got.Mix.Select(parts); len(selected) != 2 || selected[1].Name != "counts" {
		t.Errorf("selected %v", selected)
	}
	if got.Validation < 0.5 || got.Validation > 1 || len(got.Without) != 2 {
		t.Errorf("NDCG@10 %.4f, %d mixes without a part", got.Validation, len(got.Without))
	}
}

// TestFitNeedsAChoice: an item that no part ranks teaches nothing.
func TestFitNeedsAChoice(t *testing.T) {
	s := newShop(20, func(int) [2]float64 { return [2]float64{0, 0} })
	empty := fusion.Part{Name: "empty", Recommend: func(
		_ context.Context, users []dataset.User, _ int,
	) ([]prediction.Prediction, error) {
		return make([]prediction.Prediction, len(users)), nil
	}}
	_, err := fusion.Fit(t.Context(), []fusion.Part{empty}, s.users, fusion.Settings{Candidates: 5}, nil)
	if !errors.Is(err, fusion.ErrTooFew) {
		t.Errorf("error is %v", err)
	}
	failing := fusion.Part{Name: "failing", Recommend: func(
		context.Context, []dataset.User, int,
	) ([]prediction.Prediction, error) {
		return nil, context.DeadlineExceeded
	}}
	if _, err := fusion.Fit(
		t.Context(), []fusion.Part{failing}, s.users, fusion.Settings{Candidates: 5}, nil,
	); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v", err)
	}
}

// TestFitSkipsSeenItems: a validation item that is among the training items is not recommended, so
// the user is left out; so is one without a validation item.
func TestFitSkipsSeenItems(t *testing.T) {
	s := newShop(50, func(int) [2]float64 { return [2]float64{1, 1} })
	s.users[3].Items[0] = s.users[3].ValidationItem()
	s.users[5].Items = s.users[5].Items[:2]
	got, err := fusion.Fit(t.Context(), []fusion.Part{s.part(0, "head")}, s.users, fusion.Settings{Candidates: 50}, nil)
	if err != nil || got.Users != 48 || got.Without != nil {
		t.Errorf("fitted on %d users, without %v, error %v; want 48", got.Users, got.Without, err)
	}
}

// TestRankAllRanksTheMixAndThoseWithoutAPart compares each ranking with that of its mix alone.
func TestRankAllRanksTheMixAndThoseWithoutAPart(t *testing.T) {
	s := newShop(400, func(int) [2]float64 { return [2]float64{2, 1} })
	parts := []fusion.Part{s.part(0, "head"), s.part(1, "counts")}
	fitted, err := fusion.Fit(t.Context(), parts, s.users[:300], fusion.Settings{Candidates: 20}, nil)
	if err != nil || len(fitted.Without) != 2 {
		t.Fatalf("%+v, %v", fitted, err)
	}
	got, err := fitted.RankAll(t.Context(), parts, s.users[300:], 5, nil)
	if err != nil || len(got) != 3 {
		t.Fatalf("%d rankings, %v", len(got), err)
	}
	for i, c := range []struct {
		mix   fusion.Mix
		parts []fusion.Part
	}{{fitted.Mix, parts}, {fitted.Without[0], parts[1:]}, {fitted.Without[1], parts[:1]}} {
		alone := fusion.Recommender{Parts: c.parts, Mix: c.mix}
		want, err := alone.Recommend(t.Context(), s.users[300:], 5, nil)
		if diff := cmp.Diff(want, got[i]); diff != "" || err != nil {
			t.Errorf("ranking %d: %v %s", i, err, diff)
		}
	}
}
