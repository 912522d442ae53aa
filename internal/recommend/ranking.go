package recommend

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"rdrec/internal/beam"
	"rdrec/internal/task"
)

// Ranking is what a student recommends to one user.
type Ranking struct {
	// Index is the user's among those examined, from 0, in the data's order.
	Index int `json:"index"`
	User  int `json:"user"`
	// Truth is the item that the user took in fact.
	Truth int `json:"truth"`
	// Items are the recommendations, best first. In protocol paper they may repeat, and be no items
	// at all.
	Items []int `json:"items"`
	// Texts and Scores are what was decoded, best first, before anything was dropped.
	Texts  []string  `json:"texts"`
	Scores []float64 `json:"scores"`
	// Replaced is how many of Items were drawn by lot, as their text was no number (protocol
	// paper).
	Replaced int `json:"replaced,omitempty"`
	// Seen is how many texts were dropped as items of the user's history (protocol paper).
	Seen int `json:"seen,omitempty"`
}

func (r Ranking) index() int { return r.Index }

// Sequential recommends each user's next item after all but the last: the reference's seq.py, or in
// protocol clean a search among the items that the user has not had.
func Sequential(ctx context.Context, job Job) ([]Ranking, error) {
	return job.rank(ctx, task.Sequential, job.Evaluate.SequentialUsers)
}

// TopN recommends each user one of a list of candidates: the reference's topn.py, or in protocol
// clean a search among them.
func TopN(ctx context.Context, job Job) ([]Ranking, error) {
	return job.rank(ctx, task.TopN, job.Evaluate.TopNUsers)
}

// ranker ranks for the users of one kind of list.
type ranker struct {
	Job
	plan     *plan
	numItems int
	seen     map[int][]int // backend user: what is dropped
	catalog  *Catalog      // nil where decoding is free
}

func (j Job) rank(ctx context.Context, tk task.Task, users int) ([]Ranking, error) {
	if users < 0 {
		return nil, nil
	}
	list, err := j.testList(tk, users)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", tk, err)
	}
	return Rank(ctx, j, list)
}

// Rank recommends to the users of a sequential or top-N list.
func Rank(ctx context.Context, job Job, list task.List) ([]Ranking, error) {
	p, err := job.plan(list)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", list.Task, err)
	}
	r := &ranker{Job: job, plan: p, numItems: job.Evaluate.TopN, seen: map[int][]int{}}
	if list.Task == task.Sequential {
		r.numItems = job.Evaluate.NumReturnSequences
		for _, user := range job.Data.Users {
			r.seen[user.ID] = user.Items[:max(0, len(user.Items)-1)]
		}
	}
	if job.Settings.Protocol.Constrained {
		if r.catalog, err = job.newCatalog(); err != nil {
			return nil, fmt.Errorf("%s: %w", list.Task, err)
		}
	}
	return r.run(ctx)
}

// run ranks for all users of the plan.
func (r *ranker) run(ctx context.Context) ([]Ranking, error) {
	var all []Ranking
	err := r.plan.each(ctx, r.Progress, func(b task.Batch, first int) error {
		search := r.unconstrained
		if r.catalog != nil {
			search = r.constrained
		}
		rankings, err := search(ctx, b, first)
		all = append(all, rankings...)
		return err
	})
	return Merge(all), err
}

// itemEncodings spells all items of the data as a target would.
func (j Job) newCatalog() (*Catalog, error) {
	encodings := make(map[int][]int32, j.Data.Items)
	for item := 1; item <= j.Data.Items; item++ {
		tokens := j.Tokenizer.Encode(strconv.Itoa(item))
		encodings[item] = tokens[:len(tokens)-1] // all but the end token
	}
	return NewCatalog(encodings, int32(j.Model.End))
}

// rankings are the batch's users, with nothing recommended yet.
func (r *ranker) rankings(b task.Batch, first int) []Ranking {
	all := make([]Ranking, b.Size)
	for i := range all {
		example := r.plan.list.Examples[first+i]
		all[i] = Ranking{Index: r.plan.order[first+i], User: example.User, Truth: example.Item}
	}
	return all
}

// constrained ranks a batch by a search that only finds what may be recommended.
func (r *ranker) constrained(ctx context.Context, b task.Batch, first int) ([]Ranking, error) {
	all := r.rankings(b, first)
	search := ItemSearch{NumBeams: r.Evaluate.NumBeams, NumItems: r.numItems, MaskCross: r.Settings.Protocol.MaskCross}
	for i, ranking := range all {
		trie := r.catalog.Trie
		if r.plan.list.Task == task.TopN {
			var err error
			if trie, err = trie.Only(r.plan.list.Examples[first+i].Items); err != nil {
				return nil, fmt.Errorf("user %d: %w", ranking.User, err)
			}
		}
		search.Constraints = append(search.Constraints, trie.Except(r.seen[ranking.User]))
	}
	found, err := SearchItems(ctx, r.Model, b, r.catalog, search)
	if err != nil {
		return nil, err
	}
	for i := range all {
		for _, f := range found[i] {
			all[i].Items = append(all[i].Items, f.Item)
			all[i].Texts = append(all[i].Texts, strconv.Itoa(f.Item))
			all[i].Scores = append(all[i].Scores, f.Score)
		}
	}
	return all, nil
}

// unconstrained ranks a batch by what the student writes when it may write anything.
func (r *ranker) unconstrained(ctx context.Context, b task.Batch, first int) ([]Ranking, error) {
	all := r.rankings(b, first)
	config := beam.DefaultConfig()
	config.NumBeams, config.NumReturnSequences, config.MaxLength = r.Evaluate.NumBeams, r.numItems, r.Evaluate.MaxLength
	found, err := beam.Search(ctx, r.Model, b, config, r.Settings.Protocol.MaskCross)
	if err != nil {
		return nil, err
	}
	for i := range all {
		for _, h := range found[i] {
			text, err := r.text(h)
			if err != nil {
				return nil, fmt.Errorf("user %d: %w", all[i].User, err)
			}
			all[i].Texts = append(all[i].Texts, text)
			all[i].Scores = append(all[i].Scores, h.Score)
		}
		all[i].parseTexts(r.seen[all[i].User], r.Data.Items, task.NewPCG(r.Seed, randomItemStream(r.plan.list.Task, all[i].User)))
	}
	return all, nil
}

// randomItemStream numbers the stream of random items of a user in a kind of list: the draws of one
// user do not depend on the others, so that parts of a job draw the same.
func randomItemStream(tk task.Task, user int) uint64 {
	const draws = 1 << 48 // apart from the streams of package task
	return draws + uint64(user)*uint64(len(task.Tasks())) + uint64(tk)
}

// parseTexts makes items of texts as the reference does: items of the history are dropped without
// refilling, and what is no number becomes a random item, even one of the history (REFERENCE.md 12
// to 15). The reference draws it without a seed.
func (r *Ranking) parseTexts(seen []int, items int, random task.Random) {
	for _, text := range r.Texts {
		item, ok := ParseItem(text)
		switch {
		case !ok:
			r.Items = append(r.Items, 1+random.IntN(items))
			r.Replaced++
		case slices.Contains(seen, item):
			r.Seen++
		default:
			r.Items = append(r.Items, item)
		}
	}
}
