package activities

import (
	"context"

	"rdrec/internal/recommender"
)

// RecommendInput requests one user's recommendations.
type RecommendInput struct {
	ExportInput
	// User is the shop's own user id.
	User string `json:"user"`
}

// Recommendations are one user's.
type Recommendations struct {
	User string `json:"user"`
	// Cold means that the model has not seen the user: the items are the most popular ones.
	Cold  bool              `json:"cold"`
	Items []recommender.Row `json:"items"`
}

// Recommend recommends to one user. A user who is not in the model's dataset gets the most popular
// items, without explanations: the student cannot explain them to an unknown user.
func (a *Activities) Recommend(ctx context.Context, in RecommendInput) (out Recommendations, err error) {
	ctx, work, err := a.begin(ctx, "recommend")
	defer work.finish(&err)
	if err != nil {
		return out, err
	}
	if err := in.check(); err != nil {
		return out, err
	}
	rec, _, err := a.recommender(ctx, in.Model, in.Top, work.dir)
	if err != nil {
		return out, err
	}
	defer rec.Close()
	if !rec.Known(in.User) {
		return Recommendations{User: in.User, Cold: true, Items: rec.Popular(in.User, in.Top)}, nil
	}
	rows, err := rec.Users(ctx, []string{in.User}, recommender.Options{Top: in.Top, Explain: in.Explain})
	if err != nil {
		return out, err
	}
	return Recommendations{User: in.User, Items: rows[0]}, nil
}
