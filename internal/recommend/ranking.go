package recommend

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"rdrec/internal/beam"
	"rdrec/internal/dataset"
	"rdrec/internal/prediction"
	"rdrec/internal/task"
)

// Sequential recommends the item after each user's history: the reference's seq.py or, in protocol
// clean, a search among the items that are not in the history.
func Sequential(ctx context.Context, job Job) ([]prediction.Prediction, error) {
	return job.rank(ctx, task.Sequential, job.Evaluate.SequentialUsers)
}

// TopN recommends one of a list of candidates to each user: the reference's topn.py or, in protocol
// clean, a search among the candidates.
func TopN(ctx context.Context, job Job) ([]prediction.Prediction, error) {
	return job.rank(ctx, task.TopN, job.Evaluate.TopNUsers)
}

// ranker ranks items for the users of a list.
type ranker struct {
	Job
	plan     *plan
	numItems int
	seen     map[int][]int // by user: the items to exclude
	catalog  *Catalog      // nil if decoding is unconstrained
}

func (j Job) rank(ctx context.Context, tk task.Task, users int) ([]prediction.Prediction, error) {
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
func Rank(ctx context.Context, job Job, list task.List) ([]prediction.Prediction, error) {
	p, err := job.plan(list)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", list.Task, err)
	}
	r := &ranker{Job: job, plan: p, numItems: job.Evaluate.TopN, seen: map[int][]int{}}
	if list.Task == task.Sequential {
		r.numItems = job.Evaluate.NumReturnSequences
		for _, user := range job.Data.Users {
			r.seen[user.ID] = job.seen(user)
		}
	}
	if job.Settings.Protocol.Constrained {
		if r.catalog, err = job.newCatalog(); err != nil {
			return nil, fmt.Errorf("%s: %w", list.Task, err)
		}
		defer r.catalog.Free()
	}
	return r.run(ctx)
}

// seen returns the items that a user's ranking excludes.
func (j Job) seen(user dataset.User) []int {
	if j.Validation {
		return user.TrainItems()
	}
	return user.History()
}

// run ranks items for all users of the plan by a search.
func (r *ranker) run(ctx context.Context) ([]prediction.Prediction, error) {
	if r.catalog != nil {
		return r.runBy(ctx, r.constrained)
	}
	return r.runBy(ctx, r.unconstrained)
}

// runBy ranks items for all users of the plan; rank ranks a batch, whose first row has an index.
func (r *ranker) runBy(
	ctx context.Context, rank func(ctx context.Context, b task.Batch, first int) ([]prediction.Prediction, error),
) ([]prediction.Prediction, error) {
	var all []prediction.Prediction
	err := r.plan.each(ctx, r.Progress, func(b task.Batch, first int) error {
		rankings, err := rank(ctx, b, first)
		if err == nil {
			all = append(all, rankings...)
		}
		return err
	})
	return prediction.Merge(all), err
}

// newCatalog encodes all items of the data as in a target.
func (j Job) newCatalog() (*Catalog, error) {
	encodings := make(map[int][]int32, j.Data.Items)
	items := j.Model.ItemTokens()
	for item := 1; item <= j.Data.Items; item++ {
		if items.Codes != nil {
			encodings[item] = items.Target(item)
			continue
		}
		tokens := j.Tokenizer.Encode(strconv.Itoa(item))
		encodings[item] = tokens[:len(tokens)-1] // all but the end token
	}
	return NewCatalog(encodings, int32(j.Model.End))
}

// rankings returns a prediction for each user of the batch, without items.
func (r *ranker) rankings(b task.Batch, first int) []prediction.Prediction {
	all := make([]prediction.Prediction, b.Size)
	for i := range all {
		example := r.plan.list.Examples[first+i]
		all[i] = prediction.Prediction{Index: r.plan.order[first+i], User: example.User, Truth: example.Item}
	}
	return all
}

// constrained ranks a batch by a search that finds only allowed items.
func (r *ranker) constrained(ctx context.Context, b task.Batch, first int) ([]prediction.Prediction, error) {
	all := r.rankings(b, first)
	search := ItemSearch{
		NumBeams: r.Evaluate.NumBeams, NumItems: r.numItems, MaskCross: r.Settings.Protocol.MaskCross,
	}
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

// unconstrained ranks a batch by the texts that the student generates freely.
func (r *ranker) unconstrained(ctx context.Context, b task.Batch, first int) ([]prediction.Prediction, error) {
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
		random := task.NewPCG(r.Seed, randomItemStream(r.plan.list.Task, all[i].User))
		parseTexts(&all[i], r.seen[all[i].User], r.Data.Items, random)
	}
	return all, nil
}

// randomItemStream returns the random stream of a user's random items in a task. Each user has a
// stream, so shards sample the same items as the whole job.
func randomItemStream(tk task.Task, user int) uint64 {
	const randomItems = 1 << 48 // above the streams of package task
	return randomItems + uint64(user)*uint64(len(task.Tasks())) + uint64(tk)
}

// parseTexts converts texts to items as the reference does: items of the history are dropped
// without refilling, and text that is not a number becomes a random item, even one of the history
// (docs/deviations.md 12 to 15). The reference samples it without a seed.
func parseTexts(p *prediction.Prediction, seen []int, items int, random task.Random) {
	for _, text := range p.Texts {
		item, ok := ParseItem(text)
		switch {
		case !ok:
			p.Items = append(p.Items, 1+random.IntN(items))
			p.Replaced++
		case slices.Contains(seen, item):
			p.Seen++
		default:
			p.Items = append(p.Items, item)
		}
	}
}
