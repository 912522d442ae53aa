// Package advice is a trained student's answers in the shop's own words. In: users' and items' original ids; out: [Row]s with titles,
// scores and explanations. Steps: [NewDesk] learns the dataset's names once, then each question is put to the [Student] in numbers and
// its answer is named. A user whom the dataset does not know gets what is popular. It links no libtorch: the worker brings the student.
package advice

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
	// Score is the log-probability of the item among all that the user has not had; 0 where it is only popular.
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
	// Next recommends up to k unseen items to each user, in the users' order.
	Next(ctx context.Context, users []dataset.User, k int, progress Progress) ([]Ranked, error)
	// Why explains each pair, in their order.
	Why(ctx context.Context, pairs []task.Pair, progress Progress) ([]string, error)
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

// Desk answers questions in the shop's ids. It is for one goroutine at a time, but for [Desk.Popular], [Desk.Known] and [Desk.Pair].
type Desk struct {
	data    *dataset.Dataset
	student Student
	users   map[string]int // place in data.Users
	items   map[string]int // number
	popular baseline.Rank
}

// NewDesk returns a desk where student answers.
func NewDesk(data *dataset.Dataset, student Student) (*Desk, error) {
	row, ok := baseline.Find(baseline.Popularity)
	if !ok {
		return nil, fmt.Errorf("no baseline %q", baseline.Popularity)
	}
	d := &Desk{
		data: data, student: student, popular: row.Fit(data),
		users: make(map[string]int, len(data.Users)), items: make(map[string]int, data.Items),
	}
	for place, user := range data.Users {
		d.users[name(data.UserIDs, user.ID)] = place
	}
	for item := 1; item <= data.Items; item++ {
		d.items[name(data.ItemIDs, item)] = item
	}
	return d, nil
}

// name is the shop's id of a number, else the number.
func name(ids []string, number int) string {
	if number >= 1 && number <= len(ids) && ids[number-1] != "" {
		return ids[number-1]
	}
	return strconv.Itoa(number)
}

// Close frees the student.
func (d *Desk) Close() { d.student.Close() }

// Known says whether the student can answer for a user.
func (d *Desk) Known(user string) bool {
	_, ok := d.users[user]
	return ok
}

// Popular is what a user gets of whom nothing is known: the items that most histories hold.
func (d *Desk) Popular(user string, k int) []Row {
	items := d.popular(baseline.Query{K: k})
	return d.rows(user, Ranked{Items: items, Scores: make([]float64, len(items))})
}

func (d *Desk) rows(user string, ranked Ranked) []Row {
	rows := make([]Row, len(ranked.Items))
	for i, item := range ranked.Items {
		rows[i] = Row{User: user, Rank: i + 1, Item: name(d.data.ItemIDs, item), Title: d.Title(item), Score: ranked.Scores[i]}
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
func (d *Desk) Users(ctx context.Context, users []string, o Options) ([][]Row, error) {
	histories := make([]dataset.User, len(users))
	for i, user := range users {
		place, ok := d.users[user]
		if !ok {
			return nil, fmt.Errorf("%w: %q", ErrUser, user)
		}
		histories[i] = d.data.Users[place]
	}
	return d.Histories(ctx, histories, o)
}

// Histories recommends to users of the dataset, in their order.
func (d *Desk) Histories(ctx context.Context, users []dataset.User, o Options) ([][]Row, error) {
	progress := o.Progress
	if o.Explain {
		progress = nil
	}
	ranked, err := d.student.Next(ctx, users, o.Top, progress)
	if err != nil {
		return nil, err
	}
	all := make([][]Row, len(users))
	var pairs []task.Pair
	for i, user := range users {
		all[i] = d.rows(name(d.data.UserIDs, user.ID), ranked[i])
		for _, item := range ranked[i].Items {
			pairs = append(pairs, task.Pair{User: user.ID, Item: item})
		}
	}
	if !o.Explain {
		return all, nil
	}
	texts, err := d.student.Why(ctx, pairs, o.Progress)
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
func (d *Desk) Pair(user, item string) (task.Pair, error) {
	place, ok := d.users[user]
	if !ok {
		return task.Pair{}, fmt.Errorf("%w: %q", ErrUser, user)
	}
	number, ok := d.items[item]
	if !ok {
		return task.Pair{}, fmt.Errorf("%w: %q", ErrItem, item)
	}
	return task.Pair{User: d.data.Users[place].ID, Item: number}, nil
}

// Title is an item's, for people; empty where it has none of its own.
func (d *Desk) Title(item int) string {
	if title := d.data.Title(item); title != name(d.data.ItemIDs, item) {
		return title
	}
	return ""
}

// Why explains pairs that [Desk.Pair] found.
func (d *Desk) Why(ctx context.Context, pairs []task.Pair) ([]string, error) {
	return d.student.Why(ctx, pairs, nil)
}
