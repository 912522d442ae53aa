package recommend_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rdrec/internal/dataset"
	"rdrec/internal/recommend"
	"rdrec/internal/spec"
	"rdrec/internal/task"
)

// TestRecommender checks what is promised to people: unseen, different items of the shop in order
// of their scores, the same whoever else asks, after the whole history, and a text for each pair.
func TestRecommender(t *testing.T) {
	job := miniJob(t, spec.Paper)
	recommender, err := recommend.NewRecommender(job.Model, job.Tokenizer, job.Data, job.Settings.Method, job.Evaluate)
	if err != nil {
		t.Fatal(err)
	}
	users := append(slices.Clone(job.Data.Users[:6]), dataset.User{ID: 7, Items: job.Data.Users[6].Items[:1]})
	const k = 5
	done := 0
	together, err := recommender.Recommend(t.Context(), users, k, func(n, _ int) { done = n })
	if err != nil {
		t.Fatal(err)
	}
	if done != len(users) || len(together) != len(users) {
		t.Fatalf("%d answers, %d told of, want %d", len(together), done, len(users))
	}
	for i, r := range together {
		sorted := slices.Sorted(slices.Values(r.Items))
		if r.User != users[i].ID || len(slices.Compact(sorted)) != k ||
			!slices.IsSortedFunc(r.Scores, func(a, b float64) int { return int(math.Copysign(1, b-a)) }) {
			t.Errorf("user %d: %+v", users[i].ID, r)
		}
		for _, item := range r.Items {
			if item < 1 || item > job.Data.Items || slices.Contains(users[i].Items, item) {
				t.Errorf("user %d: item %d is none or seen", r.User, item)
			}
		}
		alone, err := recommender.Recommend(t.Context(), users[i:i+1], k, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(alone[0].Items, r.Items); diff != "" {
			t.Errorf("user %d is answered otherwise beside others: %s", r.User, diff)
		}
	}
	pairs := []task.Pair{
		{User: 1, Item: together[0].Items[0]}, {User: 2, Item: together[1].Items[1]}, {User: 1, Item: 3},
	}
	texts, err := recommender.Explain(t.Context(), pairs, nil)
	if err != nil || len(texts) != len(pairs) {
		t.Fatalf("%q, %v", texts, err)
	}
	for i, text := range texts {
		alone, err := recommender.Explain(t.Context(), pairs[i:i+1], nil)
		if err != nil || strings.TrimSpace(text) == "" || alone[0] != text {
			t.Errorf("%v: %q together, %q alone, %v", pairs[i], text, alone, err)
		}
	}
	if _, err := recommender.Recommend(t.Context(), []dataset.User{{ID: 8}}, k, nil); err == nil ||
		!strings.Contains(err.Error(), "user 8") {
		t.Errorf("a user without items: %v", err)
	}
}
