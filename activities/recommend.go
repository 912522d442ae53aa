package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"rdrec/internal/recommender"
	"rdrec/storage"
)

// RecommendInput requests one user's recommendations. The user's id is in the bucket: inputs and
// results of activities stay in histories.
type RecommendInput struct {
	ExportInput
	// Request is the id of a request ([storage.Bucket.PutRequest]) with a [RecommendQuestion].
	Request string `json:"request"`
}

// RecommendQuestion is for whom to recommend.
type RecommendQuestion struct {
	// User is the shop's own user id.
	User string `json:"user"`
}

// Recommendations are one user's, the reply of a request.
type Recommendations struct {
	User string `json:"user"`
	// Cold means that the model has not seen the user: the items are the most popular ones.
	Cold  bool              `json:"cold"`
	Items []recommender.Row `json:"items"`
}

// Recommend recommends to one user. A user who is not in the model's dataset gets the most popular
// items, without explanations: the student cannot explain them to an unknown user.
func (a *Activities) Recommend(ctx context.Context, in RecommendInput) (err error) {
	ctx, work, err := a.begin(ctx, "recommend")
	defer work.finish(&err)
	if err != nil {
		return err
	}
	if err := in.check(); err != nil {
		return err
	}
	user, err := a.requestedUser(ctx, in.Request)
	if err != nil {
		return err
	}
	rec, _, err := a.recommender(ctx, in.Model, in.Top, work.dir)
	if err != nil {
		return err
	}
	defer rec.Close()
	reply := Recommendations{User: user, Cold: !rec.Known(user)}
	if reply.Cold {
		reply.Items = rec.Popular(user, in.Top)
	} else {
		rows, err := rec.Users(ctx, []string{user}, recommender.Options{Top: in.Top, Explain: in.Explain})
		if err != nil {
			return err
		}
		reply.Items = rows[0]
	}
	data, err := json.Marshal(reply)
	if err != nil {
		return fmt.Errorf("encode the recommendations: %w", err)
	}
	return a.Bucket.PutReply(ctx, in.Request, data)
}

// requestedUser returns the user of a request.
func (a *Activities) requestedUser(ctx context.Context, request string) (string, error) {
	data, err := a.Bucket.Request(ctx, request)
	if errors.Is(err, storage.ErrNotFound) {
		return "", fmt.Errorf("%w: the request was withdrawn", ErrInvalid)
	}
	if err != nil {
		return "", err
	}
	var question RecommendQuestion
	if err := json.Unmarshal(data, &question); err != nil {
		return "", &storage.CorruptError{Key: "request " + request, Reason: err.Error()}
	}
	return question.User, nil
}
