package activities

import (
	"context"

	"rdrec/internal/advice"
)

// AdviseInput asks for one user's recommendations.
type AdviseInput struct {
	ExportInput
	// User is the shop's own id.
	User string
}

// Advice is what a user gets.
type Advice struct {
	User string `json:"user"`
	// Cold says that the model does not know the user: the items are popular ones.
	Cold  bool         `json:"cold"`
	Items []advice.Row `json:"items"`
}

// Advise recommends to one user. A user whom the model's data do not know gets what is popular, which is not explained: the student
// knows nobody to explain it to.
func (a *Activities) Advise(ctx context.Context, in AdviseInput) (out Advice, err error) {
	ctx, work, err := a.begin(ctx, "recommend")
	defer work.end(&err)
	if err != nil {
		return out, err
	}
	if err := in.check(); err != nil {
		return out, err
	}
	desk, _, err := a.desk(ctx, in.Model, in.Top, work.dir)
	if err != nil {
		return out, err
	}
	defer desk.Close()
	if !desk.Known(in.User) {
		return Advice{User: in.User, Cold: true, Items: desk.Popular(in.User, in.Top)}, nil
	}
	answers, err := desk.Users(ctx, []string{in.User}, advice.Options{Top: in.Top, Explain: in.Explain})
	if err != nil {
		return out, err
	}
	return Advice{User: in.User, Items: answers[0]}, nil
}
