// Package advice is a trained student's answers in the shop's own words. In: users' and items'
// original ids; out: [Row]s with titles, scores and explanations. Steps: [New] learns the dataset's
// names once, then each question is put to the [Student] in numbers and its answer is named. A user
// whom the dataset does not know gets what is popular. It links no libtorch: the worker brings the
// student.
package recommender

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"rdrec/internal/baseline"
	"rdrec/internal/dataset"
	"rdrec/internal/task"
)

// Row is a recommendation as it is handed out: a line of an export, an item of an answer.
type Row struct {
	// User and Item are the shop's own ids; where the data has none, our numbers.
	User string `json:"user"`
	// Rank counts from 1.
	Rank  int    `json:"rank"`
	Item  string `json:"item"`
	Title string `json:"title,omitempty"`
	// Score is the log-probability of the item among all that the user has not had; 0 where it is
	// only popular.
	Score float64 `json:"score"`
	// Explanation is the student's own words, where they were asked for.
	Explanation string `json:"explanation,omitempty"`
}

// Ranked is what a student recommends to one user, best first.
type Ranked struct {
	Items  []int
	Scores []float64
}

// Student answers in the dataset's numbers. It is for one goroutine at a time.
type Student interface {
	// Recommend recommends up to k unseen items to each user, in the users' order.
	Recommend(ctx context.Context, users []dataset.User, k int, progress Progress) ([]Ranked, error)
	// Explain explains each pair, in their order.
	Explain(ctx context.Context, pairs []task.Pair, progress Progress) ([]string, error)
	// Close frees the student's memory.
	Close()
}

// Progress is told how far a piece of work is; nil for nobody.
type Progress func(done, total int)

// What nobody can be told.
var (
	// ErrUser and ErrItem say that the dataset has no such user or item.
	ErrUser = errors.New("no such user in the model's data")
	ErrItem = errors.New("no such item in the model's data")
)

// Recommender answers questions in the shop's ids. It is for one goroutine at a time, but for
// [Recommender.Popular], [Recommender.Known] and [Recommender.Pair].
type Recommender struct {
	data    *dataset.Dataset
	student Student
	users   map[string]int // place in data.Users
	items   map[string]int // number
	popular baseline.Rank
}

// New returns a desk where student answers.
func New(data *dataset.Dataset, student Student) (*Recommender, error) {
	row, ok := baseline.Find(baseline.Popularity)
	if !ok {
		return nil, fmt.Errorf("no baseline %q", baseline.Popularity)
	}
	r := &Recommender{
		data: data, student: student, popular: row.Fit(data),
		users: make(map[string]int, len(data.Users)), items: make(map[string]int, data.Items),
	}
	for index, user := range data.Users {
		r.users[name(data.UserIDs, user.ID)] = index
	}
	for item := 1; item <= data.Items; item++ {
		r.items[name(data.ItemIDs, item)] = item
	}
	return r, nil
}

// name is the shop's id of a number, else the number.
func name(ids []string, number int) string {
	if number >= 1 && number <= len(ids) && ids[number-1] != "" {
		return ids[number-1]
	}
	return strconv.Itoa(number)
}

// Close frees the student.
func (r *Recommender) Close() { r.student.Close() }

// Known says whether the student can answer for a user.
func (r *Recommender) Known(user string) bool {
	_, ok := r.users[user]
	return ok
}

// Popular is what a user gets of whom nothing is known: the items that most histories hold.
func (r *Recommender) Popular(user string, k int) []Row {
	items := r.popular(baseline.Query{K: k})
	return r.rows(user, Ranked{Items: items, Scores: make([]float64, len(items))})
}

func (r *Recommender) rows(user string, ranked Ranked) []Row {
	rows := make([]Row, len(ranked.Items))
	for i, item := range ranked.Items {
		rows[i] = Row{User: user, Rank: i + 1, Item: name(r.data.ItemIDs, item), Title: r.Title(item), Score: ranked.Scores[i]}
	}
	return rows
}

// Options say what is asked for each user.
type Options struct {
	// Top is how many items a user gets, at most.
	Top int
	// Explain adds the student's explanation to each.
	Explain bool
	// Progress is told of users, or of explanations where those are asked for.
	Progress Progress
}

// Users recommends to known users, in their order.
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

// Histories recommends to users of the dataset, in their order.
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

// Pair finds the numbers of a user and an item.
func (r *Recommender) Pair(user, item string) (task.Pair, error) {
	index, ok := r.users[user]
	if !ok {
		return task.Pair{}, fmt.Errorf("%w: %q", ErrUser, user)
	}
	number, ok := r.items[item]
	if !ok {
		return task.Pair{}, fmt.Errorf("%w: %q", ErrItem, item)
	}
	return task.Pair{User: r.data.Users[index].ID, Item: number}, nil
}

// Title is an item's, for people; empty where it has none of its own.
func (r *Recommender) Title(item int) string {
	if title := r.data.Title(item); title != name(r.data.ItemIDs, item) {
		return title
	}
	return ""
}

// Explain explains pairs that [Recommender.Pair] found.
func (r *Recommender) Explain(ctx context.Context, pairs []task.Pair) ([]string, error) {
	return r.student.Explain(ctx, pairs, nil)
}
