package activities

import (
	"context"

	"rdrec/internal/recommender"
)

// RecommendInput asks for one user's recommendations.
type RecommendInput struct {
	ExportInput
	// User is the shop's own id.
	User string `json:"user"`
}

// Recommendations is what a user gets.
type Recommendations struct {
	User string `json:"user"`
	// Cold says that the model does not know the user: the items are popular ones.
	Cold  bool              `json:"cold"`
	Items []recommender.Row `json:"items"`
}

// Recommend recommends to one user. A user whom the model's data do not know gets what is popular,
// which is not explained: the student knows nobody to explain it to.
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
