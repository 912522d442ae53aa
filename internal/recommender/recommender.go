// Package recommender recommends items by a trained student, in the shop's own ids. In: original
// ids of users and items. Out: [Row]s with titles, scores and explanations. Steps: [New] indexes
// the dataset's ids once; each request is then passed to the [Student] with the dataset's indices,
// and the result is mapped back. A user who is not in the dataset gets the most popular items. It
// links no libtorch: the worker provides the student.
package recommender

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"rdrec/internal/baseline"
	"rdrec/internal/dataset"
	"rdrec/internal/prediction"
	"rdrec/internal/task"
)

// Row is a recommendation: a line of an export, or an item of a response.
type Row struct {
	// User and Item are the shop's own ids, or the dataset's indices if the data has no ids.
	User string `json:"user"`
	// Rank counts from 1.
	Rank  int    `json:"rank"`
	Item  string `json:"item"`
	Title string `json:"title,omitempty"`
	// Score is the log-probability of the item among all items that are not in the user's history;
	// 0 for a popular item.
	Score float64 `json:"score"`
	// Explanation is the student's explanation, if requested.
	Explanation string `json:"explanation,omitempty"`
}

// Student recommends and explains by the dataset's indices. It is for one goroutine at a time.
type Student interface {
	// Recommend returns up to k unseen items for each user and their scores, best first, in the
	// users' order. Progress, which may be nil, receives the finished and the total users.
	Recommend(
		ctx context.Context, users []dataset.User, k int, progress func(done, total int),
	) ([]prediction.Prediction, error)
	// Explain returns an explanation of each pair, in their order; progress receives pairs.
	Explain(ctx context.Context, pairs []task.Pair, progress func(done, total int)) ([]string, error)
	// Close frees the student's memory.
	Close()
}

// Errors of unknown ids.
var (
	// ErrUser and ErrItem mean that the dataset has no such user or item.
	ErrUser = errors.New("no such user in the model's data")
	ErrItem = errors.New("no such item in the model's data")
)

// Recommender recommends and explains by the shop's ids. It is for one goroutine at a time, except
// [Recommender.Popular], [Recommender.Known] and [Recommender.Pair].
type Recommender struct {
	data    *dataset.Dataset
	student Student
	users   map[string]int // id of a user to the index in data.Users
	items   map[string]int // id of an item to its index
	popular baseline.Rank
}

// New returns a recommender for the users and items of data.
func New(data *dataset.Dataset, student Student) *Recommender {
	r := &Recommender{
		data: data, student: student,
		popular: baseline.MostPopular(data, func(u dataset.User) []int { return u.Items }),
		users:   make(map[string]int, len(data.Users)), items: make(map[string]int, data.Items),
	}
	for index, user := range data.Users {
		r.users[name(data.UserIDs, user.ID)] = index
	}
	for item := 1; item <= data.Items; item++ {
		r.items[name(data.ItemIDs, item)] = item
	}
	return r
}

// name returns the shop's id of an index from 1, or the index itself if there is no id.
func name(ids []string, index int) string {
	if index >= 1 && index <= len(ids) && ids[index-1] != "" {
		return ids[index-1]
	}
	return strconv.Itoa(index)
}

// Close frees the student.
func (r *Recommender) Close() { r.student.Close() }

// Known reports whether the dataset has the user.
func (r *Recommender) Known(user string) bool {
	_, ok := r.users[user]
	return ok
}

// Popular returns the recommendations for an unknown user: the items that occur most often.
func (r *Recommender) Popular(user string, k int) []Row {
	items := r.popular(baseline.Query{K: k})
	return r.rows(user, prediction.Prediction{Items: items, Scores: make([]float64, len(items))})
}

// rows returns the rows of a ranking.
func (r *Recommender) rows(user string, ranked prediction.Prediction) []Row {
	rows := make([]Row, len(ranked.Items))
	for i, item := range ranked.Items {
		rows[i] = Row{
			User: user, Rank: i + 1, Item: name(r.data.ItemIDs, item), Title: r.Title(item), Score: ranked.Scores[i],
		}
	}
	return rows
}

// Options are the settings of a request.
type Options struct {
	// Top is the maximum number of items per user.
	Top int
	// Explain adds the student's explanation to each row.
	Explain bool
	// Progress counts users, or explanations if Explain is set.
	Progress func(done, total int)
}

// Users returns the recommendations for known users, in their order.
func (r *Recommender) Users(ctx context.Context, users []string, o Options) ([][]Row, error) {
	histories := make([]dataset.User, len(users))
	for i, user := range users {
		index, ok := r.users[user]
		if !ok {
			return nil, fmt.Errorf("%w: %q", ErrUser, user)
		}
		histories[i] = r.data.Users[index]
	}
	return r.Histories(ctx, histories, o)
}

// Histories returns the recommendations for users of the dataset, in their order.
func (r *Recommender) Histories(ctx context.Context, users []dataset.User, o Options) ([][]Row, error) {
	progress := o.Progress
	if o.Explain {
		progress = nil
	}
	ranked, err := r.student.Recommend(ctx, users, o.Top, progress)
	if err != nil {
		return nil, err
	}
	all := make([][]Row, len(users))
	var pairs []task.Pair
	for i, user := range users {
		all[i] = r.rows(name(r.data.UserIDs, user.ID), ranked[i])
		for _, item := range ranked[i].Items {
			pairs = append(pairs, task.Pair{User: user.ID, Item: item})
		}
	}
	if !o.Explain {
		return all, nil
	}
	texts, err := r.student.Explain(ctx, pairs, o.Progress)
	if err != nil {
		return nil, err
	}
	for _, rows := range all {
		for k := range rows {
			rows[k].Explanation, texts = texts[0], texts[1:]
		}
	}
	return all, nil
}

// Pair returns the dataset's indices of a user and an item.
func (r *Recommender) Pair(user, item string) (task.Pair, error) {
	index, ok := r.users[user]
	if !ok {
		return task.Pair{}, fmt.Errorf("%w: %q", ErrUser, user)
	}
	itemIndex, ok := r.items[item]
	if !ok {
		return task.Pair{}, fmt.Errorf("%w: %q", ErrItem, item)
	}
	return task.Pair{User: r.data.Users[index].ID, Item: itemIndex}, nil
}

// Title returns the title of an item, or "" if the item has only an id.
func (r *Recommender) Title(item int) string {
	if title := r.data.Title(item); title != name(r.data.ItemIDs, item) {
		return title
	}
	return ""
}

// Explain returns an explanation of each pair, in their order; [Recommender.Pair] returns pairs.
func (r *Recommender) Explain(ctx context.Context, pairs []task.Pair) ([]string, error) {
	return r.student.Explain(ctx, pairs, nil)
}
