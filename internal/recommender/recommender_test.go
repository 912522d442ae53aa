package recommender_test

import (
	"context"
	"errors"
	"testing"

	"rdrec/internal/dataset"
	"rdrec/internal/prediction"
	"rdrec/internal/recommender"
	"rdrec/internal/task"
)

// failing is a student that cannot rank.
type failing struct{ recommender.Student }

var errNoMemory = errors.New("no memory")

func (failing) Recommend(
	context.Context, []dataset.User, int, func(done, total int),
) ([]prediction.Prediction, error) {
	return nil, errNoMemory
}

// TestAStudentThatFails returns the student's error.
func TestAStudentThatFails(t *testing.T) {
	t.Parallel()
	r := recommender.New(&dataset.Dataset{Items: 1}, failing{})
	if rows, err := r.Histories(t.Context(), []dataset.User{{ID: 1}}, recommender.Options{Top: 1}); rows != nil ||
		!errors.Is(err, errNoMemory) {
		t.Errorf("%+v, %v", rows, err)
	}
}

// TestPair looks up users and items by the shop's ids; the second item has none but its index.
func TestPair(t *testing.T) {
	t.Parallel()
	r := recommender.New(&dataset.Dataset{
		Items: 2, ItemIDs: []string{"soap", ""}, UserIDs: []string{"", "", "", "ann"},
		Users: []dataset.User{{ID: 4, Items: []int{1}}},
	}, nil)
	for _, c := range []struct {
		user, item string
		want       task.Pair
		err        error
	}{
		{"ann", "soap", task.Pair{User: 4, Item: 1}, nil},
		{"ann", "2", task.Pair{User: 4, Item: 2}, nil},
		{"bob", "soap", task.Pair{}, recommender.ErrUser},
		{"ann", "comb", task.Pair{}, recommender.ErrItem},
		{"4", "soap", task.Pair{}, recommender.ErrUser},
		{"ann", "1", task.Pair{}, recommender.ErrItem},
	} {
		got, err := r.Pair(c.user, c.item)
		if got != c.want || !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
			t.Errorf("%s, %s: %+v, %v", c.user, c.item, got, err)
		}
	}
}
