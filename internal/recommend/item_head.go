package recommend

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"rdrec/internal/prediction"
	"rdrec/internal/task"
	"rdrec/internal/torch"
)

// SequentialByHead is [Sequential] by the item head, which scores all items at once; nil if the
// student has none. The scores are log-probabilities among all items.
func SequentialByHead(ctx context.Context, job Job) ([]prediction.Prediction, error) {
	if job.Evaluate.SequentialUsers < 0 || !job.Model.ItemHead {
		return nil, nil
	}
	list, err := job.testList(task.Sequential, job.Evaluate.SequentialUsers)
	if err != nil {
		return nil, fmt.Errorf("item head: %w", err)
	}
	return RankByHead(ctx, job, list)
}

// RankByHead recommends to the users of a sequential list by the item head.
func RankByHead(ctx context.Context, job Job, list task.List) ([]prediction.Prediction, error) {
	p, err := job.plan(list)
	if err != nil {
		return nil, fmt.Errorf("item head: %w", err)
	}
	r := &ranker{Job: job, plan: p, numItems: job.Evaluate.NumReturnSequences, seen: map[int][]int{}}
	for _, user := range job.Data.Users {
		r.seen[user.ID] = job.seen(user)
	}
	return r.runBy(ctx, r.byHead)
}

// maxScores is the number of items' scores that are computed at once: 64 MiB.
const maxScores = 1 << 24

// byHead ranks a batch by the item head, in parts if the catalog is large.
func (r *ranker) byHead(_ context.Context, b task.Batch, first int) ([]prediction.Prediction, error) {
	all := r.rankings(b, first)
	step := max(1, maxScores/max(1, r.Data.Items))
	if step >= b.Size {
		return all, r.scoreByHead(b, all)
	}
	for from := 0; from < b.Size; from += step {
		to := min(from+step, b.Size)
		if err := r.scoreByHead(b.Rows(from, to), all[from:to]); err != nil {
			return all, err
		}
	}
	return all, nil
}

// scoreByHead adds the items of the highest scores to the prediction of each row.
func (r *ranker) scoreByHead(b task.Batch, all []prediction.Prediction) error {
	return torch.Run(func(s *torch.Scope) (err error) {
		torch.NoGrad(func() {
			var scores *torch.Tensor
			if scores, err = r.Model.ItemScores(s, b); err != nil {
				return
			}
			values, items := scores.Float32s(), int(scores.Dim(1))
			for i := range all {
				for _, f := range topItems(values[i*items:(i+1)*items], r.seen[all[i].User], r.numItems) {
					all[i].Items = append(all[i].Items, f.Item)
					all[i].Scores = append(all[i].Scores, f.Score)
				}
			}
		})
		return err
	})
}

// topItems returns the n items of the highest scores without the excluded ones, best first; equal
// scores go by item. scores has an element for each item.
func topItems(scores []float32, excluded []int, n int) []Found {
	skip := make(map[int]bool, len(excluded))
	for _, item := range excluded {
		skip[item] = true
	}
	best := make([]Found, 0, n+1)
	for i, score := range scores {
		if skip[i+1] || len(best) == n && float64(score) <= best[n-1].Score {
			continue
		}
		at, _ := slices.BinarySearchFunc(best, float64(score), func(f Found, score float64) int {
			if f.Score >= score {
				return -1
			}
			return cmp.Compare(score, f.Score)
		})
		best = slices.Insert(best, at, Found{Item: i + 1, Score: float64(score)})
		best = best[:min(len(best), n)]
	}
	return best
}
