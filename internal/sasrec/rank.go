package sasrec

import (
	"cmp"
	"context"
	"math"
	"slices"

	"rdrec/internal/baseline"
	"rdrec/internal/dataset"
	"rdrec/internal/metric"
	"rdrec/internal/prediction"
	"rdrec/internal/torch"
)

// maxScoredRows is the most histories in one forward pass.
const maxScoredRows = 256

// Rank returns the items for each query as [baseline.Rank] does: unseen items, or the candidates,
// best first, ties by item id.
func (m *Model) Rank(ctx context.Context, queries []baseline.Query) ([][]int, error) {
	lists := make([][]int, 0, len(queries))
	err := m.scoreEach(ctx, queries, func(q baseline.Query, scores []float32) {
		lists = append(lists, topK(q, scores))
	})
	return lists, err
}

// Recommend returns up to k unseen items for each user and the logarithms of their probabilities
// among all items, best first, in the users' order. Items that are new since the training are not
// recommended and not read.
func (m *Model) Recommend(ctx context.Context, users []dataset.User, k int) ([]prediction.Prediction, error) {
	queries := make([]baseline.Query, len(users))
	for i, user := range users {
		isNew := func(item int) bool { return item > m.items }
		queries[i] = baseline.Query{History: slices.DeleteFunc(slices.Clone(user.Items), isNew), K: k}
	}
	all := make([]prediction.Prediction, 0, len(users))
	err := m.scoreEach(ctx, queries, func(q baseline.Query, scores []float32) {
		p := prediction.Prediction{User: users[len(all)].ID, Items: topK(q, scores)}
		total := 0.0
		highest := float64(slices.Max(scores))
		for _, score := range scores {
			total += math.Exp(float64(score) - highest)
		}
		for _, item := range p.Items {
			p.Scores = append(p.Scores, float64(scores[item-1])-highest-math.Log(total))
		}
		all = append(all, p)
	})
	return all, err
}

// scoreEach calls use with the scores of all items for each query, in order. The scores of an empty
// history are all 0.
func (m *Model) scoreEach(
	ctx context.Context,
	queries []baseline.Query,
	use func(q baseline.Query, scores []float32),
) error {
	for chunk := range slices.Chunk(queries, maxScoredRows) {
		if err := ctx.Err(); err != nil {
			return err
		}
		histories := make([][]int, len(chunk))
		for i, q := range chunk {
			histories[i] = q.History
		}
		scores, err := m.scores(histories)
		if err != nil {
			return err
		}
		for i, q := range chunk {
			row := scores[i*m.items : (i+1)*m.items]
			if len(q.History) == 0 {
				row = make([]float32, m.items)
			}
			use(q, row)
		}
	}
	return nil
}

// scores returns the items' scores after each history. [histories, items]
func (m *Model) scores(histories [][]int) (scores []float32, err error) {
	b := NewBatch(histories, nil, m.MaxLength)
	if b.Width == 0 {
		return make([]float32, len(histories)*m.items), nil
	}
	last := make([]int64, len(histories))
	for i, items := range histories {
		last[i] = int64(i)*b.Width + max(0, int64(min(len(items), m.MaxLength))-1)
	}
	err = torch.Run(func(s *torch.Scope) error {
		torch.NoGrad(func() {
			n := m.assemble(s.Use(m.flat), 0)
			positions := s.FromInt64(last, int64(len(last))).ToDevice(m.device)
			x := n.encode(s, b.Inputs, b.Width).Reshape(-1, int64(m.HiddenSize)) // [histories * width, dim]
			x = x.IndexSelect(0, positions)                                      // [histories, dim]
			scores = n.logits(x).Float32s()
		})
		return nil
	})
	return scores, err
}

// topK returns the query's K best items by their scores.
func topK(q baseline.Query, scores []float32) []int {
	items := q.Candidates
	if items == nil {
		items = make([]int, 0, len(scores))
		seen := make(map[int]bool, len(q.History))
		for _, item := range q.History {
			seen[item] = true
		}
		for item := 1; item <= len(scores); item++ {
			if !seen[item] {
				items = append(items, item)
			}
		}
	}
	order := func(a, b int) int { return cmp.Or(cmp.Compare(scores[b-1], scores[a-1]), cmp.Compare(a, b)) }
	var selected []int
	for _, item := range items {
		if len(selected) == q.K && (q.K == 0 || order(selected[q.K-1], item) < 0) {
			continue
		}
		rank, found := slices.BinarySearchFunc(selected, item, order)
		if found { // a candidate listed twice
			continue
		}
		selected = slices.Insert(selected, rank, item)
		selected = selected[:min(len(selected), q.K)]
	}
	return selected
}

// validate returns the mean NDCG@10 of the users' validation items among all items that are not in
// the user's training history. A tie counts against the model.
func (m *Model) validate(ctx context.Context, d *dataset.Dataset) (float64, error) {
	const cut = 10
	var queries []baseline.Query
	var truths []int
	for _, user := range d.Users {
		if user.ValidationItem() != 0 && !slices.Contains(user.TrainItems(), user.ValidationItem()) {
			queries = append(queries, baseline.Query{History: user.TrainItems()})
			truths = append(truths, user.ValidationItem())
		}
	}
	if len(queries) == 0 {
		return 0, nil
	}
	ndcg, at := 0.0, 0
	err := m.scoreEach(ctx, queries, func(q baseline.Query, scores []float32) {
		truth, rank := truths[at], 0
		at++
		for _, item := range q.History {
			scores[item-1] = float32(math.Inf(-1))
		}
		for item, score := range scores {
			if item != truth-1 && !(score < scores[truth-1]) { // NaN counts against it too
				rank++
			}
		}
		if rank < cut {
			ndcg += metric.Discount(rank)
		}
	})
	return ndcg / float64(len(queries)), err
}
